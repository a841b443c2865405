#!/usr/bin/env bash
# Measures the GPUs of this machine for the simulator, within nine minutes:
#
#   real_runner/collect_gpu.sh OUTDIR [--headers FOLDER]   build, test, ceilings, profiles → OUTDIR
#   real_runner/collect_gpu.sh OUTDIR --validate           build, test, parts of the GPU, validation → OUTDIR
#   real_runner/collect_gpu.sh --fetch [FOLDER]            on a machine with a network: fill the folder of headers
#
# Needs a CUDA toolkit ≥ 12.4 with nvcc and cuBLAS, a driver, a C++20 compiler and CMake ≥ 3.25; cuDNN and NCCL are used
# where they are found. No network, no package manager, no SimGrid, no MPI. FOLDER (default: carry/ beside the sources)
# holds header-only libraries: nlohmann/json and CLI11, and cuDNN's C++ frontend; without the last, attention is
# unfused, and the rows say so.
#
# OUTDIR gets trace-<gpu>.json, which holds what any of the quickstart's two models needs, tests.log, ceilings.md,
# summary.md and log; of a validation partitions.md (what parts of a single GPU slow each other down) and validation/
# (experiments/validate-gpu.json: four ranks on a single GPU's parts, or on a GPU each where there are four). The tests
# sum gradients between GPUs with as many ranks as there are. A second run finds what the first has built. Every stage has its own time limit, and a run that is stopped early keeps what was measured.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

readonly total_seconds=540  # all stages together
readonly build_seconds=240 tests_seconds=120 ceilings_seconds=60 partitions_seconds=60 least_validation_seconds=60
readonly reserve_seconds=20  # for a profile's last kernel and for the summary
readonly models=(llava-ov-siglip-2.4b-llama3-8b llava-ov-siglip-2.4b-qwen2.5-32b)

fail() {
  echo "collect_gpu.sh: $*" >&2
  exit 2
}

# --fetch: copies the headers from installed Debian packages, or unpacks them from downloaded ones.
fetch() {
  local folder=$1 work package
  work=$(mktemp -d)
  mkdir -p "$folder"
  (cd "$work" && apt-get download nlohmann-json3-dev libcli11-dev >/dev/null) || fail "apt-get download failed"
  for package in "$work"/*.deb; do dpkg -x "$package" "$work/debian"; done
  cp -r "$work/debian/usr/include/nlohmann" "$work/debian/usr/include/CLI" "$folder/"
  # The wheel carries the C++ headers; they do not depend on Python's version.
  python3 -m pip download -q --no-deps -d "$work/wheel" nvidia-cudnn-frontend || fail "pip download failed"
  python3 -m zipfile -e "$work"/wheel/*.whl "$work/frontend"
  mkdir -p "$folder/cudnn-frontend"
  cp -r "$work/frontend/include" "$folder/cudnn-frontend/"  # its files include each other as ../include/…
  rm -rf "$work"
  echo "$folder holds $(cd "$folder" && echo *)"
}

elapsed() { echo $((SECONDS)); }
left() { echo $((total_seconds - reserve_seconds - SECONDS)); }
smaller() { echo $(($1 < $2 ? $1 : $2)); }
say() { printf '%4ss  %s\n' "$(elapsed)" "$*" | tee -a "$out/log"; }

# stage NAME LIMIT FILE COMMAND…: output to FILE; a signal to this script reaches the command, which may finish up.
child=
stopped=
stage() {
  local name=$1 limit=$2 file=$3 status=0
  shift 3
  [[ -z $stopped ]] || return 1
  if [[ $limit -le 0 ]]; then
    say "$name: no time left"
    return 1
  fi
  say "$name (at most $limit s)"
  timeout --signal=TERM --kill-after=15 "$limit" "$@" >>"$file" 2>&1 </dev/null &
  child=$!
  wait "$child" || status=$?
  while kill -0 "$child" 2>/dev/null; do wait "$child" || status=$?; done  # a trapped signal ends wait, not the child
  child=
  stages+=("| $name | $([[ $status -eq 0 ]] && echo done || { [[ $status -eq 124 ]] && echo 'out of time'; } || echo "exit $status") | $(elapsed) |")
  [[ $status -eq 0 ]] || say "$name ended with exit code $status; last lines of $(basename "$file"):
$(tail -n 5 "$file")"
  return "$status"
}

stop() {
  stopped=yes
  [[ -z $child ]] || kill -TERM "$child" 2>/dev/null
}

# A header-only library's folders and CUDA's libraries that came as Python packages, as CMake lists them.
python_cuda_folders() {
  local python
  for python in python3 python; do
    "$python" -c 'import glob, sysconfig
print(";".join(sorted(glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/*/"))))' 2>/dev/null && return
  done
}

configure() {
  local options=(-DCMAKE_BUILD_TYPE=Release -DDFLOP_SIMGRID=OFF -DDFLOP_CBC=OFF -DDFLOP_TESTS=OFF -DDFLOP_WERROR=OFF
    -DCMAKE_PREFIX_PATH="$(python_cuda_folders)")
  [[ ! -d $headers ]] || options+=(-DDFLOP_HEADERS="$headers")
  [[ ! -f $build/CMakeCache.txt ]] || rm "$build/CMakeCache.txt"  # another folder of headers, another toolkit
  if command -v ninja >/dev/null; then options+=(-G Ninja); fi
  stage configure 60 "$out/log" cmake -S "$root" -B "$build" "${options[@]}"
}

