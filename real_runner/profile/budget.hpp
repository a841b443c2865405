// The time that a profile may take, as people write it.
#pragma once

#include <string>

namespace dflop {

/// "300", "300s" or "5m" in seconds, from 1 s to a day; InputError for anything else.
double ReadBudget(const std::string& text);

}  // namespace dflop
