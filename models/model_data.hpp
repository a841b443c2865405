// The built-in tables of models/data/, compiled in.
#pragma once

#include <span>
#include <string>

#include "base/embedded_file.hpp"
#include "base/json.hpp"

namespace dflop {

std::span<const EmbeddedFile> ModelData();

/// Parses one built-in file; its name must exist.
Json BuiltInJson(const std::string& path);

}  // namespace dflop
