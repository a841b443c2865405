#!/usr/bin/env bash
# From a fresh Debian 12 to the first result: installs what is missing, builds `dflop`, simulates
# experiments/quickstart.json and names the report. Further arguments go to `dflop run`, e.g. --engine simgrid.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/install_packages.sh

install_packages "${dflop_packages[@]}"
cmake --preset release --log-level=WARNING
cmake --build --preset release --target dflop

out=results/local/quickstart
build/release/bin/dflop run experiments/quickstart.json --out "$out" "$@"
echo
echo "Open $PWD/$out/report.html in a browser."
