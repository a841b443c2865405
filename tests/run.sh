#!/usr/bin/env bash
# Builds everything and runs all tests: `bash tests/run.sh` from anywhere. Missing Debian packages are installed first;
# a second run builds only what has changed. The last line is "N passed, N failed".
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/install_packages.sh

install_packages "${dflop_packages[@]}" libgtest-dev libopenblas-dev libopenmpi-dev openmpi-bin
cmake --preset release
cmake --build --preset release

results=$PWD/build/release/test-results.xml
rm -f "$results"
status=0
ctest --preset release --parallel "$(nproc)" --timeout 300 --no-tests=error --output-junit "$results" || status=$?

count() { sed -n "s/^.*[[:space:]]$1=\"\([0-9]*\)\".*$/\1/p" "$results" | head -n 1; }
failed=$(count failures)
skipped=$(($(count skipped) + $(count disabled)))
[[ $skipped -eq 0 ]] || echo "$skipped skipped"
echo "$(($(count tests) - failed - skipped)) passed, $failed failed"
exit "$status"
