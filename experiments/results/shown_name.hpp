// What a policy is called where its figures stand: a scheduler that another one stood in for is not to get the credit
// or the blame for it. Everything that looks a policy up goes by its own name.
#pragma once

#include <string>

#include "base/json_reader.hpp"

namespace dflop {

/// "dflop-as-released (lpt-2d instead)"; the policy's name where nothing stood in.
std::string ShownName(const std::string& policy, const std::string& instead);

/// `batching_instead` of a run of dflop/result/1 where it has one: the batch scheduler that stood in for the policy's,
/// in one step at least.
void AddInstead(const JsonReader& run, std::string& instead);

}  // namespace dflop
