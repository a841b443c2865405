// Who waits for whom in an operation graph, from the one that is waited for: what is simulated event by event needs it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/graph/operation_graph.hpp"

namespace dflop {

/// An operation waits for its dependencies and for the operation before it in its queue. Successors are compressed
/// rows, so that a sweep touches memory in order and allocates nothing per operation.
class Precedence {
 public:
  explicit Precedence(const OperationGraph& graph);
  /// "" unless queues and dependencies form a cycle; otherwise the first operation that can never start.
  static std::string WhyStuck(const OperationGraph& graph);

  std::span<const std::int32_t> successors(std::int32_t operation) const {
    const auto index = static_cast<std::size_t>(operation);
    const auto begin = static_cast<std::size_t>(begin_[index]);
    return std::span(successors_).subspan(begin, static_cast<std::size_t>(begin_[index + 1]) - begin);
  }
  /// Who waits for a part of the operation, or with a part of itself for the operation.
  struct LaggedSuccessor {
    std::int32_t operation = 0;
    Lag lag{};
  };
  std::span<const LaggedSuccessor> lagged_successors(std::int32_t operation) const {
    if (lag_begin_.empty()) return {};
    const auto index = static_cast<std::size_t>(operation);
    const auto begin = static_cast<std::size_t>(lag_begin_[index]);
    return std::span(lagged_).subspan(begin, static_cast<std::size_t>(lag_begin_[index + 1]) - begin);
  }
  /// waiting_for()[i]: how many operations must end before operation i may start, lags apart.
  const std::vector<std::int32_t>& waiting_for() const { return waiting_for_; }
  /// All operations, each after everything that it waits for, first come, first served (Kahn, "Topological sorting of
  /// large networks", CACM 1962); of a cycle and of what waits for it nothing.
  std::vector<std::int32_t> Order() const;

 private:
  void LinkLags(const OperationGraph& graph);

  std::vector<std::int64_t> begin_;
  std::vector<std::int32_t> successors_;
  std::vector<std::int32_t> waiting_for_;
  std::vector<std::int64_t> lag_begin_;
  std::vector<LaggedSuccessor> lagged_;
  std::vector<std::int32_t> lags_of_;  ///< [operation]: how many it has; empty where there are none
};

}  // namespace dflop
