// The complaint about a missing file stands at the place that names it, in the document that does.
#include "models/referenced_file.hpp"

#include <filesystem>

namespace dflop {
namespace {

std::string Resolve(const JsonReader& path) {
  const std::filesystem::path folder = std::filesystem::path(path.file()).parent_path();
  const std::filesystem::path resolved = folder / path.String();
  std::error_code error;
  if (!std::filesystem::is_regular_file(resolved, error)) {
    path.Fail("is " + JsonQuote(path.String()) + ", but there is no file " + resolved.string());
  }
  return resolved.string();
}

}  // namespace

ReferencedFile::ReferencedFile(const JsonReader& path, const std::string& schema)
    : path_(Resolve(path)), document_(ReadJsonFile(path_)) {
  reader().CheckSchema(schema, true);
}

}  // namespace dflop
