// A data file compiled into the program by cmake/EmbedFiles.cmake.
#pragma once

#include <string_view>

namespace dflop {

struct EmbeddedFile {
  std::string_view path;  ///< relative to the folder that was embedded
  std::string_view content;
};

}  // namespace dflop
