// One pass; whatever order it takes, an operation starts at the latest end among those that it waits for.
#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/engine/replay.hpp"

namespace dflop {
namespace {

/// The latest end among those that the operation waits for whole. The innermost loop of a replay: a copy of the end
/// keeps the maximum in a register.
inline Seconds Ready(const OperationGraph& graph, const SweepOrder& order, std::size_t i,
                     const std::vector<Seconds>& ends) {
  const std::int32_t before = order.Before(i);
  Seconds ready = before < 0 ? Seconds(0) : ends[Index(before)];
  for (std::int64_t d = graph.dependency_begin[i]; d < graph.dependency_begin[i + 1]; ++d) {
    const Seconds needed = ends[Index(graph.dependencies[Index(d)])];
    ready = std::max(ready, needed);
  }
  return ready;
}

struct Span {
  Seconds start{0};
  Seconds end{0};
};

/// An operation that is silent, or waits for parts of others, or with a part of itself.
Span SpecialSpan(const OperationGraph& graph, const SweepOrder& order, std::span<const Seconds> durations,
                 const SilentKinds& silent, std::size_t i, const std::vector<Seconds>& ends) {
  const Operation& operation = graph.operations[i];
  const bool is_silent = silent.covers(operation);
  const Seconds lasts = is_silent ? Seconds(0) : durations[i];
  Span span;
  if (!is_silent || !SilentKinds::frees(operation)) span.start = Ready(graph, order, i, ends);
  Seconds last_part{0};
  for (const Lag& lag : graph.LagsOf(i)) {
    const Seconds needed = ends[Index(lag.needed)];
    if (lag.part_of == Lag::PartOf::kWaiting) {
      last_part = std::max(last_part, needed + durations[i] * (1 - lag.share));
    } else {
      span.start = std::max(span.start, needed - durations[Index(lag.needed)] * (1 - lag.share));
    }
  }
  span.end = std::max(last_part, span.start + lasts);
  return span;
}

/// Calls visit(operation, start) in the order of the sweep.
template <typename Visit>
Seconds Sweep(const OperationGraph& graph, const SweepOrder& order, std::span<const Seconds> durations,
              const SilentKinds& silent, std::vector<Seconds>& ends, Visit visit) {
  DFLOP_CHECK(order.operations().size() == graph.operations.size() && durations.size() == graph.operations.size(),
              "order and durations of this graph");
  ends.resize(graph.operations.size());
  const bool plain = silent.none() && graph.lags.empty();
  Seconds makespan{0};
  for (const std::int32_t operation : order.operations()) {
    const std::size_t i = Index(operation);
    Seconds start{0};
    Seconds end{0};
    if (plain) {
      start = Ready(graph, order, i, ends);
      end = start + durations[i];
    } else {
      const Span span = SpecialSpan(graph, order, durations, silent, i, ends);
      start = span.start;
      end = span.end;
    }
    ends[i] = end;
    makespan = std::max(makespan, end);
    visit(i, start);
  }
  return makespan;
}

class ReplayEngine final : public Engine {
 public:
  OperationTimes Run(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent,
                     OperationTimes reused) override {
    return Replay(graph, order, silent, std::move(reused));
  }
  std::string name() const override { return "replay"; }
  bool contends() const override { return false; }
};

}  // namespace

OperationTimes Replay(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent,
                      OperationTimes reused) {
  OperationTimes times = std::move(reused);
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
