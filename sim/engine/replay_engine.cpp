// One sweep; whatever order it takes, an operation starts at the latest end among those that it waits for.
#include <algorithm>

#include "base/error.hpp"
#include "sim/engine/replay.hpp"

namespace dflop {

OperationTimes Replay(const OperationGraph& graph, const Precedence& precedence) {
  const std::size_t count = graph.operations.size();
  OperationTimes times{std::vector<Seconds>(count), std::vector<Seconds>(count), Seconds(0)};
  const std::size_t visited = precedence.SweepInDepth([&](std::int32_t operation) {
    const auto index = static_cast<std::size_t>(operation);
    const Seconds end = times.start[index] + graph.operations[index].duration;
    times.end[index] = end;
    times.makespan = std::max(times.makespan, end);
    for (const std::int32_t successor : precedence.successors(operation)) {
      Seconds& start = times.start[static_cast<std::size_t>(successor)];
      start = std::max(start, end);
    }
  });
  DFLOP_CHECK(visited == count, "deadlock, " + Precedence::WhyStuck(graph));
  return times;
}

namespace {

class ReplayEngine final : public Engine {
 public:
  OperationTimes Run(const OperationGraph& graph) override { return Replay(graph, Precedence(graph)); }
  std::string name() const override { return "replay"; }
};

}  // namespace

std::unique_ptr<Engine> MakeReplayEngine() { return std::make_unique<ReplayEngine>(); }

}  // namespace dflop
