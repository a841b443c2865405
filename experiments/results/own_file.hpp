// Files that a result names beside itself.
#pragma once

#include <optional>
#include <string>

#include "base/json_reader.hpp"

namespace dflop {

/// The path of a file that a document in `folder` names; nullopt when it is not there any more. InputError when the
/// name leaves the folder, also by a link, or is no plain file: a result of strangers must not have other files read
/// into a report, and a device or a pipe may never end.
std::optional<std::string> OwnFile(const std::string& folder, const JsonReader& name);

}  // namespace dflop
