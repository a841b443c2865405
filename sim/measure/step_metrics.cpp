// The figures of one step, put together: times from the timeline, work from the costs, idle time from SplitIdle.
#include <algorithm>

#include "base/index.hpp"
#include "sim/measure/metrics.hpp"

namespace dflop {
namespace {

/// From the end of everything else to the end of the step.
Seconds OptimizerTime(const OperationGraph& graph, const OperationTimes& times) {
  Seconds rest{0};
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const OpKind kind = graph.operations[i].kind;
    const bool at_end = kind == OpKind::kOptimizerStep || kind == OpKind::kParameterGather;
    if (!at_end) rest = std::max(rest, times.end[i]);
  }
  return times.makespan - rest;
}

}  // namespace

BusyTime BusyTimeOf(const StepCosts& costs, const Layout& layout) {
  BusyTime busy;
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    const int gpus = layout.groups[Index(layout.stages[s].group)].size;
    busy.whole += costs.optimizer[s].value() * gpus;
    for (const PartCost& part : costs.stages[s]) {
      for (const OperationCost* operation : {&part.forward, &part.backward, &part.weight_gradient}) {
        busy.whole += operation->time.value() * gpus;
        busy.extrapolated += operation->extrapolated.value() * gpus;
        busy.communicating += operation->tensor_parallel_communication.value() * gpus;
      }
    }
  }
  return busy;
}

StepMetrics MeasureStep(const Job& job, const Step& step, Engine& engine) {
  StepMetrics metrics;
  metrics.step = step.times.makespan;
  metrics.samples = step.samples;
  metrics.tokens = step.tokens;
  metrics.optimizer = OptimizerTime(step.graph, step.times);

  const BusyTime busy = BusyTimeOf(step.costs, job.layout);
  for (const auto& stage : step.costs.stages) {
    for (const PartCost& part : stage) {
      metrics.model_flops += part.model_flops;
      metrics.hardware_flops += part.hardware_flops;
    }
  }
  const Seconds device_time = step.times.makespan * job.layout.gpus_used();
  metrics.idle_fraction = 1.0 - BusyDeviceSeconds(step.graph, step.times, job.layout) / device_time;
  metrics.idle = SplitIdle(job, step.work, step.costs, step.graph, step.times, engine);
  metrics.extrapolated_fraction = busy.Share(busy.extrapolated);
  metrics.tensor_parallel_communication_fraction = busy.Share(busy.communicating);
  return metrics;
}

}  // namespace dflop
