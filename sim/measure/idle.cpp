// Why devices wait: the same plan replayed with one cause removed after the other (definitions in
// sim/measure/metrics.hpp).
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/replay.hpp"
#include "sim/measure/metrics.hpp"

namespace dflop {
namespace {

/// Mean of a kind of operation over cells of unequal width: GPU-seconds over GPUs.
class WeightedMean {
 public:
  void Add(Seconds time, int gpus) {
    sum_ += time * gpus;
    weight_ += gpus;
  }
  Seconds mean() const { return weight_ > 0 ? sum_ / weight_ : Seconds(0); }

 private:
  Seconds sum_{0};
  double weight_ = 0;
};

/// Every operation of a kind costs what it costs on average over microbatches and stages, and the step as many
/// GPU-seconds as before: eight replicas on one GPU weigh as much as one on eight.
StepCosts Averaged(const StepCosts& costs, const Layout& layout) {
  WeightedMean forward, backward, weight, optimizer;
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    const int gpus = layout.groups[Index(layout.stages[s].group)].size;
    optimizer.Add(costs.optimizer[s], gpus);
    for (const PartCost& cost : costs.stages[s]) {
      forward.Add(cost.forward.time, gpus);
      if (!costs.needs_backward[s]) continue;
      backward.Add(cost.backward.time, gpus);
      weight.Add(cost.weight_gradient.time, gpus);
    }
  }
  StepCosts mean = costs;
  for (std::size_t s = 0; s < mean.stages.size(); ++s) {
    mean.optimizer[s] = optimizer.mean();
    for (PartCost& cost : mean.stages[s]) {
      cost.forward.time = forward.mean();
      cost.backward.time = backward.mean();
      cost.weight_gradient.time = weight.mean();
    }
  }
  return mean;
}

/// Idle GPU-seconds of the device groups that `counts` selects.
template <typename Selector>
double IdleOf(const OperationGraph& graph, const OperationTimes& times, const Layout& layout, Selector counts) {
  double idle = 0;
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    if (!counts(static_cast<int>(g))) continue;
    double busy = 0;
    for (const int i : graph.queues[g]) busy += graph.operations[static_cast<std::size_t>(i)].duration.value();
    idle += (times.makespan.value() - busy) * layout.groups[g].size;
  }
  return idle;
}

double IdleOfAll(const OperationGraph& graph, const OperationTimes& times, const Layout& layout) {
  return IdleOf(graph, times, layout, [](int) { return true; });
}

/// Which LLM replica a device group serves, −1 for the encoders of a separate layout.
std::vector<int> ReplicaOfGroups(const Layout& layout) {
  std::vector<int> replica(layout.groups.size(), -1);
  for (const Stage& stage : layout.stages) {
    const bool encoder = layout.feeds(stage.parts.front().module);
    if (!encoder) replica[static_cast<std::size_t>(stage.group)] = stage.replica;
  }
  return replica;
}

/// Every LLM replica by itself, as though the encoders served it alone; the encoders' own idle time is the mean over
/// that.
double IdleOfLoneReplicas(const Job& job, const StepWork& work, const StepCosts& costs, Engine& replay) {
  const Layout& layout = job.layout;
  const std::vector<int> replica_of = ReplicaOfGroups(layout);
  const int replicas = layout.llm_replicas();
  double idle = 0;
  for (int r = 0; r < replicas; ++r) {
    const OperationGraph graph =
        BuildGraph(job, work, costs, {.communication = kNoCommunication, .couple_replicas = false, .only_replica = r});
    const OperationTimes times = replay.Run(graph);
    idle += IdleOf(graph, times, layout, [&](int g) { return replica_of[static_cast<std::size_t>(g)] == r; });
    idle += IdleOf(graph, times, layout, [&](int g) { return replica_of[static_cast<std::size_t>(g)] < 0; }) / replicas;
  }
  return idle;
}

/// Homogeneous replicas share nothing once they are uncoupled: one graph holds them all, each with an end of its own.
double IdleOfIndependentReplicas(const std::vector<int>& replica_of, const Layout& layout, const OperationGraph& graph,
                                 const OperationTimes& times) {
  std::vector<double> ends(static_cast<std::size_t>(layout.llm_replicas()));
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    double& end = ends[static_cast<std::size_t>(replica_of[g])];
    for (const int i : graph.queues[g]) end = std::max(end, times.end[static_cast<std::size_t>(i)].value());
  }
  std::vector<double> idle(ends.size());
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    const auto replica = static_cast<std::size_t>(replica_of[g]);
    double busy = 0;
    for (const int i : graph.queues[g]) busy += graph.operations[static_cast<std::size_t>(i)].duration.value();
    idle[replica] += (ends[replica] - busy) * layout.groups[g].size;
  }
  return std::accumulate(idle.begin(), idle.end(), 0.0);
}

