// One training step from plan to figures; the one place where the pieces of this folder meet.
#pragma once

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
  StepCosts costs;
  OperationGraph graph;
  OperationTimes times;
};

/// Simulates one step; nothing is measured beyond its times.
Step SimulateStep(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                  const BatchPlan& plan, const std::vector<SampleShape>& batch, Engine& engine);

StepMetrics MeasureStep(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                        const Step& step);

}  // namespace dflop
