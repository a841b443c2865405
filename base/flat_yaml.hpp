// The part of YAML in which programs dump their settings: mappings of plain scalars, nested by indentation. Read
// strictly into a JSON document, so that one reader checks both; lists, anchors, block text and flow style are refused,
// which a library for all of YAML would be needed for.
#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"

namespace dflop {

/// Numbers, true, false and null (also ~ and nothing) are what they look like, anything else is text, quoted or not.
/// InputError "FILE:LINE: what" on everything else.
Json ParseFlatYaml(std::string_view text, const std::string& file);

/// The same of a file; InputError when it cannot be read.
Json ReadFlatYamlFile(const std::string& path);

}  // namespace dflop
