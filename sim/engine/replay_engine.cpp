// The longest path through the operation graph: an operation starts when its dependencies and the operation before it
// in its queue have ended, and lasts as long as it was predicted to, computation and communication alike.
#include <algorithm>

#include "sim/engine/engine.hpp"
#include "sim/graph/precedence.hpp"

namespace dflop {
namespace {

class ReplayEngine final : public Engine {
 public:
  OperationTimes Run(const OperationGraph& graph) override {
    const Precedence precedence(graph);
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
  std::string name() const override { return "replay"; }
};

}  // namespace

std::unique_ptr<Engine> MakeReplayEngine() { return std::make_unique<ReplayEngine>(); }

}  // namespace dflop
