// One pass; whatever order it takes, an operation starts at the latest end among those that it waits for.
#include <algorithm>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/engine/replay.hpp"

namespace dflop {
namespace {

/// Calls visit(operation, start, end) in the order of the sweep.
template <typename Visit>
Seconds Sweep(const OperationGraph& graph, const SweepOrder& order, std::span<const Seconds> durations,
              const SilentKinds& silent, std::vector<Seconds>& ends, Visit visit) {
  DFLOP_CHECK(order.operations().size() == graph.operations.size() && durations.size() == graph.operations.size(),
              "order and durations of this graph");
  ends.resize(graph.operations.size());
  const bool all_speak = silent.none();
  Seconds makespan{0};
  for (const std::int32_t operation : order.operations()) {
    const std::size_t i = Index(operation);
    const bool is_silent = !all_speak && silent.covers(graph.operations[i]);
    Seconds start{0};
    if (!is_silent || !silent.frees(graph.operations[i])) {
      const std::int32_t before = order.Before(i);
      if (before >= 0) start = ends[Index(before)];
      for (const std::int32_t needed : graph.DependenciesOf(i)) start = std::max(start, ends[Index(needed)]);
    }
    Seconds end = is_silent ? start : start + durations[i];
    for (const Lag& lag : graph.LagsOf(i)) {
      const Seconds needed = ends[Index(lag.needed)];
      if (lag.part_of == Lag::PartOf::kWaiting) {
        end = std::max(end, needed + durations[i] * (1 - lag.share));
      } else {
        start = std::max(start, needed - durations[Index(lag.needed)] * (1 - lag.share));
        end = std::max(end, is_silent ? start : start + durations[i]);
      }
    }
    ends[i] = end;
    makespan = std::max(makespan, end);
    visit(i, start);
  }
  return makespan;
}

class ReplayEngine final : public Engine {
 public:
  OperationTimes Run(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent) override {
    return Replay(graph, order, silent);
  }
  std::string name() const override { return "replay"; }
  bool contends() const override { return false; }
};

}  // namespace

OperationTimes Replay(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent) {
  OperationTimes times;
  times.start.resize(graph.operations.size());
  times.makespan = Sweep(graph, order, graph.durations, silent, times.end,
                         [&](std::size_t i, Seconds start) { times.start[i] = start; });
  return times;
}

Seconds ReplayEnds(const OperationGraph& graph, const SweepOrder& order, std::span<const Seconds> durations,
                   const SilentKinds& silent, std::vector<Seconds>& ends) {
  return Sweep(graph, order, durations, silent, ends, [](std::size_t, Seconds) {});
}

std::unique_ptr<Engine> MakeReplayEngine() { return std::make_unique<ReplayEngine>(); }

}  // namespace dflop