double UncoupledIdle(const Job& job, const StepWork& work, const StepCosts& costs, Engine& replay) {
  const Layout& layout = job.layout;
  if (layout.joins()) return IdleOfLoneReplicas(job, work, costs, replay);
  const OperationGraph graph =
      BuildGraph(job, work, costs, {.communication = kNoCommunication, .couple_replicas = false});
  return IdleOfIndependentReplicas(ReplicaOfGroups(layout), layout, graph, replay.Run(graph));
}

}  // namespace

Seconds BusyDeviceSeconds(const OperationGraph& graph, const OperationTimes& times, const Layout& layout) {
  return times.makespan * layout.gpus_used() - Seconds(IdleOfAll(graph, times, layout));
}

IdleByCause SplitIdle(const Job& job, const StepWork& work, const StepCosts& costs, const OperationGraph& graph,
                      const OperationTimes& times, Engine& engine) {
  DFLOP_CHECK(graph.copies.empty(), "the idle time of folded replicas is not told apart yet");
  const Layout& layout = job.layout;
  const double whole = times.makespan.value() * layout.gpus_used();
  if (whole <= 0) return {};
  const auto replay = MakeReplayEngine();
  const auto idle_with = [&](const CommunicationKinds& kinds) {
    const OperationGraph part = BuildGraph(job, work, costs, {.communication = kinds});
    return IdleOfAll(part, engine.Run(part), layout);
  };
  // Means have the graph of the costs that they are of.
  OperationGraph silent = BuildGraph(job, work, costs, {.communication = kNoCommunication});
  const Precedence precedence(silent);
  const double coupled = IdleOfAll(silent, Replay(silent, precedence), layout);
  ForEachDuration(silent, Averaged(costs, layout),
                  [&](std::size_t i, Seconds duration) { silent.operations[i].duration = duration; });
  const double bubble = IdleOfAll(silent, Replay(silent, precedence), layout);
  const double uncoupled = UncoupledIdle(job, work, costs, *replay);

  // A kind that the step does not have adds nothing; what the last one adds is what is left of the whole.
  const bool joins = ReplicasMeet(layout, work);
  const bool gathers = job.cost.software().distributed_optimizer;
  CommunicationKinds kinds = kNoCommunication;
  kinds.encoder_llm = true;
  const double joined = joins ? idle_with(kinds) : coupled;
  kinds.stages = true;
  const double staged = layout.depth > 1 ? idle_with(kinds) : joined;
  kinds.gradients = true;
  const double everything = IdleOfAll(graph, times, layout);
  const double reduced = gathers ? idle_with(kinds) : everything;
  return IdleByCause{.bubble = bubble,
                     .imbalance = uncoupled - bubble,
                     .data_parallel_wait = coupled - uncoupled,
                     .by_kind = {.encoder_llm = joined - coupled,
                                 .stage = staged - joined,
                                 .gradients = reduced - staged,
                                 .parameters = everything - reduced}}
      .Scaled(1 / whole);
}

IdleByCause IdleByCause::Scaled(double factor) const {
  return {.bubble = bubble * factor,
          .imbalance = imbalance * factor,
          .data_parallel_wait = data_parallel_wait * factor,
          .by_kind = {.encoder_llm = by_kind.encoder_llm * factor,
                      .stage = by_kind.stage * factor,
                      .gradients = by_kind.gradients * factor,
                      .parameters = by_kind.parameters * factor}};
}

IdleByCause& IdleByCause::operator+=(const IdleByCause& more) {
  bubble += more.bubble;
  imbalance += more.imbalance;
  data_parallel_wait += more.data_parallel_wait;
  by_kind.encoder_llm += more.by_kind.encoder_llm;
  by_kind.stage += more.by_kind.stage;
  by_kind.gradients += more.by_kind.gradients;
  by_kind.parameters += more.by_kind.parameters;
  return *this;
}

}  // namespace dflop
