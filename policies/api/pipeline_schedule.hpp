// Interface of pipeline schedules: in which order a device runs the forwards and backwards of its microbatches.
#pragma once

#include <vector>

#include "sim/plan/device_order.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

class PipelineSchedule {
 public:
  virtual ~PipelineSchedule() = default;
  /// Order of the device at `position` of a pipeline of `depth` devices (0 = first), over `microbatches`; an
  /// operation's chunk counts the device's chunks. Throws Infeasible when the schedule does not exist for so many
  /// microbatches.
  virtual DeviceOrder Order(int depth, int position, int microbatches) const = 0;
  /// Chunks of layers per device that the schedule wants.
  virtual int chunks() const { return 1; }
};

/// The order of every device group of a layout. A chunk may be several stages that follow each other on a device; they
/// then run one after the other. Throws Infeasible when the layout does not have the chunks that the schedule wants.
std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout);

}  // namespace dflop
