// Events of several ranks become one operation by name: it starts when its last part does and ends with the last.
#include "real_runner/execute/measured_step.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "base/index.hpp"
#include "real_runner/program/plan_graph.hpp"

namespace dflop {
namespace {

/// Operations by kind, stage, to stage and microbatch, and which of two that share these: whether a hub scatters, which
/// goes by the stages of its gathering, or how many buckets of the same reduction come after it.
using OperationName = std::tuple<OpKind, int, int, int, int>;

/// An operation's parts on several ranks as one: it starts when the last part does, and ends with the last.
struct Measured {
  double start = 0;
  double end = 0;
  bool travels = false;
};
using MeasuredOperations = std::map<OperationName, Measured>;

OperationName NameOf(const LedgerEvent& event) {
  const bool scatters = event.backward && event.stage == event.to_stage;
  return {event.kind, event.stage, event.to_stage, event.microbatch, scatters ? 1 : event.buckets_after};
}

MeasuredOperations Gather(Ledger& ledger, double time_scale) {
  MeasuredOperations operations;
  for (int rank = 0; rank < ledger.ranks(); ++rank) {
    const double start_s = ledger.page(rank).start_s();
    for (const LedgerEvent& event : ledger.page(rank).events()) {
      Measured& operation = operations[NameOf(event)];
      operation.start = std::max(operation.start, (event.start_s - start_s) / time_scale);
      operation.end = std::max(operation.end, (event.end_s - start_s) / time_scale);
      operation.travels |= event.travels;
    }
  }
  return operations;
}

/// The graph's operations by the same names.
std::vector<OperationName> NamesOf(const OperationGraph& graph) {
  std::vector<OperationName> names;
  std::map<OperationName, int> seen;
  std::map<OperationName, std::vector<std::size_t>> reductions;
  for (const Operation& operation : graph.operations) {
    OperationName name{operation.kind, operation.stage, operation.to_stage, operation.microbatch, 0};
    if (operation.kind == OpKind::kTransfer && operation.stage == operation.to_stage) {
      std::get<4>(name) = seen[name]++ > 0 ? 1 : 0;
    }
    if (operation.kind == OpKind::kGradientReduction) {
      std::vector<std::size_t>& buckets = reductions[name];
      for (const std::size_t before : buckets) ++std::get<4>(names[before]);
      buckets.push_back(names.size());
    }
    names.push_back(name);
  }
  return names;
}

/// Measured times in place of predicted ones; what was not measured is a mere meeting of dependencies.
Seconds Replay(OperationGraph graph, const std::vector<OperationName>& names, const MeasuredOperations& measured) {
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const auto found = measured.find(names[i]);
    const bool took_time = found != measured.end() && (found->second.travels || graph.operations[i].queue >= 0);
    graph.durations[i] = Seconds(took_time ? found->second.end - found->second.start : 0);
  }
  return MakeReplayEngine()->Run(graph).makespan;
}

Timeline TimelineOf(const MeasuredOperations& measured, const Layout& layout) {
  Timeline timeline;
  for (const auto& [name, operation] : measured) {
    const auto& [kind, stage, to_stage, microbatch, scatters] = name;
    if (!operation.travels) continue;
    const bool computes = IsComputation(kind) || kind == OpKind::kOptimizerStep;
    timeline.events.push_back({kind, stage, to_stage, microbatch, computes ? layout.stages[Index(stage)].group : -1,
                               Seconds(operation.start), Seconds(operation.end)});
    timeline.makespan = std::max(timeline.makespan, Seconds(operation.end));
  }
  std::stable_sort(timeline.events.begin(), timeline.events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) { return a.start < b.start; });
  return timeline;
}

}  // namespace

double MeasuredStep::lost_share() const {
  double most = 0;
  for (const RankSeconds& rank : ranks) {
    if (rank.whole > 0) most = std::max(most, rank.lost / rank.whole);
  }
  return most;
}

double MeasuredStep::executor_share() const {
  double most = 0;
  for (const RankSeconds& rank : ranks) {
    if (rank.whole > 0) most = std::max(most, rank.executor() / rank.whole);
  }
  return most;
}

MeasuredStep ReadLedger(Ledger& ledger, const Plan& plan, std::size_t step, double time_scale, bool complete) {
  MeasuredStep measured;
  const MeasuredOperations operations = Gather(ledger, time_scale);
  measured.timeline = TimelineOf(operations, plan.layout);
  for (int rank = 0; rank < ledger.ranks(); ++rank) measured.ranks.push_back(ledger.page(rank).seconds());
  if (complete) {
    const OperationGraph graph = GraphOf(plan, step);
    measured.replayed = Replay(graph, NamesOf(graph), operations);
  }
  return measured;
}

Timeline PredictedTimeline(const Plan& plan, std::size_t step) {
  const OperationGraph graph = GraphOf(plan, step);
  return MakeTimeline(graph, MakeReplayEngine()->Run(graph));
}

}  // namespace dflop
