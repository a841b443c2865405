// Files that a JSON document names.
#pragma once

#include <string>

#include "base/json.hpp"

namespace dflop {

/// Makes every {"file": "…"} anywhere in the value count from `folder` and no longer from where it stands.
void ResolveFileNames(Json& value, const std::string& folder);

}  // namespace dflop
