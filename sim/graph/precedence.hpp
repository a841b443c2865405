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
  /// waiting_for()[i]: how many operations must end before operation i may start.
  const std::vector<std::int32_t>& waiting_for() const { return waiting_for_; }
  /// All operations, each after everything that it waits for, first come, first served (Kahn, "Topological sorting of
  /// large networks", CACM 1962); of a cycle and of what waits for it nothing.
  std::vector<std::int32_t> Order() const;

 private:
  std::vector<std::int64_t> begin_;
  std::vector<std::int32_t> successors_;
  std::vector<std::int32_t> waiting_for_;
};

}  // namespace dflop
