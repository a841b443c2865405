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

std::string Precedence::WhyStuck(const OperationGraph& graph) {
  std::vector<bool> starts(graph.operations.size());
  for (const std::int32_t operation : Precedence(graph).Order()) starts[static_cast<std::size_t>(operation)] = true;
  const auto stuck = std::find(starts.begin(), starts.end(), false);
  if (stuck == starts.end()) return "";
  const Operation& first = graph.operations[static_cast<std::size_t>(stuck - starts.begin())];
  return "orders and dependencies form a cycle: " + Describe(first) + " can never start";
}

}  // namespace dflop
