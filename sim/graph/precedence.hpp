// Who waits for whom in an operation graph, laid out for a forward sweep: the part that all engines share.
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
  /// Aborts when queues and dependencies form a cycle, naming the first operation that can never start.
  explicit Precedence(const OperationGraph& graph);
  /// "" unless they do; otherwise that operation. For graphs that were read from a file.
  static std::string WhyStuck(const OperationGraph& graph);

  std::span<const std::int32_t> successors(std::int32_t operation) const {
    const auto index = static_cast<std::size_t>(operation);
    const auto begin = static_cast<std::size_t>(begin_[index]);
    return std::span(successors_).subspan(begin, static_cast<std::size_t>(begin_[index + 1]) - begin);
  }
  /// waiting_for()[i]: how many operations must end before operation i may start.
  const std::vector<std::int32_t>& waiting_for() const { return waiting_for_; }
  /// All operations, each after everything that it waits for.
  const std::vector<std::int32_t>& order() const { return order_; }

 private:
  Precedence() = default;
  void BuildRows(const OperationGraph& graph);
  std::string SortTopologically(const OperationGraph& graph);

  std::vector<std::int32_t> begin_;
  std::vector<std::int32_t> successors_;
  std::vector<std::int32_t> waiting_for_;
  std::vector<std::int32_t> order_;
};

}  // namespace dflop
