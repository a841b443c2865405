// Why devices wait: the same plan replayed with one cause removed after the other (definitions in
// sim/measure/metrics.hpp).
//
// Where replicas do not meet before the step's end and no message blocks, all replays are of one graph:
// what is left out is silent. Otherwise messages hold devices up by their mere order, and the graph is built without
// them.
#include <algorithm>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/replay.hpp"
#include "sim/measure/counted_sum.hpp"
#include "sim/measure/lone_replicas.hpp"
#include "sim/measure/metrics.hpp"

namespace dflop {
namespace {

/// Mean of a kind of operation over cells of unequal width: GPU-seconds over GPUs.
class WeightedMean {
 public:
  void Add(double sum, double weight, int count) {
    sum_.Add(sum, count);
    weight_ += weight * count;
  }
  Seconds mean() { return Seconds(weight_ > 0 ? sum_.Total() / weight_ : 0); }

 private:
  CountedSum sum_;
  double weight_ = 0;
};

/// Every operation of a kind costs what it costs on average over microbatches and stages, and the step as many
/// GPU-seconds as before: eight replicas on one GPU weigh as much as one on eight.
StepCosts Averaged(const StepCosts& costs, const Layout& layout, const OperationGraph& graph) {
  WeightedMean forward, backward, weight, optimizer;
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    const int gpus = layout.groups[Index(layout.stages[s].group)].size;
    const int count = graph.CopiesOf(layout.stages[s].group);
    if (count == 0) continue;
    optimizer.Add(costs.optimizer[s].value() * gpus, gpus, count);
    const auto add = [&](WeightedMean& mean, OperationCost PartCost::*operation) {
      double sum = 0;
      for (const PartCost& cost : costs.stages[s]) sum += (cost.*operation).time.value() * gpus;
      mean.Add(sum, gpus * static_cast<double>(costs.stages[s].size()), count);
    };
    add(forward, &PartCost::forward);
    if (!costs.needs_backward[s]) continue;
    add(backward, &PartCost::backward);
    add(weight, &PartCost::weight_gradient);
  }
  StepCosts mean = costs;
  const Seconds means[] = {forward.mean(), backward.mean(), weight.mean(), optimizer.mean()};
  for (std::size_t s = 0; s < mean.stages.size(); ++s) {
    mean.optimizer[s] = means[3];
    for (PartCost& cost : mean.stages[s]) {
      cost.forward.time = means[0];
      cost.backward.time = means[1];
      cost.weight_gradient.time = means[2];
    }
  }
  return mean;
}

/// Idle GPU-seconds of a step in which operations last `durations`.
double IdleOfAll(const OperationGraph& graph, std::span<const Seconds> durations, Seconds makespan,
                 const Layout& layout) {
  CountedSum idle;
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    const int count = graph.CopiesOf(static_cast<int>(g));
    if (count == 0) continue;
    double busy = 0;
    for (const int i : graph.queues[g]) busy += durations[Index(i)].value();
    idle.Add((makespan.value() - busy) * layout.groups[g].size, count);
  }
  return idle.Total();
}

/// Homogeneous replicas, or rows of two directions, share nothing once they are uncoupled: each ends when its own
/// optimizer steps have, which wait for nobody. `ends`: of the coupled replicas without communication, whose
/// microbatches run at the same times.
double IdleOfIndependentReplicas(const Layout& layout, const OperationGraph& graph, const std::vector<Seconds>& ends) {
  const std::vector<int> replica_of = ReplicaOfGroups(layout);
  std::vector<double> last(Index(layout.rows()));
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    Seconds end{0};
    for (const int i : graph.queues[g]) {
      const bool steps = graph.operations[Index(i)].kind == OpKind::kOptimizerStep;
      end = steps ? end + graph.durations[Index(i)] : ends[Index(i)];
    }
    double& of_replica = last[Index(replica_of[g])];
    of_replica = std::max(of_replica, end.value());
  }
  CountedSum idle;
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    double busy = 0;
    for (const int i : graph.queues[g]) busy += graph.durations[Index(i)].value();
    idle.Add((last[Index(replica_of[g])] - busy) * layout.groups[g].size, graph.CopiesOf(static_cast<int>(g)));
  }
  return idle.Total();
}

SilentKinds SilentBut(const CommunicationKinds& kinds) {
  SilentKinds silent;
  if (!kinds.stages) silent.Add(OpKind::kTransfer);
  if (!kinds.gradients) silent.Add(OpKind::kGradientReduction);
  if (!kinds.parameters) silent.Add(OpKind::kParameterGather);
  return silent;
}

