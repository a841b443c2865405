# Run at every build by cmake/BuildInfo.cmake: the commit that is being built, as a header. The header is touched
# only when it changes, so that nothing is compiled anew without need.
function(git_output variable)
  execute_process(COMMAND git -C ${SOURCE} ${ARGN} OUTPUT_VARIABLE output ERROR_QUIET RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    set(output "unknown")
  endif()
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

git_output(commit rev-parse HEAD)
git_output(changes status --porcelain --untracked-files=no)
set(dirty true)
if(changes STREQUAL "")
  set(dirty false)
endif()

set(content "// Generated; do not edit.
#pragma once

namespace dflop::build_info {
inline constexpr const char* kVersion = \"${VERSION}\";
inline constexpr const char* kCommit = \"${commit}\";
inline constexpr bool kDirty = ${dirty};
inline constexpr const char* kCompiler = \"${COMPILER}\";
inline constexpr const char* kBuildType = \"${BUILD_TYPE}\";
inline constexpr const char* kSimGrid = \"${SIMGRID}\";
inline constexpr const char* kNlohmannJson = \"${NLOHMANN_JSON}\";
}  // namespace dflop::build_info
")
set(old "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL content)
  file(WRITE ${OUTPUT} "${content}")
endif()
