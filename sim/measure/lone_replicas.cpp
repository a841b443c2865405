// Each LLM replica is replayed with those encoder replicas alone that it can have to wait for. Times are sums and
// maxima, so an encoder replica of which every operation is at most as long as another one's never ends after that one:
// with tiles divided evenly the first replica bounds all, and a layout costs as many replays as the LLM has replicas,
// each of two pipelines. Replicas that run the same operations share one graph, in which each puts its own durations:
// a graph looks at all stages of the layout, of which a large one has as many as it has replicas.
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
    ListStages();
    double idle = 0;
    for (int r = 0; r < replicas; ++r) {
      // The first graph has all encoders.
      if (r < 2 || !TakesTheGraphOver(r)) BuildGraphOf(r);
      if (r == 0) LookAtEncoders(graph_);
      const Seconds makespan = MakeReplayEngine()->Run(graph_).makespan;
      double of_encoders = 0;
      for (std::size_t g = 0; g < busy_.size(); ++g) {
        if (replica_of_[g] == r) idle += IdleOf(makespan, BusyIn(graph_, QueueIn(g, r)), g);
        if (replica_of_[g] < 0) of_encoders += IdleOf(makespan, busy_[g], g);
      }
      idle += of_encoders / replicas;
    }
    return idle;
  }

 private:
  double IdleOf(Seconds makespan, Seconds busy, std::size_t group) const {
    return ((makespan - busy) * job_.layout.groups[group].size).value();
  }

  /// Every LLM replica's stages in the order of the layout, and the place of each among them.
  void ListStages() {
    stages_.resize(Index(job_.layout.llm_replicas()));
    place_.resize(job_.layout.stages.size(), -1);
    for (int s = 0; s < static_cast<int>(place_.size()); ++s) {
      const Stage& stage = job_.layout.stages[Index(s)];
      if (job_.layout.feeds(stage.parts.front().module)) continue;
      std::vector<int>& own = stages_[Index(stage.replica)];
      place_[Index(s)] = static_cast<int>(own.size());
      own.push_back(s);
    }
  }

  void BuildGraphOf(int replica) {
    graph_ = GraphOf(replica);
    graph_of_ = replica;
    const bool talks = std::any_of(graph_.operations.begin(), graph_.operations.end(),
                                   [](const Operation& one) { return one.communication >= 0 || one.unit >= 0; });
    plain_ =
        !talks && graph_.part_begin.empty() && costs_.parts.empty() && work_.encoded_in.empty() && work_.routes.empty();
  }

  /// Puts the durations of `replica` into the graph, where that is its own but for them.
  bool TakesTheGraphOver(int replica) {
    if (!plain_ || !RunsAlike(stages_[Index(graph_of_)], stages_[Index(replica)])) return false;
    for (std::size_t i = 0; i < graph_.operations.size(); ++i) {
      Operation one = graph_.operations[i];
      if (one.stage < 0 || place_[Index(one.stage)] < 0) continue;
      one.stage = stages_[Index(replica)][Index(place_[Index(one.stage)])];
      graph_.durations[i] = DurationOf(one, costs_);
    }
    return true;
  }

  bool RunsAlike(const std::vector<int>& one, const std::vector<int>& other) const {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(), [&](int a, int b) {
      const Stage& first = job_.layout.stages[Index(a)];
      const Stage& second = job_.layout.stages[Index(b)];
      return first.depth == second.depth && costs_.needs_backward[Index(a)] == costs_.needs_backward[Index(b)] &&
             job_.orders[Index(first.group)] == job_.orders[Index(second.group)];
    });
  }

  /// The queue of the graph in which a group of the replica stands.
  std::size_t QueueIn(std::size_t group, int replica) const {
    const std::vector<int>& own = stages_[Index(replica)];
    const auto at = std::find_if(own.begin(), own.end(),
                                 [&](int s) { return job_.layout.stages[Index(s)].group == static_cast<int>(group); });
    const int stage = stages_[Index(graph_of_)][Index(at - own.begin())];
    return Index(job_.layout.stages[Index(stage)].group);
  }

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
  std::vector<std::vector<int>> stages_;  ///< [LLM replica]
  std::vector<int> place_;                ///< [stage]: in its replica's; −1 of encoders
  OperationGraph graph_;
  int graph_of_ = 0;           ///< the replica that it was built for
  bool plain_ = false;         ///< nothing in it but durations hangs on the replica
  std::vector<bool> absent_;   ///< [stage]: of an encoder replica that another one bounds
  std::vector<Seconds> busy_;  ///< [device group], of the encoders
};

}  // namespace

std::vector<int> ReplicaOfGroups(const Layout& layout) {
  std::vector<int> replica(layout.groups.size(), -1);
  for (const Stage& stage : layout.stages) {
    if (!layout.feeds(stage.parts.front().module)) replica[Index(stage.group)] = layout.RowOf(stage.replica);
  }
  return replica;
}

double IdleOfLoneReplicas(const Job& job, const StepWork& work, const StepCosts& costs) {
  return LoneReplicas(job, work, costs).Idle();
}

}  // namespace dflop
