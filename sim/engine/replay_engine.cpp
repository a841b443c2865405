// One sweep in an order in which everything comes after what it waits for.
#include <algorithm>

#include "sim/engine/replay.hpp"

namespace dflop {

OperationTimes Replay(const OperationGraph& graph, const Precedence& precedence) {
  const std::size_t count = graph.operations.size();
  OperationTimes times{std::vector<Seconds>(count), std::vector<Seconds>(count), Seconds(0)};
  for (const std::int32_t operation : precedence.order()) {
    const auto index = static_cast<std::size_t>(operation);
    const Seconds end = times.start[index] + graph.operations[index].duration;
    times.end[index] = end;
    times.makespan = std::max(times.makespan, end);
    for (const std::int32_t successor : precedence.successors(operation)) {
      Seconds& start = times.start[static_cast<std::size_t>(successor)];
      start = std::max(start, end);
    }
  }
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
