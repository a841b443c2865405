// Keys of data_loading and training that change nothing, or not what whoever wrote them expects.
#pragma once

#include <string>
#include <vector>

#include "experiments/spec/experiment.hpp"

namespace dflop {

/// A line for each rate of data whose kind no sample of a scenario holds, for failures that never come, and for
/// failures without a checkpoint, each of which loses the whole run. Axes of a sweep are told of as axes
/// (no_effect.hpp).
std::vector<std::string> WholeRunInputs(const Experiment& experiment);

}  // namespace dflop
