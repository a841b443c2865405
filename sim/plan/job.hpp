// What is simulated, from batch to batch: a model on a cluster, placed and ordered.
#pragma once

#include <vector>

#include "models/cost_model.hpp"
#include "sim/plan/device_order.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Views; whatever they look at outlives the job.
struct Job {
  const CostModel& cost;
  const Layout& layout;
  const std::vector<DeviceOrder>& orders;  ///< [device group]: what it runs, from the pipeline schedule

  /// The job in a step with orders of its own; none: those of the job.
  Job With(const std::vector<DeviceOrder>& own) const { return {cost, layout, own.empty() ? orders : own}; }
};

}  // namespace dflop
