// One training step from plan to figures; the one place where the pieces of this folder meet.
#pragma once

#include <functional>
#include <vector>

#include "sim/batch_plan.hpp"
#include "sim/engine.hpp"
#include "sim/layout.hpp"
#include "sim/metrics.hpp"
#include "sim/operation_graph.hpp"

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
Step SimulateStep(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                  const BatchPlan& plan, const std::vector<SampleShape>& batch, Engine& engine,
                  const Disturbance& disturb = {});

StepMetrics MeasureStep(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                        const Step& step, Engine& engine);

}  // namespace dflop
