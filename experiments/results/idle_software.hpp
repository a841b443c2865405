// Keys of a scenario's software that nothing asks for, because others are not set beside them.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {

/// A line for each such key of a scenario that is written and has no effect at any point, and for buckets that are
/// larger than asked for because there may not be more of them. `runs`: those of a dflop/result/1, whose policies may
/// have chosen other software. Axes of a sweep are told of as axes (no_effect.hpp).
std::vector<std::string> SoftwareWithoutEffect(const Experiment& experiment, const Json& runs);

}  // namespace dflop
