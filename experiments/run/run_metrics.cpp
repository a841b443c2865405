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
  balance_gap_ += balance_gap;
}

Json RunMetrics::ToJson(const Layout& layout, const CostModel& cost) const {
  DFLOP_CHECK(!step_s_.empty(), "a run has a step");
  const auto steps = static_cast<double>(step_s_.size());
  Json metrics;
  metrics["iteration_time_s"]["mean"] = sum_.step.value() / steps;
  metrics["iteration_time_s"]["per_step"] = Json::ArrayOf(step_s_);
  AddThroughput(metrics, layout, cost);
  AddIdle(metrics);
  metrics["balance_gap"] = balance_gap_ / steps;
  metrics["planning_time_s"] = planning_s_;
  metrics["planning_exposed_s"] = exposed_s_;
  AddMemory(metrics, cost.model());
  metrics["extrapolated_fraction"] = extrapolated_fraction();
  metrics["tensor_parallel_communication_fraction"] = busy_s_ > 0 ? tensor_parallel_s_ / busy_s_ : 0.0;
  return metrics;
}

void RunMetrics::AddThroughput(Json& metrics, const Layout& layout, const CostModel& cost) const {
  const double gpus = layout.gpus_used();
  metrics["samples_per_s"] = sum_.samples / sum_.step.value();
  metrics["tokens_per_s"] = sum_.tokens / sum_.step.value();
  metrics["tflops_per_gpu"] = (sum_.hardware_flops / (sum_.step - sum_.optimizer)).value() / gpus / 1e12;
  metrics["mfu"] = sum_.model_flops / sum_.step / MeanPeak(layout, cost.cluster()) / gpus;
}

void RunMetrics::AddIdle(Json& metrics) const {
  const double seconds = sum_.step.value();
  const IdleByCause parts = idle_by_cause_s_.Scaled(1 / seconds);
  metrics["idle_fraction"] = idle_s_ / seconds;
  Json& by_cause = metrics["idle_by_cause"];
  by_cause["bubble"] = parts.bubble;
  by_cause["imbalance"] = parts.imbalance;
  by_cause["data_parallel_wait"] = parts.data_parallel_wait;
  by_cause["communication"] = parts.communication();
  Json& by_kind = metrics["communication_by_kind"];
  by_kind["encoder_llm"] = parts.by_kind.encoder_llm;
  by_kind["stage"] = parts.by_kind.stage;
  by_kind["gradients"] = parts.by_kind.gradients;
  by_kind["parameters"] = parts.by_kind.parameters;
  DFLOP_CHECK(std::abs(parts.sum() - idle_s_ / seconds) <= 1e-9, "the parts of the idle time add up to the whole");
}

void RunMetrics::AddMemory(Json& metrics, const ModelSpec& model) const {
  metrics["peak_memory_bytes"] = memory_.peak.value();
  metrics["fits"] = memory_.fits;
  Json stages = Json::EmptyArray();
  for (const StageMemoryUse& use : memory_.stages) {
    Json stage;
    stage["module"] = model.module_name(use.module);
    stage["stage"] = use.stage;
    stage["weights_bytes"] = use.weights.value();
    stage["gradients_bytes"] = use.gradients.value();
    stage["optimizer_bytes"] = use.optimizer.value();
    stage["activations_bytes"] = use.activations.value();
    stage["other_bytes"] = use.other.value();
    stages.push_back(std::move(stage));
  }
  metrics["memory_by_stage"] = std::move(stages);
}

}  // namespace dflop
