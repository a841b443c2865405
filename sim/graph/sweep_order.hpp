// An order in which one pass over all operations finds every time: each after all that it waits for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/graph/operation_graph.hpp"

namespace dflop {

/// Depends on a graph's queues and dependencies alone: durations may change under it. Queues are followed one after the
/// other as far as they go, so that a pass touches memory nearly in order.
class SweepOrder {
 public:
  /// Aborts where operations wait for each other in a circle, and names one of them.
  explicit SweepOrder(const OperationGraph& graph);

  std::span<const std::int32_t> operations() const { return order_; }
  /// The operation before it in its queue; −1: none.
  std::int32_t Before(std::size_t operation) const { return before_[operation]; }

 private:
  std::vector<std::int32_t> order_;
  std::vector<std::int32_t> before_;
};

}  // namespace dflop
