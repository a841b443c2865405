// One training step from plan to figures; the one place where the pieces of this folder meet.
#pragma once

#include <functional>
#include <vector>

#include "sim/build/graph_builder.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/engine/engine.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

struct Step {
  double samples = 0;  ///< that it runs: deferred ones are not among them
  double tokens = 0;   ///< of the LLM, without padding
  StepWork work;
  StepCosts predicted;
  StepCosts costs;  ///< what they really are: as predicted, unless something disturbs them
  OperationGraph graph;
  OperationTimes times;
};

/// What makes predicted costs those that happen.
using Disturbance = std::function<void(const StepWork& work, StepCosts& costs)>;

/// Simulates one step; nothing is measured beyond its times.
Step SimulateStep(const Job& job, const BatchPlan& plan, const std::vector<SampleShape>& batch, Engine& engine,
                  const Disturbance& disturb = {});

}  // namespace dflop
