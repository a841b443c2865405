#!/usr/bin/env bash
# Predictions against published training runs: tables of measured steps become experiments, all of them run, and the
# errors are told by source. Usage: published.sh CSV_DIR [OUT]; CSV_DIR holds published_runs.csv and, where there are
# any, the tables of vTrain's validation; OUT is results/local/published by default. DFLOP=PATH names another program.
set -euo pipefail
exec </dev/null

if [[ $# -lt 1 || $# -gt 2 ]]; then
  echo "usage: experiments/published.sh CSV_DIR [OUT]" >&2
  exit 2
fi
if [[ ! -f $1/published_runs.csv ]]; then
  echo "$1: there is no published_runs.csv in it; a folder with tables of published runs is wanted" >&2
  exit 2
fi
data=$(cd "$1" && pwd)
[[ $# -lt 2 ]] || mkdir -p "$2"
out=${2:+$(cd "$2" && pwd)}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${out:-results/local/published}

dflop=${DFLOP:-build/release/bin/dflop}
if [[ -z ${DFLOP:-} ]]; then
  source cmake/install_packages.sh
  install_packages "${dflop_packages[@]}"
  cmake --preset release --log-level=WARNING
  cmake --build --preset release --target dflop
fi

tables=("$data/published_runs.csv")
for table in "$data"/vtrain_*.csv; do
  [[ ! -f $table ]] || tables+=("$table")
done
"$dflop" published import "${tables[@]}" --out "$out/imported"
echo

failed=0
for name in $(cut -d, -f1 "$out/imported/measured.csv" | tail -n +2 | sort -u); do
  "$dflop" run "$out/imported/$name.json" --out "$out/runs/$name" --no-report --trace none --quiet >"$out/$name.log" 2>&1 || {
    echo "$name failed, see $out/$name.log" >&2
    failed=1
  }
done
"$dflop" published compare "$out/imported" --results "$out/runs" --out "$out/comparison"
echo
echo "Tables, errors.csv and figures: $out/comparison"
exit "$failed"
