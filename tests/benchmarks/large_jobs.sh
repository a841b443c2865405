#!/usr/bin/env bash
# What a whole `dflop run` of a large text job costs, report included: CPU seconds, wall seconds, largest process.
#
#   bash tests/benchmarks/large_jobs.sh [DFLOP]        # by default build/release/bin/dflop; needs Debian's `time`
#
# One step, one process at a time. Samples of one length make all replicas alike, which are then simulated once; with
# lengths of their own every replica is told apart. What came of it: results/performance/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dflop=$(realpath "${1:-build/release/bin/dflop}")
source tests/benchmarks/text_job.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# job ENGINE LENGTHS HIDDEN LAYERS TP PP DP [BATCHING]
job() {
  local name="TP $5 × PP $6 × DP $7"
  text_job "$name" "$@" >"$folder/job.json"
  echo -n "$name, $1, $2: "
  command time -f "%U + %S s CPU, %e s, %M kB" "$dflop" run "$folder/job.json" --out "$folder/out" --quiet --jobs 1
  grep -A3 '"replica_classes"' "$folder/out/result.json" | tr -d '\n {}"' && echo
}

job replay one 4096 16 1 16 64
job replay own 4096 16 1 16 64
job simgrid one 4096 16 1 16 64
job simgrid own 4096 16 1 16 64
job replay one 8192 64 8 16 1024
job replay own 8192 64 8 16 1024
job replay one 4096 16 1 16 8192 random
job replay own 4096 16 1 16 8192 random