compile() {
  [[ -d $root/real_runner/cuda ]] && grep -q '^CMAKE_CUDA_COMPILER:' "$build/CMakeCache.txt" ||
    { say "no CUDA compiler (nvcc) was found; CUDACXX may name it"; return 1; }
  stage build "$(smaller "$build_seconds" "$(left)")" "$out/log" \
    cmake --build "$build" --parallel "$(nproc)" --target real_runner dflop dflop_cuda cuda_tests cuda_ceilings cuda_partitions
}

# The first GPU's name in letters that a file name may have.
gpu_name() {
  local name
  name=$(nvidia-smi --query-gpu=name --format=csv,noheader --id=0 2>/dev/null | head -n 1)
  name=$(printf '%s' "${name:-gpu}" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9.\n' '-')
  echo "${name%-}"
}

# profile SECONDS
profile() {
  local model options=()
  for model in "${models[@]}"; do options+=(--model "$model"); done
  stage profile $(($1 + reserve_seconds / 2)) "$out/profile.txt" "$build/bin/real_runner" profile \
    --backend cuda "${options[@]}" --budget "${1}s" --out "$out/trace-$gpu.json" --force
}

collect() {
  configure && compile || return 1
  stage tests "$(smaller "$tests_seconds" "$(left)")" "$out/tests.log" "$build/bin/cuda_tests"
  if [[ $? -eq 2 ]]; then  # no driver, no device: the others would say the same
    say "$(tail -n 1 "$out/tests.log")"
    return 1
  fi
  if [[ -n $validate ]]; then
    stage partitions "$(smaller "$partitions_seconds" "$(left)")" "$out/partitions.md" "$build/bin/cuda_partitions"
    validation "$(left)"
    return
  fi
  stage ceilings "$(smaller "$ceilings_seconds" "$(left)")" "$out/ceilings.md" "$build/bin/cuda_ceilings"
  profile "$(left)"
}

# validation SECONDS: a third of them for the costs of its kernels.
validation() {
  local gpus
  gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l)
  if [[ $gpus -eq 2 || $gpus -eq 3 ]]; then
    say "validation: its four ranks want four GPUs, or one that they share; here are $gpus (CUDA_VISIBLE_DEVICES=0 leaves one)"
    return 0
  fi
  if [[ $1 -lt $least_validation_seconds ]]; then
    say "validation: no time left; run this again, the build is done"
    return 1
  fi
  stage validation "$1" "$out/validation.txt" "$build/bin/real_runner" validate "$root/experiments/validate-gpu.json" \
    --backend cuda --profile-budget "$(($1 / 3))s" --repeats 5 --out "$out/validation"
}

# What there is in OUTDIR, as one page; written however the run ends.
summarise() {
  local status=$? file
  {
    echo "# $gpu, $(date -u +%Y-%m-%dT%H:%MZ)"
    echo
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv 2>/dev/null ||
      echo "no nvidia-smi"
    echo
    echo "| stage | outcome | ended at (s) |"
    echo "|---|---|---|"
    printf '%s\n' "${stages[@]}"
    echo
    echo "## Tests"
    grep -E 'FAILED|skipped|passed, ' "$out/tests.log" 2>/dev/null || echo "none ran to the end"
    echo
    echo "## Ceilings"
    cat "$out/ceilings.md" 2>/dev/null || echo "not measured"
    echo
    echo "## Parts of the GPU"
    cat "$out/partitions.md" 2>/dev/null || echo "not measured"
    echo
    echo "## Validation"
    cat "$out/validation/validation.md" 2>/dev/null || tail -n 20 "$out/validation.txt" 2>/dev/null || echo "not run"
    echo
    echo "## Profile: rows, skipped shapes, each layer against the sum of its kernels, each pack against that of its lengths"
    echo '```'
    cat "$out/profile.txt" 2>/dev/null || echo "not measured"
    for file in "$out"/trace-*.json; do [[ ! -f $file ]] || echo "$(basename "$file"): $(grep -c '^  {"op"' "$file") rows"; done
    echo '```'
  } >"$out/summary.md"
  rm -f "$out/profile.txt" "$out"/*.trial "$out"/*.tmp*
  cat "$out/summary.md"
  exit "$status"
}

out= validate= headers=$root/carry
while [[ $# -gt 0 ]]; do
  case $1 in
    --fetch)
      fetch "${2:-$root/carry}"
      exit
      ;;
    --headers)
      [[ $# -ge 2 && -d $2 ]] || fail "--headers wants a folder"
      headers=$(cd "$2" && pwd)
      shift
      ;;
    --validate) validate=yes ;;
    -h | --help)
      sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
      exit
      ;;
    -*) fail "unknown option $1; see --help" ;;
    *)
      [[ -z $out ]] || fail "one OUTDIR is wanted"
      out=$1
      ;;
  esac
  shift
done
[[ -n $out ]] || fail "where to? See --help"
mkdir -p "$out" && out=$(cd "$out" && pwd) || fail "$out cannot be made"
for tool in cmake timeout grep sed tr tee; do command -v "$tool" >/dev/null || fail "$tool is missing"; done

readonly build=$root/build/gpu
rm -f "$out"/log "$out"/tests.log "$out"/profile.txt "$out"/validation.txt "$out"/summary.md
if [[ -n $validate ]]; then rm -f "$out"/partitions.md "$out"/validation/validation.md; else rm -f "$out"/ceilings.md; fi  # the other run's stay
stages=()
gpu=$(gpu_name)
trap stop INT TERM
trap summarise EXIT
collect
status=$?
[[ -z $stopped ]] || exit 1
exit "$status"
