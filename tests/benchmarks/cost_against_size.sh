#!/usr/bin/env bash
# CPU seconds of a whole `dflop run` against the number of GPUs, 64 to 131,072, every replica with a batch of its own:
# a table and a figure with logarithmic axes, and the exponent fitted over the last four doublings.
#
#   bash tests/benchmarks/cost_against_size.sh [DFLOP [DIR]]      # by default build/release/bin/dflop, results/performance
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dflop=$(realpath "${1:-build/release/bin/dflop}")
out=${2:-results/performance}
source tests/benchmarks/text_job.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

table=$out/cost_against_size.csv
echo "gpus,cpu_s,memory_mib" >"$table"
for ((dp = 1; dp <= 2048; dp *= 2)); do
  text_job "$((64 * dp)) GPUs" replay own 8192 64 8 8 "$dp" >"$folder/job.json"
  command time -f "%U %S %M" -o "$folder/time" "$dflop" run "$folder/job.json" --out "$folder/out" --quiet --jobs 1
  tail -1 "$folder/time" | awk -v gpus=$((64 * dp)) '{printf "%d,%.2f,%.0f\n", gpus, $1 + $2, $3 / 1024}' >>"$table"
done

awk -F, -v svg="$out/cost_against_size.svg" '
  function log2(x) { return log(x) / log(2) }
  function left(gpus) { return 70 + 480 * (log2(gpus) - 6) / 11 }
  function top(s) { return 300 - 260 * (log(s) / log(10) + 2) / 4 }
  function draw(text) { print text >svg }
  NR > 1 { gpus[++n] = $1; seconds[n] = $2 }
  END {
    for (i = n - 4; i <= n; ++i) { x = log2(gpus[i]); y = log2(seconds[i]); sx += x; sy += y; sxx += x * x; sxy += x * y }
    exponent = (5 * sxy - sx * sy) / (5 * sxx - sx * sx)
    printf "exponent over the last four doublings: %.2f\n", exponent
    draw("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 350\" font-family=\"sans-serif\" font-size=\"12\">")
    draw("<rect width=\"600\" height=\"350\" fill=\"white\"/>")
    for (e = -2; e <= 2; ++e) {
      s = 10 ^ e
      draw(sprintf("<line x1=\"70\" x2=\"550\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>", top(s), top(s)))
      draw(sprintf("<text x=\"62\" y=\"%.1f\" text-anchor=\"end\">%g s</text>", top(s) + 4, s))
    }
    for (i = 1; i <= n; i += 2)
      draw(sprintf("<text x=\"%.1f\" y=\"318\" text-anchor=\"middle\">%d</text>", left(gpus[i]), gpus[i]))
    draw("<text x=\"310\" y=\"338\" text-anchor=\"middle\">GPUs (TP 8 × PP 8 × DP, 64 microbatches a replica)</text>")
    for (i = 1; i <= n; ++i) {
      points = points sprintf("%.1f,%.1f ", left(gpus[i]), top(seconds[i]))
      draw(sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#1f77b4\"/>", left(gpus[i]), top(seconds[i])))
    }
    draw("<polyline fill=\"none\" stroke=\"#1f77b4\" points=\"" points "\"/>")
    draw(sprintf("<text x=\"80\" y=\"30\">CPU seconds of a whole run; the last four doublings cost GPUs^%.2f</text>", exponent))
    draw("</svg>")
  }' "$table"
