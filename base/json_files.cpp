// Walks through the whole document: a file may be named at any depth.
#include "base/json_files.hpp"

#include <filesystem>

namespace dflop {

void ResolveFileNames(Json& value, const std::string& folder) {
  if (value.is<Json::Array>()) {
    for (Json& element : value.as<Json::Array>()) ResolveFileNames(element, folder);
  }
  if (!value.is<Json::Object>()) return;
  for (Json::Member& member : value.as<Json::Object>()) {
    if (member.key == "file" && member.value.is<std::string>() && !member.value.as<std::string>().empty()) {
      const std::filesystem::path path = std::filesystem::path(folder) / member.value.as<std::string>();
      member.value = Json(path.lexically_normal().string());
    } else {
      ResolveFileNames(member.value, folder);
    }
  }
}

}  // namespace dflop
