#!/usr/bin/env bash
# The DFLOP paper (arXiv 2603.25120) and what five peers publish, figure by figure: runs what their statements need and
# writes figures, their data and what holds of every statement.
# Usage: reproduce.sh [--quick] [--out DIR] [FIG…], as fig07a, fig12, table4 or entrain; all of them by default.
#   --quick    two seeds or one, steps on 32 nodes at most (Fig. 16a plans on 128): intervals say little, and reasons are
#              those of the whole run; results/local/reproduce-quick instead of results/paper
#   --out DIR  where the pages go; chosen figures go to results/local/reproduce-chosen by default
# Stopped, it goes on where it was. DFLOP=PATH names another program.
set -euo pipefail
exec </dev/null

usage() { sed -n '2,8s/^# //p' "$0"; }

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

if [[ -n ${DFLOP:-} ]]; then
  dflop=$(command -v -- "$DFLOP") || { echo "DFLOP=$DFLOP: there is no such program" >&2; exit 2; }
  dflop=$(realpath -- "$dflop")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -z ${DFLOP:-} ]] || dflop=$(realpath --relative-to=. -- "$dflop")  # results name it, and no machine
results=results/local/reproduce
[[ $quick == 0 ]] || results=results/local/reproduce-quick/runs
if [[ -z $out ]]; then
  out=results/paper
  [[ ${#figures[@]} == 0 ]] || out=results/local/reproduce-chosen
  [[ $quick == 0 || ${#figures[@]} -gt 0 ]] || out=results/local/reproduce-quick
fi

if [[ -z ${DFLOP:-} ]]; then
  source cmake/install_packages.sh
  install_packages "${dflop_packages[@]}"
  cmake --preset release --log-level=WARNING
  cmake --build --preset release --target dflop
  dflop=build/release/bin/dflop
fi

# Of a whole run: the first seeds are enough for an interval where steps are cheap, one where they are not.
quick_seeds() {
  case $1 in
    fig15-*) echo 1 ;;
    *) echo 2 ;;
  esac
}

run_options() {
  [[ $quick == 0 ]] || echo --first-seeds "$(quick_seeds "$1")"
  case $1 in
    fig16*) echo --jobs 1 ;;  # measured by the clock on the wall: nothing beside it
  esac
}

# What a result was made from: the same again is not run again.
stamp_of() { # FOLDER NAME
  cat "$1/$2.json" <(sha256sum <"$dflop") <(run_options "$2") | sha256sum | cut -d' ' -f1
}

run_one() { # FOLDER NAME
  local place=$results/$(basename "$1")/$2 stamp
  if [[ $quick == 1 && $2 == *-large ]]; then
    echo "$2 is left out by --quick"
    return
  fi
  stamp=$(stamp_of "$1" "$2")
  if [[ -f $place/result.json && $(cat "$place/stamp" 2>/dev/null) == "$stamp" ]]; then
    echo "$2 stands already"
    return
  fi
  echo "$2"
  # shellcheck disable=SC2046  # options, word by word
  "$dflop" run "$1/$2.json" --out "$place" --no-report --quiet $(run_options "$2")
  echo "$stamp" >"$place/stamp"
}

# Everything of one set of statements: its experiments, then its page.
reproduce() { # FOLDER OUT [FIG…]
  local folder=$1 page=$2 name chosen=()
  shift 2
  for name in "$@"; do chosen+=(--figure "$name"); done
  local needed
  needed=$("$dflop" paper "$folder/statements.json" --list ${chosen[@]+"${chosen[@]}"})
  for name in $needed; do run_one "$folder" "$name"; done
  # What the reasons quote; no figure is made of them.
  if [[ $quick == 0 && $# == 0 ]]; then
    for name in "$folder"/causes-*.json; do
      [[ ! -f $name ]] || run_one "$folder" "$(basename "$name" .json)"
    done
  fi
  echo
  "$dflop" paper "$folder/statements.json" --results "$results/$(basename "$folder")" --out "$page" \
    ${chosen[@]+"${chosen[@]}"}
  echo
}

of_paper=()
of_peers=()
for figure in ${figures[@]+"${figures[@]}"}; do
  if [[ -f experiments/peers/$figure.json ]]; then of_peers+=("$figure"); else of_paper+=("$figure"); fi
done

# Before anything runs: a name that neither knows.
for figure in ${of_paper[@]+"${of_paper[@]}"}; do
  "$dflop" paper experiments/paper/statements.json --figure "$figure" --list >/dev/null || {
    echo "  or of the peers: $(basename -s .json -a experiments/peers/*.json | grep -v statements | paste -sd' ')" >&2
    exit 2
  }
done

begun=$SECONDS
if [[ ${#figures[@]} == 0 || ${#of_paper[@]} -gt 0 ]]; then
  reproduce experiments/paper "$out" ${of_paper[@]+"${of_paper[@]}"}
fi
if [[ ${#figures[@]} == 0 || ${#of_peers[@]} -gt 0 ]]; then
  reproduce experiments/peers "$out/peers" ${of_peers[@]+"${of_peers[@]}"}
fi
echo "took $((SECONDS - begun)) s"
