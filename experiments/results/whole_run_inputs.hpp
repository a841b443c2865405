// Keys of data_loading and training that change nothing, or not what whoever wrote them expects.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {

/// A line for each rate of data whose kind no sample of a scenario holds, for failures that never come, for failures
/// without a checkpoint, each of which loses the whole run, and for checkpoints that no run of a scenario reaches
/// before its end. `runs`: those of a dflop/result/1.
std::vector<std::string> WholeRunInputs(const Experiment& experiment, const Json& runs);

}  // namespace dflop
