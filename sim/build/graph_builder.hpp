// Plan → operations with dependencies: one training step as an engine runs it.
#pragma once

#include <span>
#include <vector>

#include "sim/build/replica_classes.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

/// Communication of a step by what it carries.
struct CommunicationKinds {
  bool encoder_llm = true;  ///< between encoders and LLM with devices of their own, or replicas that encode for others
  bool stages = true;       ///< from stage to stage of a pipeline
  bool gradients = true;    ///< reductions over replicas and between tied embeddings
  bool parameters = true;   ///< all-gather of a distributed optimizer
  bool operator==(const CommunicationKinds&) const = default;
};
inline constexpr CommunicationKinds kNoCommunication{false, false, false, false};

/// What a graph leaves out; the full step by default. The others exist to split idle time by cause
/// (sim/measure/metrics.hpp).
struct GraphOptions {
  CommunicationKinds communication{};  ///< what is left out takes no time and holds up nobody
  bool couple_replicas = true;         ///< false: no waiting at the end of the step for the other replicas
  int only_replica = -1;               ///< ≥ 0: this LLM replica alone, with the encoders that feed it
  std::vector<bool> absent_stages{};   ///< [stage]: left out; of every encoder one replica stays. Empty: none is
  /// Of every class only the first replica is built, and stands for all of them; empty: every replica is. Not where
  /// replicas send each other messages of their own.
  std::span<const ReplicaClass> classes{};
};

OperationGraph BuildGraph(const Job& job, const StepWork& work, const StepCosts& costs,
                          const GraphOptions& options = {});

}  // namespace dflop
