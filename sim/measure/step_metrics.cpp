// The figures of one step, put together: times from the timeline, work from the costs, idle time from SplitIdle.
#include <algorithm>

#include "base/index.hpp"
#include "sim/measure/contention.hpp"
#include "sim/measure/counted_sum.hpp"
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

/// Over all replicas.
Flops SumOver(const Step& step, const Layout& layout, Flops PartCost::*figure) {
  CountedSum sum;
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    const int count = step.graph.CopiesOf(layout.stages[s].group);
    if (count == 0) continue;
    Flops of_stage{0};
    for (const PartCost& part : step.costs().stages[s]) of_stage += part.*figure;
    sum.Add(of_stage.value(), count);
  }
  return Flops(sum.Total());
}

}  // namespace

BusyTime BusyTimeOf(const StepCosts& costs, const Layout& layout, const OperationGraph& graph) {
  CountedSum whole, extrapolated, communicating, context, experts;
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    const int count = graph.CopiesOf(layout.stages[s].group);
    if (count == 0) continue;
    const int gpus = layout.groups[Index(layout.stages[s].group)].size;
    BusyTime of_stage{.whole = costs.optimizer[s].value() * gpus};
    for (const PartCost& part : costs.stages[s]) {
      for (const OperationCost* operation : {&part.forward, &part.backward, &part.weight_gradient}) {
        of_stage.whole += operation->time.value() * gpus;
        of_stage.extrapolated += operation->extrapolated.value() * gpus;
        of_stage.communicating += operation->tensor_parallel_communication.value() * gpus;
        of_stage.context += operation->context_parallel_communication.value() * gpus;
        of_stage.experts += operation->expert_communication.value() * gpus;
      }
    }
    whole.Add(of_stage.whole, count);
    extrapolated.Add(of_stage.extrapolated, count);
    communicating.Add(of_stage.communicating, count);
    context.Add(of_stage.context, count);
    experts.Add(of_stage.experts, count);
  }
  return {whole.Total(), extrapolated.Total(), communicating.Total(), context.Total(), experts.Total()};
}

StepMetrics MeasureStep(const Job& job, const Step& step, Engine& engine) {
  StepMetrics metrics;
  metrics.step = step.times.makespan;
  metrics.samples = step.samples;
  metrics.tokens = step.tokens;
  metrics.optimizer = OptimizerTime(step.graph, step.times);

  const BusyTime busy = BusyTimeOf(step.costs(), job.layout, step.graph);
  metrics.model_flops = SumOver(step, job.layout, &PartCost::model_flops);
  metrics.hardware_flops = SumOver(step, job.layout, &PartCost::hardware_flops);
  const Seconds device_time = step.times.makespan * job.layout.gpus_used();
  metrics.idle_fraction = 1.0 - BusyDeviceSeconds(step.graph, step.times, job.layout) / device_time;
  metrics.idle = SplitIdle(job, step, engine);
  metrics.extrapolated_fraction = busy.Share(busy.extrapolated);
  metrics.tensor_parallel_communication_fraction = busy.Share(busy.communicating);
  metrics.context_parallel_communication_fraction = busy.Share(busy.context);
  metrics.expert_communication_fraction = busy.Share(busy.experts);
  if (!engine.contends()) metrics.unmodelled_contention_fraction = NicMeetings(job, step);
  return metrics;
}

}  // namespace dflop
