// A result is never mended: the experiment that it was made from says everything again.
#include "experiments/results/older_result.hpp"

#include <filesystem>

namespace dflop {
namespace {

std::string StringAt(const Json* object, const char* key) {
  const Json* value = object == nullptr ? nullptr : object->find(key);
  return value != nullptr && value->is<std::string>() ? value->as<std::string>() : "";
}

/// The experiment's file goes by its name among the inputs, where there is one; the folder is the result's own.
std::string CommandToRemake(const Json& result, const std::string& path) {
  const std::string stored = StringAt(result.find("provenance"), "command");
  if (!stored.empty()) return stored;
  const std::string name = StringAt(&result, "experiment");
  return "dflop run " + (name.empty() ? "EXPERIMENT" : name) + ".json --out " +
         std::filesystem::path(path).parent_path().string();
}

}  // namespace

InputError WithCommandToRemake(const InputError& error, const Json& result, const std::string& path,
                               const std::string& command) {
  if (error.file() != path) return error;
  std::string what = error.what();
  const std::string place = path + ":" + (error.pointer().empty() ? "" : error.pointer());
  if (what.starts_with(place)) what.erase(0, what.find_first_not_of(": ", place.size()));
  return InputError(path, error.pointer(),
                    what + "; another version of dflop may have stored it. Make it again: " +
                        (command.empty() ? CommandToRemake(result, path) : command));
}

}  // namespace dflop
