// From a schedule of devices to the order of every device of a layout, also where a device holds several stages.
#include <algorithm>

#include "base/index.hpp"
#include "policies/pipeline_schedule.hpp"

namespace dflop {
namespace {

/// Every forward runs through the stages of the device in turn, every backward back.
DeviceOrder OverStages(const DeviceOrder& order, int stages) {
  DeviceOrder all;
  for (const ScheduledOp& op : order) {
    for (int c = 0; c < stages; ++c) {
      all.push_back({op.kind, op.microbatch, op.kind == OpKind::kForward ? c : stages - 1 - c});
    }
  }
  return all;
}

}  // namespace

std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout) {
  const std::vector<int> position = DevicePositions(layout);
  std::vector<int> stages(layout.groups.size());
  for (const Stage& stage : layout.stages) ++stages[Index(stage.group)];
  std::vector<DeviceOrder> orders(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    const DeviceOrder order = schedule.Order(position.back() + 1, position[Index(stage.depth)], layout.microbatches);
    orders[Index(stage.group)] =
        stages[Index(stage.group)] == 1 ? order : OverStages(order, stages[Index(stage.group)]);
  }
  return orders;
}

}  // namespace dflop
