// Depth first along what operations wait for (Tarjan, "Edge-disjoint spanning trees and depth-first search", Acta
// Informatica 1976): it needs no list of successors.
#include "sim/graph/sweep_order.hpp"

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/graph/precedence.hpp"

namespace dflop {
namespace {

constexpr std::int32_t kNobody = -1;

class DepthFirst {
 public:
  DepthFirst(const OperationGraph& graph, const std::vector<std::int32_t>& before, std::vector<std::int32_t>& order)
      : graph_(graph), before_(before), order_(order), seen_(graph.operations.size()) {
    order_.reserve(seen_.size());
  }

  void VisitAll() {
    for (const std::vector<int>& queue : graph_.queues) {
      for (const int operation : queue) Visit(operation);
    }
    for (std::size_t i = 0; i < seen_.size(); ++i) Visit(static_cast<std::int32_t>(i));
  }

 private:
  enum class Seen : std::uint8_t { kNo, kWaits, kDone };

  void Visit(std::int32_t operation) {
    if (seen_[Index(operation)] != Seen::kNo) return;
    waits_.assign(1, operation);
    while (!waits_.empty()) {
      const std::int32_t top = waits_.back();
      seen_[Index(top)] = Seen::kWaits;
      const std::int32_t needed = FirstMissing(top);
      if (needed != kNobody) {
        DFLOP_CHECK(seen_[Index(needed)] == Seen::kNo, "deadlock, " + Precedence::WhyStuck(graph_));
        waits_.push_back(needed);
        continue;
      }
      seen_[Index(top)] = Seen::kDone;
      order_.push_back(top);
      waits_.pop_back();
    }
  }

  std::int32_t FirstMissing(std::int32_t operation) const {
    const std::int32_t before = before_[Index(operation)];
    if (before != kNobody && seen_[Index(before)] != Seen::kDone) return before;
    for (const std::int32_t needed : graph_.DependenciesOf(Index(operation))) {
      if (seen_[Index(needed)] != Seen::kDone) return needed;
    }
    for (const Lag& lag : graph_.LagsOf(Index(operation))) {
      if (seen_[Index(lag.needed)] != Seen::kDone) return lag.needed;
    }
    return kNobody;
  }

  const OperationGraph& graph_;
  const std::vector<std::int32_t>& before_;
  std::vector<std::int32_t>& order_;
  std::vector<Seen> seen_;
  std::vector<std::int32_t> waits_;  ///< each for the one after it
};

}  // namespace

SweepOrder::SweepOrder(const OperationGraph& graph) : before_(graph.operations.size(), kNobody) {
  DFLOP_CHECK(graph.dependency_begin.size() == graph.operations.size() + 1, "one row of dependencies per operation");
  for (const std::vector<int>& queue : graph.queues) {
    for (std::size_t i = 1; i < queue.size(); ++i) before_[Index(queue[i])] = queue[i - 1];
  }
  DepthFirst(graph, before_, order_).VisitAll();
}

}  // namespace dflop
