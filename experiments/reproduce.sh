#!/usr/bin/env bash
# The DFLOP paper (arXiv 2603.25120), figure by figure: runs what its statements need and writes the figures, their data
# and what holds of every statement. Usage: reproduce.sh [--quick] [--out DIR] [FIG…], as fig07a, fig12 or table4; all
# of them by default, to results/paper (chosen ones to results/local/paper-chosen). --quick takes fewer seeds and no more than 32 nodes, and writes to
# results/local/paper-quick. Stopped, it goes on where it was. DFLOP=PATH names another program.
set -euo pipefail
exec </dev/null

usage() { sed -n '2,6s/^# //p' "$0"; }

quick=0
out=""
figures=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) quick=1 ;;
    --out)
      [[ $# -ge 2 ]] || { echo "--out wants a folder" >&2; exit 2; }
      out=$(realpath -m -- "$2")
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "$1 is no option of reproduce.sh" >&2; usage >&2; exit 2 ;;
    *) figures+=("$1") ;;
  esac
  shift
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=experiments/paper
results=results/local/paper
[[ $quick == 0 ]] || results=results/local/paper-quick/results
if [[ -z $out ]]; then
  out=results/paper
  [[ ${#figures[@]} == 0 ]] || out=results/local/paper-chosen
  [[ $quick == 0 ]] || out=results/local/paper-quick
fi

dflop=${DFLOP:-build/release/bin/dflop}
if [[ -z ${DFLOP:-} ]]; then
  source cmake/install_packages.sh
  install_packages "${dflop_packages[@]}"
  cmake --preset release --log-level=WARNING
  cmake --build --preset release --target dflop
fi

chosen=()
for figure in ${figures[@]+"${figures[@]}"}; do chosen+=(--figure "$figure"); done
needed=$("$dflop" paper "$folder/statements.json" --list ${chosen[@]+"${chosen[@]}"})

# The first seeds of an experiment: enough for an interval where steps are cheap.
seeds_of() {
  case $1 in
    fig15-*) echo 1 ;;
    *) echo 2 ;;
  esac
}

# What a result was made from: the same again is not run again.
stamp_of() {
  cat "$folder/$1.json" <(sha256sum "$dflop") <(echo "$quick" "$(seeds_of "$1")") | sha256sum | cut -d' ' -f1
}

count=$(wc -w <<<"$needed")
at=0
begun=$SECONDS
for name in $needed; do
  at=$((at + 1))
  if [[ $quick == 1 && $name == *-large ]]; then
    echo "[$at/$count] $name is left out by --quick"
    continue
  fi
  stamp=$(stamp_of "$name")
  if [[ -f $results/$name/result.json && $(cat "$results/$name/stamp" 2>/dev/null) == "$stamp" ]]; then
    echo "[$at/$count] $name stands already"
    continue
  fi
  echo "[$at/$count] $name"
  options=(--out "$results/$name" --no-report --quiet)
  [[ $quick == 0 ]] || options+=(--first-seeds "$(seeds_of "$name")")
  "$dflop" run "$folder/$name.json" "${options[@]}"
  echo "$stamp" >"$results/$name/stamp"
done

echo
"$dflop" paper "$folder/statements.json" --results "$results" --out "$out" ${chosen[@]+"${chosen[@]}"}
echo "simulated in $((SECONDS - begun)) s"
