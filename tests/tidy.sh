#!/usr/bin/env bash
# Looks for bugs with clang-tidy; .clang-tidy says which checks. `bash tests/tidy.sh` goes through the whole tree, the
# sources of a room compiled together, which takes a third of the time; `--since REVISION` only through the .cpp files
# that have changed since then, themselves or by their own header, one by one, the newest change first; `--most N` stops
# after N files and says how many it has left. The last line is "N files clean, M with findings", of files that are
# compiled.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/install_packages.sh

since=""
most=""
while [[ $# -gt 0 ]]; do
  case "$1 ${2:-}" in
    "--since "?*) since=$2 ;;
    "--most "[1-9]*) most=$2 ;;
    *)
      echo "usage: tests/tidy.sh [--since REVISION] [--most N]" >&2
      exit 2
      ;;
  esac
  shift 2
done
if [[ -n $since ]] && ! git rev-parse --verify --quiet "$since^{commit}" >/dev/null; then
  echo "git knows no revision $since here" >&2
  exit 2
fi

packages=("${dflop_packages[@]}" libgtest-dev libopenblas-dev libopenmpi-dev)
command -v clang-tidy >/dev/null || packages+=(clang-tidy)
install_packages "${packages[@]}"

# One by one where few have changed: files compiled together hide a using-declaration that one of them does not need.
build=build/tidy
unity=OFF
if [[ -z $since ]]; then
  build=build/tidy-whole
  unity=ON
fi
benchmarks=OFF
! pkg-config --exists benchmark || benchmarks=ON
# clang cannot read GCC's precompiled headers.
cmake --preset release -B "$build" -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DDFLOP_UNITY="$unity" -DDFLOP_TESTS=ON \
      -DDFLOP_BENCHMARKS="$benchmarks" >/dev/null
cmake --build "$build" --target dflop_build_info >/dev/null

# All sources but data embedded as code and what needs nvcc's flags.
root=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")
sources() {
  sed -n "s|^ *\"file\": \"$root/\(.*\.c[px][px]\)\".*$|\1|p" "$build/compile_commands.json" |
    grep -e '/Unity/' -e '^[^/]*/.*\.cpp$' | grep -v -e '^build/.*\.cpp$' -e '^real_runner/cuda/' | sort -u
}
# What git has not seen yet, then commit by commit.
changed() {
  { git ls-files --others --exclude-standard
    git diff --name-only HEAD
    git log --first-parent -m --format= --name-only "$since..HEAD"
  } | sed -n 's/\.[ch]pp$/.cpp/p' | awk '!seen[$0]++'
}
mapfile -t files < <(sources)
[[ -z $since ]] || mapfile -t files < <(changed | grep -Fx -f <(sources))
left=0
if [[ -n $most && ${#files[@]} -gt $most ]]; then
  left=$((${#files[@]} - most))
  files=("${files[@]:0:most}")
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export build logs
# A log stays where there is something to say.
check() {
  local log=$logs/${1//\//,}
  # The sources of a room are included by the one that compiles them all.
  if clang-tidy -p "$build" --checks=-bugprone-suspicious-include --quiet "$1" >"$log" 2>&1 && ! grep -q -E ': (warning|error): ' "$log"; then rm "$log"; fi
}
export -f check
# shellcheck disable=SC2016
[[ ${#files[@]} -eq 0 ]] || printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 1 bash -c 'check "$1"' check

shopt -s nullglob
found=("$logs"/*)
for log in "${found[@]}"; do
  # A header's findings come with every file that includes it; clang-tidy itself may fail and find nothing.
  grep -h -E ': (warning|error): ' "$log" || { echo "${log##*/}:" | tr , /; cat "$log"; }
done | sed "s|^$root/||" | awk '!seen[$0]++'
[[ $left -eq 0 ]] || echo "$left more files have changed: tests/tidy.sh checks them"
echo "$((${#files[@]} - ${#found[@]})) files clean, ${#found[@]} with findings"
[[ ${#found[@]} -eq 0 ]]
