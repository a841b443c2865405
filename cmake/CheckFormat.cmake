# Fails, naming file and line, when a C++ source is not laid out as .clang-format wants it.
set(folders base traces models sim policies real_runner experiments tests)
list(TRANSFORM folders REPLACE "(.+)" "${ROOT}/\\1/*.cpp;${ROOT}/\\1/*.hpp;${ROOT}/\\1/*.cu" OUTPUT_VARIABLE patterns)
file(GLOB_RECURSE sources ${patterns})
execute_process(COMMAND ${CLANG_FORMAT} --dry-run -Werror ${sources} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "Run ${CLANG_FORMAT} -i on these files")
endif()
