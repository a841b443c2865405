#include "policies/pipeline_schedule.hpp"

namespace dflop {

std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout) {
  std::vector<DeviceOrder> orders(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    orders[static_cast<std::size_t>(stage.group)] = schedule.Order(layout.depth, stage.depth, layout.microbatches);
  }
  return orders;
}

}  // namespace dflop
