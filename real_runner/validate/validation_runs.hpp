// From the files of `real_runner run` to the numbers that are compared.
#pragma once

#include <string>
#include <vector>

#include "real_runner/validate/validation.hpp"
#include "sim/plan/plan_file.hpp"

namespace dflop {

/// One step of a policy as the simulator and as the machine ran it, the repeat that took the median time.
struct StepTimelines {
  std::size_t step = 0;
  int repeat = 0;
  Timeline predicted;
  Timeline measured;
};

struct ScenarioRuns {
  std::vector<PolicyMeasurement> policies;  ///< in the order of the plans
  std::vector<StepTimelines> timelines;     ///< of each plan's first step
  double most_lost = 0;                     ///< share of a step above which an execution was disturbed
};

/// Reads what `real_runner run` wrote about these plans, which it was given under these paths. InputError for a file
/// that does not have every plan's every step.
ScenarioRuns ReadScenarioRuns(const std::string& file, const std::vector<Plan>& plans,
                              const std::vector<std::string>& paths);

}  // namespace dflop
