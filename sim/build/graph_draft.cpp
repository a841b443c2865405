// Operations are numbered as they are added; dependencies become compressed rows at the end.
#include "sim/build/graph_draft.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "sim/build/collectives.hpp"

namespace dflop {
namespace {

/// Pairs (operation, entry) as compressed rows, which keep their order; returns where each row begins.
template <typename Entry>
std::vector<std::int64_t> FillRows(std::size_t rows, const std::vector<std::pair<std::int32_t, Entry>>& pairs,
                                   std::vector<Entry>& entries) {
  std::vector<std::int64_t> begin(rows + 1);
  for (const auto& [row, entry] : pairs) ++begin[Index(row) + 1];
  for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  entries.resize(pairs.size());
  std::vector<std::int64_t> next(begin.begin(), begin.end() - 1);
  for (const auto& [row, entry] : pairs) entries[Index(next[Index(row)]++)] = entry;
  return begin;
}

}  // namespace

GraphDraft::GraphDraft(const Job& job, const StepWork& step_work, const StepCosts& step_costs,
                       const GraphOptions& graph_options)
    : cost(job.cost),
      layout(job.layout),
      work(step_work),
      costs(step_costs),
      options(graph_options),
      reduced(job.layout.stages.size(), kNone),
      orders_(job.orders),
      stages_of_group_(job.layout.groups.size()),
      chunks_of_group_(job.layout.groups.size()),
      held_by_(job.layout.groups.size()) {
  graph.groups = static_cast<int>(layout.groups.size());
  graph.queues.resize(layout.groups.size());
  if (!options.classes.empty()) CountCopies();
  std::size_t cells = 0;
  for (int s = 0; s < StageCount(); ++s) {
    chunks_of_group_[Index(StageAt(s).group)].push_back(s);
    if (Included(s)) cells += Index(layout.units());
    if (Included(s)) stages_of_group_[Index(StageAt(s).group)].push_back(s);
  }
  Reserve(cells);
}

/// A cell runs forward and backward and sends both ways; its backward waits for its forward, a message for its sender
/// and its receiver for the message.
void GraphDraft::Reserve(std::size_t cells) {
  graph.operations.reserve(4 * cells);
  graph.durations.reserve(4 * cells);
  graph.communications.Reserve(2 * cells);
  edges_.reserve(5 * cells);
}

void GraphDraft::CountCopies() {
  DFLOP_CHECK(!ReplicasMeet(layout, work) && options.only_replica == kNone,
              "replicas that send each other messages of their own are not folded");
  DFLOP_CHECK(RunAlike(options.classes, layout, orders_), "replicas of one class run in the same order");
  copies_ = CopiesByReplica(options.classes, layout);
  graph.copies.resize(layout.groups.size());
  for (const Stage& stage : layout.stages) graph.copies[Index(stage.group)] = copies_[Index(stage.replica)];
}

int GraphDraft::Add(const Operation& operation, Seconds duration) {
  const int id = static_cast<int>(graph.operations.size());
  if (operation.queue != kNone) graph.queues[Index(operation.queue)].push_back(id);
  graph.operations.push_back(operation);
  graph.durations.push_back(duration);
  return id;
}

int GraphDraft::AddCommunication(Operation operation, const Communication& communication) {
  if (communication.flows.empty()) return Add(operation, Seconds(0));
  operation.communication = graph.communications.Add(communication);
  return Add(operation, UncontendedTime(cost.cluster(), communication));
}

int GraphDraft::AddAgain(int id) {
  Operation operation = graph.operations[Index(id)];
  if (operation.communication >= 0) operation.communication = graph.communications.Repeat(operation.communication);
  return Add(operation, graph.durations[Index(id)]);
}

int GraphDraft::AddMessage(Operation operation, const StageWay& way, Way flows, Bytes bytes) {
  operation.communication = graph.communications.Add(flows, way.PerFlow(bytes).value(), way.Latency(bytes));
  return Add(operation, way.Time(bytes));
}

void GraphDraft::TakeShare(int operation, double share) {
  if (share == 1) return;
  graph.time_shares.resize(Index(operation) + 1, 1.0);
  graph.time_shares[Index(operation)] = share;
  graph.durations[Index(operation)] = graph.durations[Index(operation)] * share;
}

void GraphDraft::RunInParts(int operation, const std::vector<CostPart>& parts) {
  Seconds duration{0};
  graph.part_begin.resize(Index(operation) + 1, static_cast<std::int32_t>(graph.parts.size()));
  for (const CostPart& part : parts) {
    OperationPart& added = graph.parts.emplace_back(OperationPart{part.computation});
    Seconds communicating{0};
    if (!part.communication.flows.empty()) {
      communicating = UncontendedTime(cost.cluster(), part.communication);
      added.communication = graph.communications.Add(part.communication);
    }
    duration += std::max(part.computation, communicating);
  }
  graph.durations[Index(operation)] = duration;
}

OperationGraph GraphDraft::Finish() {
  const std::size_t count = graph.operations.size();
  if (!graph.part_begin.empty()) graph.part_begin.resize(count + 1, static_cast<std::int32_t>(graph.parts.size()));
  if (!graph.time_shares.empty()) graph.time_shares.resize(count, 1.0);
  graph.dependency_begin = FillRows(count, edges_, graph.dependencies);
  if (!lags_.empty()) graph.lag_begin = FillRows(count, lags_, graph.lags);
  return std::move(graph);
}

}  // namespace dflop
