// Words of a scenario's model and of policies that nothing asks for, because others stand beside them.
#pragma once

#include <string>
#include <vector>

#include "experiments/spec/experiment.hpp"

namespace dflop {

/// A line for each such word that has no effect at any point where it stands: the load of the busiest expert where a
/// capacity fills every expert's buffer alike, and a search for places of encoders where no model has any.
std::vector<std::string> WordsWithoutEffect(const Experiment& experiment);

}  // namespace dflop
