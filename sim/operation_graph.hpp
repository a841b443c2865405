// One training step as operations with dependencies: what an engine runs and nothing else.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.hpp"
#include "models/network.hpp"
#include "sim/batch_plan.hpp"
#include "sim/layout.hpp"
#include "sim/schedule_order.hpp"

namespace dflop {

/// A unit of work. Computation has a fixed duration; communication has flows, whose duration an engine decides.
struct Operation {
  OpKind kind = OpKind::kForward;
  int stage = -1;     ///< index into Layout::stages: where it runs, or whose output a transfer carries; −1 = none
  int to_stage = -1;  ///< transfers only: the stage that waits for it
  int microbatch = -1;
  int queue = -1;          ///< runs in the order of its queue, one at a time; −1 = starts as soon as it may
  Seconds duration{0};     ///< computation; for communication the uncontended time
  int communication = -1;  ///< index into OperationGraph::communications, −1 for computation
  /// Communication of all replicas at once, of which `stage` and `to_stage` name the first: a collective, what a hub
  /// gathers or scatters, an exchange between replicas.
  bool of_all_replicas = false;
};

/// Queues 0 … groups−1 are the layout's device groups; further queues serialise a communicator's messages.
struct OperationGraph {
  std::vector<Operation> operations;
  std::vector<Communication> communications;
  std::vector<std::vector<int>> queues;  ///< operation indices in order
  /// Dependencies in compressed rows: operation i waits for dependencies[dependency_begin[i] … dependency_begin[i+1]).
  std::vector<std::int32_t> dependency_begin;
  std::vector<std::int32_t> dependencies;
  int groups = 0;  ///< number of device queues
};

/// Cost of every stage on every microbatch.
struct StepCosts {
  std::vector<std::vector<PartCost>> stages;  ///< [stage][microbatch], summed over the stage's parts
  std::vector<bool> needs_backward;           ///< [stage]
  std::vector<Seconds> optimizer;             ///< [stage]
};
StepCosts PriceStep(const CostModel& cost, const Layout& layout, const StepWork& work);

/// Communication of a step by what it carries.
struct CommunicationKinds {
  bool encoder_llm = true;  ///< between encoders and LLM with devices of their own, or replicas that encode for others
  bool stages = true;       ///< from stage to stage of a pipeline
  bool gradients = true;    ///< reductions over replicas and between tied embeddings
  bool parameters = true;   ///< all-gather of a distributed optimizer
  bool operator==(const CommunicationKinds&) const = default;
};
inline constexpr CommunicationKinds kNoCommunication{false, false, false, false};

/// What a graph leaves out; the full step by default. The others exist to split idle time by cause (sim/metrics.hpp).
struct GraphOptions {
  CommunicationKinds communication{};  ///< what is left out takes no time and holds up nobody
  bool couple_replicas = true;         ///< false: no waiting at the end of the step for the other replicas
  int only_replica = -1;               ///< ≥ 0: this LLM replica alone, with the encoders that feed it
};

/// `orders[group]`: what each device group runs, from the pipeline schedule.
OperationGraph BuildGraph(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                          const StepWork& work, const StepCosts& costs, const GraphOptions& options = {});

}  // namespace dflop
