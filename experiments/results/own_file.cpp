// Links are followed before the folder is compared, or one could lead out of it.
#include "experiments/results/own_file.hpp"

#include <algorithm>
#include <filesystem>

namespace dflop {

std::optional<std::string> OwnFile(const std::string& folder, const JsonReader& name) {
  namespace fs = std::filesystem;
  const fs::path relative(name.String());
  if (relative.is_absolute() || std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    name.Fail("is " + JsonQuote(name.String()) + ", a file in the folder of the result is wanted");
  }
  const fs::path path = fs::path(folder) / relative;
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  const fs::path home = fs::canonical(folder.empty() ? fs::path(".") : fs::path(folder), error);
  const fs::path place = fs::canonical(path, error);
  const auto [end, unused] = std::mismatch(home.begin(), home.end(), place.begin(), place.end());
  if (error || end != home.end()) name.Fail("leads out of the folder of the result");
  if (!fs::is_regular_file(place, error)) name.Fail("is no plain file");
  return path.string();
}

}  // namespace dflop
