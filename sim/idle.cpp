// Why devices wait: the same plan replayed with one cause removed after the other (definitions in sim/metrics.hpp).
#include <algorithm>
#include <numeric>
#include <utility>

#include "sim/metrics.hpp"

namespace dflop {
namespace {

/// Every operation of a kind costs what it costs on average over microbatches and stages.
StepCosts Averaged(const StepCosts& costs) {
  StepCosts mean = costs;
  Seconds forward{0};
  Seconds backward{0};
  Seconds weight{0};
  Seconds optimizer{0};
  double cells = 0;
  double backward_cells = 0;
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    optimizer += costs.optimizer[s];
    for (const PartCost& cost : costs.stages[s]) {
      forward += cost.forward.time;
      backward += cost.backward.time;
      weight += cost.weight_gradient.time;
      cells += 1;
      backward_cells += costs.needs_backward[s] ? 1 : 0;
    }
  }
  for (std::size_t s = 0; s < mean.stages.size(); ++s) {
    mean.optimizer[s] = optimizer / static_cast<double>(mean.stages.size());
    for (PartCost& cost : mean.stages[s]) {
      cost.forward.time = forward / cells;
      cost.backward.time = backward_cells > 0 ? backward / backward_cells : Seconds(0);
      cost.weight_gradient.time = backward_cells > 0 ? weight / backward_cells : Seconds(0);
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
std::vector<int> ReplicaOfGroups(const CostModel& cost, const Layout& layout) {
  std::vector<int> replica(layout.groups.size(), -1);
  for (const Stage& stage : layout.stages) {
    const bool encoder = layout.separate_encoders && !cost.model().is_llm(stage.parts.front().module);
    if (!encoder) replica[static_cast<std::size_t>(stage.group)] = stage.replica;
  }
  return replica;
}

/// Every LLM replica by itself, as though the encoders served it alone; the encoders' own idle time is the mean over
/// that.
double IdleOfLoneReplicas(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                          const StepWork& work, const StepCosts& costs, Engine& replay) {
  const std::vector<int> replica_of = ReplicaOfGroups(cost, layout);
  const int replicas = layout.llm_replicas();
  double idle = 0;
  for (int r = 0; r < replicas; ++r) {
    const OperationGraph graph = BuildGraph(cost, layout, orders, work, costs,
                                            {.communication = false, .couple_replicas = false, .only_replica = r});
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

double UncoupledIdle(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                     const StepWork& work, const StepCosts& costs, Engine& replay) {
  if (layout.separate_encoders) return IdleOfLoneReplicas(cost, layout, orders, work, costs, replay);
  const OperationGraph graph =
      BuildGraph(cost, layout, orders, work, costs, {.communication = false, .couple_replicas = false});
  return IdleOfIndependentReplicas(ReplicaOfGroups(cost, layout), layout, graph, replay.Run(graph));
}

}  // namespace

Seconds BusyDeviceSeconds(const OperationGraph& graph, const OperationTimes& times, const Layout& layout) {
  return times.makespan * layout.gpus_used() - Seconds(IdleOfAll(graph, times, layout));
}

IdleByCause SplitIdle(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                      const StepWork& work, const StepCosts& costs, const OperationGraph& graph,
                      const OperationTimes& times) {
  const auto replay = MakeReplayEngine();
  const OperationGraph even = BuildGraph(cost, layout, orders, work, Averaged(costs), {.communication = false});
  const OperationGraph silent = BuildGraph(cost, layout, orders, work, costs, {.communication = false});
  const double bubble = IdleOfAll(even, replay->Run(even), layout);
  const double uncoupled = UncoupledIdle(cost, layout, orders, work, costs, *replay);
  const double coupled = IdleOfAll(silent, replay->Run(silent), layout);
  const double everything = IdleOfAll(graph, times, layout);
  const double whole = times.makespan.value() * layout.gpus_used();
  if (whole <= 0) return {};
  return {.bubble = bubble / whole,
          .imbalance = (uncoupled - bubble) / whole,
          .data_parallel_wait = (coupled - uncoupled) / whole,
          .communication = (everything - coupled) / whole};
}

}  // namespace dflop
