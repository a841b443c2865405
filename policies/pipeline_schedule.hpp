// Interface of pipeline schedules: in which order a device runs the forwards and backwards of its microbatches.
#pragma once

#include <vector>

#include "sim/layout.hpp"
#include "sim/schedule_order.hpp"

namespace dflop {

class PipelineSchedule {
 public:
  virtual ~PipelineSchedule() = default;
  /// Order of the device at `position` of a pipeline `depth` stages deep (0 = first), over `microbatches`.
  virtual DeviceOrder Order(int depth, int position, int microbatches) const = 0;
};

/// The order of every device group of a layout.
std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout);

}  // namespace dflop
