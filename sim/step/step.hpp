// One training step from batch plan to times: the one place where the pieces of this folder meet.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "sim/build/graph_builder.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/engine/engine.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

struct Step {
  double samples = 0;  ///< that it runs: deferred ones are not among them
  double tokens = 0;   ///< of the LLM, without padding
  StepWork work;
  int replica_classes = 0;            ///< how many different replicas of the LLM there are, where it was asked to fold
  std::vector<ReplicaClass> classes;  ///< of replicas that one stands for; none: every one is simulated
  StepCosts predicted;
  std::optional<StepCosts> disturbed;  ///< what costs really are, where something disturbs them
  OperationGraph graph;
  std::optional<SweepOrder> order;  ///< of the graph
  OperationTimes times;

  const StepCosts& costs() const { return disturbed ? *disturbed : predicted; }
};

/// What makes predicted costs those that happen.
using Disturbance = std::function<void(const StepWork& work, StepCosts& costs)>;

struct StepOptions {
  Disturbance disturb{};
  /// Equal replicas are simulated once where that changes nothing: where they send each other no messages within the
  /// step, nothing disturbs them, and the engine lets no messages contend or MayFoldUnderContention.
  bool fold = false;
};

/// Simulates one step; nothing is measured beyond its times. `reused`: a step of the same job and options, whose memory
/// and graph serve again.
Step SimulateStep(const Job& job, const BatchPlan& plan, const std::vector<SampleShape>& batch, Engine& engine,
                  const StepOptions& options = {}, Step reused = {});

/// The step of costs that are known.
Step SimulateCosts(const Job& job, StepWork work, StepCosts costs, Engine& engine, const GraphOptions& options = {});

}  // namespace dflop
