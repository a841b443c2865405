#!/usr/bin/env bash
# What a whole `dflop run` of a large text job costs, report included: CPU seconds, wall seconds, largest process.
#
#   bash tests/benchmarks/large_jobs.sh [DFLOP]        # by default build/release/bin/dflop; needs Debian's `time`
#
# Fixed lengths, one step, one process at a time. What came of it: results/performance/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dflop=$(realpath "${1:-build/release/bin/dflop}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# job NAME ENGINE HIDDEN LAYERS TP PP DP: 64 microbatches of one sample for every replica
job() {
  local name=$1 engine=$2 hidden=$3 layers=$4 tp=$5 pp=$6 dp=$7
  local heads=$((hidden / 128))
  cat >"$folder/job.json" <<JSON
{"schema": "dflop/experiment/1", "name": "$name", "description": "$name", "engine": "$engine", "seeds": [1], "steps": 1,
 "scenarios": [{"name": "$name", "global_batch_size": $((64 * dp)), "precision": "fp16", "recompute": "full",
   "model": {"name": "$name", "llm": {"hidden": $hidden, "ffn_hidden": $((4 * hidden)), "layers": $layers, "heads": $heads,
             "kv_heads": $heads, "vocab": 51200, "gated_ffn": false, "tied_embeddings": true}},
   "cluster": {"name": "dgx-a100", "nodes": $((tp * pp * dp / 8))}, "samples": {"name": "fixed", "text_tokens": 2048}}],
 "policies": [{"name": "fixed", "batching": "in-order", "pipeline": "1f1b",
   "layout": {"name": "fixed", "llm": {"tp": $tp, "pp": $pp, "dp": $dp}, "samples_per_microbatch": 1}}]}
JSON
  echo -n "$name, $engine: "
  command time -f "%U + %S s CPU, %e s, %M kB" "$dflop" run "$folder/job.json" --out "$folder/out" --quiet --jobs 1
}

job "TP 1 × PP 16 × DP 64" replay 4096 16 1 16 64
job "TP 1 × PP 16 × DP 64" simgrid 4096 16 1 16 64
job "TP 8 × PP 16 × DP 1,024" replay 8192 64 8 16 1024
