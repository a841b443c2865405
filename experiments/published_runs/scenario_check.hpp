// Whether the program itself would run a scenario, found without simulating a step.
#pragma once

#include <string>

#include "base/json.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct CheckedScenario {
  std::string refused;          ///< what the program says against it; "" when it runs
  std::string gpu;              ///< of a device, where it runs
  double gpu_memory_bytes = 0;  ///< of that one
};

/// Reads the scenario as an experiment's and places `degrees`, which its one policy states, on its cluster: the
/// complaints of the experiment's reader, of the placement, of the training and of the pipeline schedule.
CheckedScenario CheckScenario(const Json& scenario, const HomogeneousDegrees& degrees);

/// Whether "precision" may be this word.
bool IsPrecisionWord(const std::string& word);

}  // namespace dflop
