# dflop_precompile(TARGETS...)
#
# The standard headers that most sources include, parsed once per target and not once per source: a third of the time of
# a build from nothing. No header of the project is among them, so that a change compiles what includes it and no more.
# Every source still includes what it uses.
set(dflop_standard_headers
    <algorithm> <array> <charconv> <cmath> <cstdint> <cstdio> <filesystem> <functional> <limits> <map> <memory> <numeric>
    <optional> <set> <span> <stdexcept> <string> <string_view> <tuple> <unordered_map> <utility> <variant> <vector>)

function(dflop_precompile)
  foreach(target IN LISTS ARGN)
    target_precompile_headers(${target} PRIVATE ${dflop_standard_headers})
  endforeach()
endfunction()

# dflop_command_line(TARGET)
#
# A target that reads a command line: CLI11 is parsed once for all of its sources, and nothing in them runs for long
# enough to be worth more than -Og (two thirds of the time of a compilation with -O2).
function(dflop_command_line target)
  dflop_precompile(${target})
  target_precompile_headers(${target} PRIVATE <CLI/CLI.hpp>)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Og>)
endfunction()
