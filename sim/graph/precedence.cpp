// Rows are counted, summed up and filled from the back; a cycle shows as operations that no order reaches.
#include "sim/graph/precedence.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/error.hpp"
#include "base/index.hpp"

namespace dflop {
namespace {

/// Calls visit(before, after) for every pair of operations of which the second waits for the first.
template <typename Visit>
void ForEachPrecedence(const OperationGraph& graph, Visit visit) {
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    for (const std::int32_t needed : graph.DependenciesOf(i)) visit(static_cast<std::size_t>(needed), i);
  }
  for (const std::vector<int>& queue : graph.queues) {
    for (std::size_t i = 1; i < queue.size(); ++i) {
      visit(static_cast<std::size_t>(queue[i - 1]), static_cast<std::size_t>(queue[i]));
    }
  }
}

std::string Describe(const Operation& operation) {
  return std::string(KindName(operation.kind)) + " of microbatch " + std::to_string(operation.microbatch) +
         " on stage " + std::to_string(operation.stage) + " in queue " + std::to_string(operation.queue);
}

}  // namespace

Precedence::Precedence(const OperationGraph& graph) {
  DFLOP_CHECK(graph.dependency_begin.size() == graph.operations.size() + 1, "one row of dependencies per operation");
  begin_.resize(graph.operations.size() + 1);
  waiting_for_.resize(graph.operations.size());
  ForEachPrecedence(graph, [&](std::size_t before, std::size_t after) {
    ++begin_[before];
    ++waiting_for_[after];
  });
  // Counts become the ends of the rows; filling them from the back turns every end into a begin.
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  successors_.resize(static_cast<std::size_t>(begin_.back()));
  ForEachPrecedence(graph, [&](std::size_t before, std::size_t after) {
    successors_[static_cast<std::size_t>(--begin_[before])] = static_cast<std::int32_t>(after);
  });
  if (!graph.lags.empty()) LinkLags(graph);
}

void Precedence::LinkLags(const OperationGraph& graph) {
  lag_begin_.resize(graph.operations.size() + 1);
  lags_of_.resize(graph.operations.size());
  lagged_.resize(graph.lags.size());
  for (const Lag& lag : graph.lags) ++lag_begin_[Index(lag.needed)];
  std::partial_sum(lag_begin_.begin(), lag_begin_.end(), lag_begin_.begin());
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    for (const Lag& lag : graph.LagsOf(i)) {
      lagged_[Index(--lag_begin_[Index(lag.needed)])] = {static_cast<std::int32_t>(i), lag};
      ++lags_of_[i];
    }
  }
}

std::vector<std::int32_t> Precedence::Order() const {
  std::vector<std::int32_t> left = waiting_for_;
  for (std::size_t i = 0; i < lags_of_.size(); ++i) left[i] += lags_of_[i];
  std::vector<std::int32_t> order;
  order.reserve(left.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] == 0) order.push_back(static_cast<std::int32_t>(i));
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const std::int32_t successor : successors(order[next])) {
      if (--left[static_cast<std::size_t>(successor)] == 0) order.push_back(successor);
    }
    for (const LaggedSuccessor& successor : lagged_successors(order[next])) {
      if (--left[Index(successor.operation)] == 0) order.push_back(successor.operation);
    }
  }
  return order;
}

namespace {

/// One that the operation waits for and that can never start either; the operation itself never can.
std::int32_t StuckBefore(const OperationGraph& graph, const std::vector<std::int32_t>& before_in_queue,
                         const std::vector<bool>& starts, std::int32_t operation) {
  const auto stuck = [&](std::int32_t other) { return other >= 0 && !starts[Index(other)]; };
  for (const std::int32_t needed : graph.DependenciesOf(Index(operation))) {
    if (stuck(needed)) return needed;
  }
  for (const Lag& lag : graph.LagsOf(Index(operation))) {
    if (stuck(lag.needed)) return lag.needed;
  }
  return before_in_queue[Index(operation)];
}

/// The circle that an operation waits for, or stands in: who waits for whom, as far as a reader will follow.
std::string CircleBefore(const OperationGraph& graph, const std::vector<bool>& starts, std::int32_t operation) {
  constexpr std::size_t kShown = 12;
  std::vector<std::int32_t> before_in_queue(graph.operations.size(), -1);
  for (const std::vector<int>& queue : graph.queues) {
    for (std::size_t i = 1; i < queue.size(); ++i) before_in_queue[Index(queue[i])] = queue[i - 1];
  }
  std::vector<std::int32_t> met;
  std::vector<bool> seen(graph.operations.size());
  for (; !seen[Index(operation)]; operation = StuckBefore(graph, before_in_queue, starts, operation)) {
    seen[Index(operation)] = true;
    met.push_back(operation);
  }
  met.erase(met.begin(), std::find(met.begin(), met.end(), operation));
  std::string text;
  for (std::size_t i = 0; i < std::min(met.size(), kShown); ++i) {
    text += Describe(graph.operations[Index(met[i])]) + " → ";
  }
  if (met.size() > kShown) text += "… " + std::to_string(met.size() - kShown) + " more … → ";
  return text + Describe(graph.operations[Index(operation)]);
}

}  // namespace

std::string Precedence::WhyStuck(const OperationGraph& graph) {
  std::vector<bool> starts(graph.operations.size());
  for (const std::int32_t operation : Precedence(graph).Order()) starts[static_cast<std::size_t>(operation)] = true;
  const auto stuck = std::find(starts.begin(), starts.end(), false);
  if (stuck == starts.end()) return "";
  const Operation& first = graph.operations[static_cast<std::size_t>(stuck - starts.begin())];
  return "orders and dependencies form a cycle: " + Describe(first) + " can never start; each waits for the next in " +
         CircleBefore(graph, starts, static_cast<std::int32_t>(stuck - starts.begin()));
}

}  // namespace dflop
