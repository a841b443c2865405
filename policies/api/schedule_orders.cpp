// From a schedule of devices to the order of every device of a layout.
#include "policies/api/layout_pipeline.hpp"
#include "policies/api/pipeline_schedule.hpp"

namespace dflop {

ScheduleProblem ShapeOf(const PipelineSchedule& schedule, int devices, int microbatches) {
  ScheduleProblem shape{devices, microbatches, schedule.chunks(), schedule.placement(devices)};
  shape.directions = schedule.directions();
  shape.splits = schedule.splits();
  return shape;
}

std::vector<DeviceOrder> OrdersOf(const PipelineSchedule& schedule, const Layout& layout) {
  const LayoutPipeline pipeline(schedule, layout);
  std::vector<DeviceOrder> orders(layout.groups.size());
  pipeline.Give(schedule.Orders(pipeline.shape()), LayoutPipeline::kAllRows, orders);
  return orders;
}

}  // namespace dflop
