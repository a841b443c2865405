# What makes a build from nothing quick: standard headers are parsed once per target, and sources of one room are
# compiled together.
option(DFLOP_UNITY "Compile sources of one room together; off: a change compiles what it touches and no more" ON)

# No header of the project is among them, so that a change compiles what includes it. Every source still includes what it
# uses: tests/tidy.sh looks at each alone.
set(dflop_standard_headers
    <algorithm> <array> <charconv> <cmath> <cstdint> <cstdio> <filesystem> <functional> <limits> <map> <memory> <numeric>
    <optional> <set> <span> <stdexcept> <string> <string_view> <tuple> <unordered_map> <utility> <variant> <vector>)

# dflop_quick_build(TARGETS...)
#
# Joined sources take two fifths off the time of a build from nothing (results/house). Few are joined, and never of two
# rooms: a change compiles little, and a new file only meets its neighbours. Names outside of classes therefore have to
# differ within a room; where they are better alike, the files are listed in DFLOP_ALONE.
function(dflop_quick_build)
  foreach(target IN LISTS ARGN)
    target_precompile_headers(${target} PRIVATE ${dflop_standard_headers})
    set_target_properties(${target} PROPERTIES UNITY_BUILD ${DFLOP_UNITY} UNITY_BUILD_MODE GROUP)
    dflop_join_sources(${target})
  endforeach()
endfunction()

function(dflop_join_sources target)
  set(most 6)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  foreach(source IN LISTS sources)
    get_filename_component(path ${source} ABSOLUTE)
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${path})
    if(path IN_LIST DFLOP_ALONE)
      continue()
    endif()
    get_filename_component(room ${path} DIRECTORY)
    string(MAKE_C_IDENTIFIER ${room} room)
    math(EXPR group "${joined_${room}} + 0")
    math(EXPR joined_${room} "${group} + 1")
    math(EXPR group "${group} / ${most}")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${room}_${group})
  endforeach()
endfunction()

# dflop_command_line(TARGET)
#
# A target that reads a command line: CLI11 is parsed once for all of its sources, and nothing in them runs for long
# enough to be worth more than -Og (two thirds of the time of a compilation with -O2).
function(dflop_command_line target)
  dflop_quick_build(${target})
  target_precompile_headers(${target} PRIVATE <CLI/CLI.hpp>)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Og>)
endfunction()
