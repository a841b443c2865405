// From a schedule of devices to the order of every device of a layout, also where a device holds several stages.
#include <algorithm>
#include <string>

#include "base/index.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/pipeline_schedule.hpp"

namespace dflop {
namespace {

/// With several stages per chunk, every forward runs through them in turn, every backward back.
DeviceOrder OverStages(const DeviceOrder& order, int stages) {
  DeviceOrder all;
  for (const ScheduledOp& op : order) {
    for (int s = 0; s < stages; ++s) {
      const int in_chunk = op.kind == OpKind::kForward ? s : stages - 1 - s;
      all.push_back({op.kind, op.microbatch, op.chunk * stages + in_chunk});
    }
  }
  return all;
}

}  // namespace

std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout) {
  const std::vector<int> position = DevicePositions(layout);
  const int devices = *std::max_element(position.begin(), position.end()) + 1;
  std::vector<int> stages(layout.groups.size());
  for (const Stage& stage : layout.stages) ++stages[Index(stage.group)];
  std::vector<DeviceOrder> orders(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    const int held = stages[Index(stage.group)];
    if (layout.joins() && schedule.chunks() > 1) {
      throw Infeasible("the schedule wants " + std::to_string(schedule.chunks()) +
                       " chunks of layers on every device; a layout with encoders on devices of their own (" +
                       layout.name + ") has one stage on each, only a uniform layout has chunks");
    }
    if (held % schedule.chunks() != 0) {
      throw Infeasible("the schedule wants " + std::to_string(schedule.chunks()) + " chunks on every device, layout " +
                       layout.name + " has " + std::to_string(held));
    }
    DeviceOrder& order = orders[Index(stage.group)];
    if (!order.empty()) continue;
    order = OverStages(schedule.Order(devices, position[Index(stage.depth)], layout.microbatches),
                       held / schedule.chunks());
  }
  return orders;
}

}  // namespace dflop