/// Idle GPU-seconds of the step under the conditions that the causes are told apart by.
class IdleReplays {
 public:
  IdleReplays(const Job& job, const Step& step, Engine& engine)
      : job_(job),
        step_(step),
        engine_(engine),
        rebuilds_(ReplicasMeet(job.layout, step.work) || job.cost.software().blocking_sends ||
                  MeetWithinStep(job.cost, job.layout)) {}

  double Everything() const { return Idle(step_.graph, step_.times.makespan); }

  double With(const CommunicationKinds& kinds) const {
    if (!rebuilds_) return Idle(step_.graph, engine_.Run(step_.graph, *step_.order, SilentBut(kinds)).makespan);
    const OperationGraph part = Rebuilt(kinds);
    return Idle(part, engine_.Run(part).makespan);
  }

  struct Silent {
    double coupled = 0;
    double uncoupled = 0;
    double averaged = 0;
  };
  /// Without communication, always by replay.
  Silent WithoutCommunication() const {
    if (!rebuilds_) return SilentIn(step_.graph, *step_.order);
    const OperationGraph graph = Rebuilt(kNoCommunication);
    return SilentIn(graph, SweepOrder(graph));
  }

 private:
  /// Of the replicas that the step ran: costs know no others.
  OperationGraph Rebuilt(const CommunicationKinds& kinds, bool couple_replicas = true) const {
    return BuildGraph(job_, step_.work, step_.costs(),
                      {.communication = kinds, .couple_replicas = couple_replicas, .classes = step_.classes});
  }

  double Idle(const OperationGraph& graph, Seconds makespan) const {
    return IdleOfAll(graph, graph.durations, makespan, job_.layout);
  }

  Silent SilentIn(const OperationGraph& graph, const SweepOrder& order) const {
    Silent idle;
    std::vector<Seconds> ends;
    const SilentKinds silent = SilentBut(kNoCommunication);
    idle.coupled = Idle(graph, ReplayEnds(graph, order, graph.durations, silent, ends));
    idle.uncoupled = Uncoupled(graph, ends);
    std::vector<Seconds> durations = graph.durations;
    ForEachDuration(graph, Averaged(step_.costs(), job_.layout, graph),
                    [&](std::size_t i, Seconds duration) { durations[i] = duration; });
    idle.averaged = IdleOfAll(graph, durations, ReplayEnds(graph, order, durations, silent, ends), job_.layout);
    return idle;
  }

  double Uncoupled(const OperationGraph& coupled, const std::vector<Seconds>& ends) const {
    if (job_.layout.joins()) return IdleOfLoneReplicas(job_, step_.work, step_.costs());
    if (!rebuilds_) return IdleOfIndependentReplicas(job_.layout, coupled, ends);
    const OperationGraph graph = Rebuilt(kNoCommunication, false);
    return IdleOfIndependentReplicas(job_.layout, graph, MakeReplayEngine()->Run(graph).end);
  }

  const Job& job_;
  const Step& step_;
  Engine& engine_;
  bool rebuilds_;
};

}  // namespace

Seconds BusyDeviceSeconds(const OperationGraph& graph, const OperationTimes& times, const Layout& layout) {
  return times.makespan * layout.gpus_used() - Seconds(IdleOfAll(graph, graph.durations, times.makespan, layout));
}

IdleByCause SplitIdle(const Job& job, const Step& step, Engine& engine) {
  const Layout& layout = job.layout;
  const double whole = step.times.makespan.value() * layout.gpus_used();
  if (whole <= 0) return {};
  const IdleReplays replays(job, step, engine);
  const IdleReplays::Silent silent = replays.WithoutCommunication();

  // A kind that the step does not have adds nothing; what the last one adds is what is left of the whole.
  const bool joins = ReplicasMeet(layout, step.work);
  const bool gathers = job.cost.software().shards();
  CommunicationKinds kinds = kNoCommunication;
  kinds.encoder_llm = true;
  const double joined = joins ? replays.With(kinds) : silent.coupled;
  kinds.stages = true;
  const double staged = layout.depth > 1 ? replays.With(kinds) : joined;
  kinds.gradients = true;
  const double everything = replays.Everything();
  const double reduced = gathers ? replays.With(kinds) : everything;
  return IdleByCause{.bubble = silent.averaged,
                     .imbalance = silent.uncoupled - silent.averaged,
                     .data_parallel_wait = silent.coupled - silent.uncoupled,
                     .by_kind = {.encoder_llm = joined - silent.coupled,
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
