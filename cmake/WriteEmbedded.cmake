# Run by cmake/EmbedFiles.cmake at build time. A raw string literal may hold 64 KiB at most by the standard's minimum, so
# long files become several adjacent literals.
string(REPLACE "|" ";" files "${FILES}")
set(entries "")
foreach(file IN LISTS files)
  file(RELATIVE_PATH path ${FOLDER} ${file})
  file(READ ${file} content)
  string(LENGTH "${content}" size)  # in bytes, as SUBSTRING counts
  set(literals "")
  set(offset 0)
  while(offset LESS size)
    # [[ and ; survive only in a quoted argument: never treat this content as a list.
    # And file(READ ... LIMIT) ends a chunk that stops inside a line with a line break of its own.
    string(SUBSTRING "${content}" ${offset} 16000 chunk)
    string(APPEND literals "R\"~~(${chunk})~~\"\n")
    math(EXPR offset "${offset} + 16000")
  endwhile()
  if(literals STREQUAL "")
    set(literals "\"\"")
  endif()
  string(APPEND entries "    EmbeddedFile{\"${path}\", ${literals}},\n")
endforeach()
list(LENGTH files count)
file(WRITE ${OUTPUT} "// Generated; do not edit.
#include <array>
#include <span>

#include \"base/embedded_file.hpp\"

namespace dflop {
std::span<const EmbeddedFile> ${FUNCTION}();
std::span<const EmbeddedFile> ${FUNCTION}() {
  static constexpr std::array<EmbeddedFile, ${count}> kFiles = {{
${entries}  }};
  return kFiles;
}
}  // namespace dflop
")
