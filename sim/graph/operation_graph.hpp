// One training step as operations with dependencies: what an engine runs and nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/units.hpp"
#include "sim/graph/communications.hpp"
#include "sim/graph/op_kind.hpp"

namespace dflop {

/// A unit of work: computation lasts as long as it is said to, communication has flows, whose duration an engine
/// decides.
struct Operation {
  OpKind kind = OpKind::kForward;
  int stage = -1;     ///< index into Layout::stages: where it runs, or whose output a transfer carries; −1 = none
  int to_stage = -1;  ///< transfers only: the stage that waits for it
  int microbatch = -1;
  int queue = -1;          ///< runs in the order of its queue, one at a time; −1 = starts as soon as it may
  int communication = -1;  ///< index into OperationGraph::communications, −1 for computation
  /// Communication of all replicas at once, of which `stage` and `to_stage` name the first: a collective, what a hub
  /// gathers or scatters, an exchange between replicas.
  bool of_all_replicas = false;
  /// Of a computation that runs unit by unit (models/sharding.hpp), in operations of their own: which one; −1: whole.
  std::int16_t unit = -1;
};

/// A piece of an operation: computation, and communication beside it. It ends when both have ended.
struct OperationPart {
  Seconds computation{0};
  int communication = -1;  ///< index into OperationGraph::communications, −1: none
};

/// An operation and a part of another one: gradients that a backward makes on its way, weights that a forward uses on
/// its way. Both are computations that run whole (not in parts of their own), or communications that it names as
/// needed.
struct Lag {
  enum class PartOf {
    kNeeded,   ///< it starts once `share` of `needed` has run
    kWaiting,  ///< what lies beyond `share` of it runs once `needed` has ended
  };
  std::int32_t needed = 0;
  double share = 0;
  PartOf part_of = PartOf::kNeeded;
};

/// Queues 0 … groups−1 are the layout's device groups; further queues serialise a communicator's messages.
struct OperationGraph {
  std::vector<Operation> operations;
  std::vector<Seconds> durations;  ///< [operation]: of a computation; of a communication its uncontended time
  /// [operation]: which share of what costs say of it a computation takes, which overlaps the other half of its pair
  /// (sim/plan/device_order.hpp). No entries: all of it.
  std::vector<double> time_shares;
  Communications communications;
  std::vector<std::vector<int>> queues;  ///< operation indices in order
  /// Dependencies in compressed rows: operation i waits for dependencies[dependency_begin[i] … dependency_begin[i+1]).
  std::vector<std::int64_t> dependency_begin;
  std::vector<std::int32_t> dependencies;
  /// Dependencies on a part likewise; no rows: there are none.
  std::vector<std::int64_t> lag_begin;
  std::vector<Lag> lags;
  int groups = 0;  ///< number of device queues
  /// [group]: how many devices run the same at the same time, of which this queue stands for all; 0: another queue
  /// stands for this one, which is empty. No entries: every device for itself.
  std::vector<std::int32_t> copies;
  /// What is more than a time or a communication: operation i runs parts[part_begin[i] … part_begin[i+1]) one after the
  /// other, and its duration is the uncontended time of that. No rows: all operations are whole.
  std::vector<std::int32_t> part_begin;
  std::vector<OperationPart> parts;

  double TimeShareOf(std::size_t operation) const { return time_shares.empty() ? 1.0 : time_shares[operation]; }
  int CopiesOf(int group) const { return copies.empty() ? 1 : copies[static_cast<std::size_t>(group)]; }
  std::span<const std::int32_t> DependenciesOf(std::size_t operation) const {
    const auto begin = static_cast<std::size_t>(dependency_begin[operation]);
    return std::span(dependencies).subspan(begin, static_cast<std::size_t>(dependency_begin[operation + 1]) - begin);
  }
  std::span<const Lag> LagsOf(std::size_t operation) const {
    if (lag_begin.empty()) return {};
    const auto begin = static_cast<std::size_t>(lag_begin[operation]);
    return std::span(lags).subspan(begin, static_cast<std::size_t>(lag_begin[operation + 1]) - begin);
  }
  std::span<const OperationPart> PartsOf(std::size_t operation) const {
    if (part_begin.empty()) return {};
    const auto begin = static_cast<std::size_t>(part_begin[operation]);
    return std::span(parts).subspan(begin, static_cast<std::size_t>(part_begin[operation + 1]) - begin);
  }
};

}  // namespace dflop
