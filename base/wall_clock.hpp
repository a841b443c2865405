// The date, for the provenance of results; nothing that is computed depends on it.
#pragma once

#include <string>

namespace dflop {

/// "2025-01-31T23:59:59Z".
std::string UtcNow();

}  // namespace dflop
