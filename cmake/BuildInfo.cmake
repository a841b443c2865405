# Target dflop_build_info: at every build, which commit, compiler and libraries make the programs, as the header
# build_info.hpp in ${DFLOP_BUILD_INFO_FOLDER}.
set(library_versions "")
foreach(package simgrid nlohmann_json)
  execute_process(COMMAND pkg-config --modversion ${package} OUTPUT_VARIABLE version ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(TOUPPER ${package} variable)
  list(APPEND library_versions "-D${variable}=${version}")
endforeach()
if(NOT DFLOP_SIMGRID)
  list(APPEND library_versions "-DSIMGRID=none")
endif()
set(DFLOP_BUILD_INFO_FOLDER ${PROJECT_BINARY_DIR}/generated)
set(build_info ${DFLOP_BUILD_INFO_FOLDER}/build_info.hpp)
add_custom_target(
  dflop_build_info
  COMMAND ${CMAKE_COMMAND} -DOUTPUT=${build_info} -DSOURCE=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" -DBUILD_TYPE=${CMAKE_BUILD_TYPE}
          ${library_versions} -P ${PROJECT_SOURCE_DIR}/cmake/WriteBuildInfo.cmake
  BYPRODUCTS ${build_info}
  VERBATIM)
