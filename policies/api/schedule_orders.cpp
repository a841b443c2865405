// From a schedule of devices to the order of every device of a layout.
#include "policies/api/layout_pipeline.hpp"
#include "policies/api/pipeline_schedule.hpp"

namespace dflop {

ScheduleProblem ShapeOf(const PipelineSchedule& schedule, int devices, int microbatches) {
  return {devices, microbatches, schedule.chunks(), schedule.placement(devices)};
}

std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout) {
  const LayoutPipeline pipeline(schedule, layout);
  std::vector<DeviceOrder> orders(layout.groups.size());
  pipeline.Give(schedule.Orders(pipeline.shape()), LayoutPipeline::kAllReplicas, orders);
  return orders;
}

}  // namespace dflop
