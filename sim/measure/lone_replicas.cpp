// Each LLM replica is replayed with those encoder replicas alone that it can have to wait for. Times are sums and
// maxima, so an encoder replica of which every operation is at most as long as another one's never ends after that one:
// with tiles divided evenly the first replica bounds all, and a layout costs as many replays as the LLM has replicas,
// each of two pipelines.
#include "sim/measure/lone_replicas.hpp"

#include <algorithm>

#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"

namespace dflop {
namespace {

Seconds BusyIn(const OperationGraph& graph, std::size_t group) {
  Seconds busy{0};
  for (const int i : graph.queues[group]) busy += graph.durations[Index(i)];
  return busy;
}

class LoneReplicas {
 public:
  LoneReplicas(const Job& job, const StepWork& work, const StepCosts& costs)
      : job_(job),
        work_(work),
        costs_(costs),
        replica_of_(ReplicaOfGroups(job.layout)),
        absent_(job.layout.stages.size()),
        busy_(job.layout.groups.size()) {}

  double Idle() {
    const int replicas = job_.layout.llm_replicas();
    double idle = 0;
    for (int r = 0; r < replicas; ++r) {
      const OperationGraph graph = GraphOf(r);
      if (r == 0) LookAtEncoders(graph);
      const Seconds makespan = MakeReplayEngine()->Run(graph).makespan;
      double of_encoders = 0;
      for (std::size_t g = 0; g < busy_.size(); ++g) {
        if (replica_of_[g] == r) idle += ((makespan - BusyIn(graph, g)) * job_.layout.groups[g].size).value();
        if (replica_of_[g] < 0) of_encoders += ((makespan - busy_[g]) * job_.layout.groups[g].size).value();
      }
      idle += of_encoders / replicas;
    }
    return idle;
  }

 private:
  OperationGraph GraphOf(int replica) const {
    return BuildGraph(job_, work_, costs_,
                      {.communication = kNoCommunication,
                       .couple_replicas = false,
                       .only_replica = replica,
                       .absent_stages = absent_});
  }

  /// From the first graph, which has all encoders: how long each is busy, and who need not be looked at again.
  void LookAtEncoders(const OperationGraph& graph) {
    std::vector<Chain> bounds;
    for (std::size_t g = 0; g < busy_.size(); ++g) busy_[g] = BusyIn(graph, g);
    const std::vector<bool> spread = SpreadStages(job_.layout);
    if (std::find(spread.begin(), spread.end(), true) != spread.end()) return;  // each keeps an LLM's device busy
    for (Chain& chain : ChainsOf(job_.layout)) {
      if (!job_.layout.feeds(chain.module)) continue;
      const bool bounded =
          std::any_of(bounds.begin(), bounds.end(), [&](const Chain& bound) { return Bounds(graph, bound, chain); });
      for (const int s : chain.stages) absent_[Index(s)] = bounded;
      if (!bounded) bounds.push_back(std::move(chain));
    }
  }

  bool Bounds(const OperationGraph& graph, const Chain& bound, const Chain& other) const {
    if (bound.module != other.module || bound.stages.size() != other.stages.size()) return false;
    for (std::size_t i = 0; i < bound.stages.size(); ++i) {
      const std::vector<int>& longer = QueueOf(graph, bound.stages[i]);
      const std::vector<int>& shorter = QueueOf(graph, other.stages[i]);
      const auto covers = [&](int a, int b) {
        const Operation& one = graph.operations[Index(a)];
        const Operation& two = graph.operations[Index(b)];
        return one.kind == two.kind && one.microbatch == two.microbatch &&
               graph.durations[Index(a)] >= graph.durations[Index(b)];
      };
      if (!std::equal(longer.begin(), longer.end(), shorter.begin(), shorter.end(), covers)) return false;
    }
    return true;
  }

  const std::vector<int>& QueueOf(const OperationGraph& graph, int stage) const {
    return graph.queues[Index(job_.layout.stages[Index(stage)].group)];
  }

  const Job& job_;
  const StepWork& work_;
  const StepCosts& costs_;
  std::vector<int> replica_of_;
  std::vector<bool> absent_;   ///< [stage]: of an encoder replica that another one bounds
  std::vector<Seconds> busy_;  ///< [device group], of the encoders
};

}  // namespace

std::vector<int> ReplicaOfGroups(const Layout& layout) {
  std::vector<int> replica(layout.groups.size(), -1);
  for (const Stage& stage : layout.stages) {
    if (!layout.feeds(stage.parts.front().module)) replica[Index(stage.group)] = stage.replica;
  }
  return replica;
}

double IdleOfLoneReplicas(const Job& job, const StepWork& work, const StepCosts& costs) {
  return LoneReplicas(job, work, costs).Idle();
}

}  // namespace dflop
