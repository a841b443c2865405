# Run by cmake/EmbedFiles.cmake at build time: writes the data files as raw string literals.
string(REPLACE "|" ";" files "${FILES}")
set(entries "")
foreach(file IN LISTS files)
  file(RELATIVE_PATH path ${FOLDER} ${file})
  file(READ ${file} content)
  string(APPEND entries "    EmbeddedFile{\"${path}\", R\"~~(${content})~~\"sv},\n")
endforeach()
list(LENGTH files count)
file(WRITE ${OUTPUT} "// Generated; do not edit.
#include <array>
#include <span>

#include \"base/embedded_file.hpp\"

namespace dflop {
std::span<const EmbeddedFile> ${FUNCTION}();
std::span<const EmbeddedFile> ${FUNCTION}() {
  using namespace std::string_view_literals;  // sv knows the length: counting a long file would exceed constexpr's limits
  static constexpr std::array<EmbeddedFile, ${count}> kFiles = {{
${entries}  }};
  return kFiles;
}
}  // namespace dflop
")
