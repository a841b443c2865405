// Plug-ins whose every answer is looked at before anyone builds on it: sizes, ranges, each sample and each operation
// once, an order that ends, finite numbers. What is wrong is a PluginError; the checks of the simulator behind it are
// promises of our own code and abort.
#pragma once

#include <memory>
#include <string>

#include "policies/api/batch_scheduler.hpp"
#include "policies/api/correction.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/pipeline_schedule.hpp"

namespace dflop {

/// `name` is the plug-in's, for messages.
std::unique_ptr<LayoutPlanner> Checked(std::unique_ptr<LayoutPlanner> planner, const std::string& name);
std::unique_ptr<BatchScheduler> Checked(std::unique_ptr<BatchScheduler> batcher, const std::string& name);
std::unique_ptr<PipelineSchedule> Checked(std::unique_ptr<PipelineSchedule> schedule, const std::string& name);
std::unique_ptr<Correction> Checked(std::unique_ptr<Correction> correction, const std::string& name);

/// "" when every device has its chunks; otherwise what is wrong.
std::string WhyPlacementFails(const Placement& placement, int devices, int chunks);
/// "" when these orders of a pipeline's devices run every operation of every chunk and microbatch once, hold no more
/// than they may, and can end where the problem places the stages; otherwise what is wrong.
std::string WhyOrdersFail(const std::vector<DeviceOrder>& orders, const ScheduleProblem& problem);

}  // namespace dflop
