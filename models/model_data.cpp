// A missing name is our own mistake and aborts: callers name what the build embeds.
#include "models/model_data.hpp"

#include "base/error.hpp"

namespace dflop {

Json BuiltInJson(const std::string& path) {
  for (const EmbeddedFile& file : ModelData()) {
    if (file.path == path) return ParseJson(file.content, "built-in " + path);
  }
  CheckFailed("built-in file exists", __FILE__, __LINE__, path);
}

}  // namespace dflop
