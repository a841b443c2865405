// Shares are weighted by the seconds of their steps: a mean of shares would not add up to the run.
#include "experiments/run/run_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"

namespace dflop {
namespace {

/// Where GPUs differ the largest device need not be the one that overflows.
bool IsTighter(const MemoryUse& a, const MemoryUse& b) { return a.fits == b.fits ? a.peak > b.peak : b.fits; }

/// Of the GPUs in use.
FlopsPerSecond MeanPeak(const Layout& layout, const ClusterSpec& cluster) {
  std::map<KindId, double> gpus;
  for (const DeviceGroup& group : layout.groups) gpus[cluster.kind_of(group.first_gpu)] += group.size;
  FlopsPerSecond mean{0};
  for (const auto& [kind, count] : gpus) mean += cluster.node_of_kind(kind).gpu.peak * (count / layout.gpus_used());
  return mean;
}

}  // namespace

void RunMetrics::Add(const StepMetrics& step, const MemoryUse& memory, double balance_gap, double scheduling_s) {
  DFLOP_CHECK(std::abs(step.idle.sum() - step.idle_fraction) <= 1e-9, "the parts of the idle time add up to the whole");
  planning_s_ += scheduling_s;
  exposed_s_ += step_s_.empty() ? scheduling_s : std::max(0.0, scheduling_s - step_s_.back());
  const double seconds = step.step.value();
  const double busy = seconds * (1 - step.idle_fraction);
  if (step_s_.empty() || IsTighter(memory, memory_)) memory_ = memory;
  step_s_.push_back(seconds);
  sum_.step += step.step;
  sum_.samples += step.samples;
  sum_.tokens += step.tokens;
  sum_.model_flops += step.model_flops;
  sum_.hardware_flops += step.hardware_flops;
  sum_.optimizer += step.optimizer;
  idle_s_ += step.idle_fraction * seconds;
  idle_by_cause_s_ += step.idle.Scaled(seconds);
  busy_s_ += busy;
  extrapolated_s_ += step.extrapolated_fraction * busy;
  tensor_parallel_s_ += step.tensor_parallel_communication_fraction * busy;
  context_parallel_s_ += step.context_parallel_communication_fraction * busy;
  experts_s_ += step.expert_communication_fraction * busy;
  contention_s_ += step.unmodelled_contention_fraction * seconds;
  balance_gap_ += balance_gap;
}

RunFigures RunMetrics::Figures(const Layout& layout, const CostModel& cost) const {
  DFLOP_CHECK(!step_s_.empty(), "a run has a step");
  const auto steps = static_cast<double>(step_s_.size());
  RunFigures figures;
  figures.iteration_time_s = sum_.step.value() / steps;
  figures.step_s = step_s_;
  AddThroughput(figures, layout, cost);
  AddIdle(figures);
  figures.balance_gap = balance_gap_ / steps;
  figures.planning_time_s = planning_s_;
  figures.planning_exposed_s = exposed_s_;
  AddMemory(figures, cost.model());
  figures.extrapolated_fraction = extrapolated_fraction();
  figures.tensor_parallel_communication_fraction = busy_s_ > 0 ? tensor_parallel_s_ / busy_s_ : 0.0;
  figures.context_parallel_communication_fraction = busy_s_ > 0 ? context_parallel_s_ / busy_s_ : 0.0;
  figures.expert_communication_fraction = busy_s_ > 0 ? experts_s_ / busy_s_ : 0.0;
  figures.unmodelled_contention_fraction = contention_s_ / sum_.step.value();
  return figures;
}

void RunMetrics::AddThroughput(RunFigures& figures, const Layout& layout, const CostModel& cost) const {
  const double gpus = layout.gpus_used();
  figures.samples_per_s = sum_.samples / sum_.step.value();
  figures.tokens_per_s = sum_.tokens / sum_.step.value();
  figures.tflops_per_gpu = (sum_.hardware_flops / (sum_.step - sum_.optimizer)).value() / gpus / 1e12;
  figures.mfu = sum_.model_flops / sum_.step / MeanPeak(layout, cost.cluster()) / gpus;
}

void RunMetrics::AddIdle(RunFigures& figures) const {
  const double seconds = sum_.step.value();
  const IdleByCause parts = idle_by_cause_s_.Scaled(1 / seconds);
  figures.idle_fraction = idle_s_ / seconds;
  figures.bubble = parts.bubble;
  figures.imbalance = parts.imbalance;
  figures.data_parallel_wait = parts.data_parallel_wait;
  figures.communication = parts.communication();
  figures.communication_encoder_llm = parts.by_kind.encoder_llm;
  figures.communication_stage = parts.by_kind.stage;
  figures.communication_gradients = parts.by_kind.gradients;
  figures.communication_parameters = parts.by_kind.parameters;
  DFLOP_CHECK(std::abs(parts.sum() - figures.idle_fraction) <= 1e-9, "the parts of the idle time add up to the whole");
}

void RunMetrics::AddMemory(RunFigures& figures, const ModelSpec& model) const {
  figures.peak_memory_bytes = memory_.peak.value();
  figures.fits = memory_.fits;
  for (const StageMemoryUse& use : memory_.stages) {
    figures.memory.push_back({use, model.module_name(use.module), use.stage});
  }
}

}  // namespace dflop
