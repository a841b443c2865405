// Which operations belong to a place is found once, in the order in which ColumnPricer gives their durations.
#include "sim/step/step_replay.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "sim/build/graph_builder.hpp"

namespace dflop {
namespace {

OperationGraph GraphOf(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                       const std::vector<SampleShape>& batch, const Buckets& buckets, const AdjustCosts& adjust) {
  const StepWork work = DivideWork({buckets}, layout, cost, batch);
  StepCosts costs = PriceStep(cost, layout, work);
  if (adjust) adjust(layout, buckets, costs);
  return BuildGraph({cost, layout, orders}, work, costs);
}

}  // namespace

StepReplay::StepReplay(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                       const std::vector<SampleShape>& batch, const Buckets& buckets, const AdjustCosts& adjust)
    : layout_(layout),
      pricer_(cost, layout, orders, batch, adjust),
      graph_(GraphOf(cost, layout, orders, batch, buckets, adjust)),
      path_(graph_) {
  SortOperations();
  if (ColumnsInHalves(orders)) {
    for (const std::vector<int>& operations : operations_) pieces_.push_back(PiecesOf(operations));
  }
  MakeColumns(buckets);
}

void StepReplay::SortOperations() {
  const int replicas = layout_.joins() ? 1 : layout_.llm_replicas();
  operations_.resize(Index(replicas * layout_.microbatches));
  for (std::size_t i = 0; i < graph_.operations.size(); ++i) {
    const Operation& operation = graph_.operations[i];
    if (operation.microbatch >= 0) {
      const int k = layout_.MicrobatchOf(operation.microbatch);
      const int place = PlaceOf(layout_.stages[Index(operation.stage)].replica, k);
      operations_[Index(place)].push_back(static_cast<int>(i));
    }
  }
  for (std::vector<int>& column : operations_) SortColumn(graph_, layout_.splits, column);
}

/// A column has its forwards first, by stage, then all halves for the input, all for the weights, and the rest.
std::vector<StepReplay::Pieces> StepReplay::PiecesOf(const std::vector<int>& operations) const {
  std::vector<Pieces> pieces(operations.size());
  std::vector<std::size_t> inputs, weights;  // places of those that give either gradient
  int forwards = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const OpKind kind = graph_.operations[Index(operations[i])].kind;
    if (kind == OpKind::kForward) pieces[i].one = forwards++;
    if (IsComputation(kind) && GivesInputGradient(kind)) inputs.push_back(i);
    if (IsComputation(kind) && GivesWeightGradient(kind)) weights.push_back(i);
  }
  DFLOP_CHECK(inputs.size() == weights.size(), "a backward has two halves");
  const auto by_stage = [&](std::size_t a, std::size_t b) {
    return graph_.operations[Index(operations[a])].stage < graph_.operations[Index(operations[b])].stage;
  };
  std::stable_sort(inputs.begin(), inputs.end(), by_stage);
  std::stable_sort(weights.begin(), weights.end(), by_stage);
  int next = forwards;
  for (const std::size_t i : inputs) pieces[i].one = next++;
  for (const std::size_t i : weights) {
    const bool whole = graph_.operations[Index(operations[i])].kind == OpKind::kBackward;
    (whole ? pieces[i].other : pieces[i].one) = next++;
  }
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (!IsComputation(graph_.operations[Index(operations[i])].kind)) pieces[i].one = next++;
  }
  return pieces;
}

void StepReplay::MakeColumns(const Buckets& buckets) {
  std::vector<Column> columns(operations_.size());
  for (int r = 0; r < layout_.llm_replicas(); ++r) {
    for (int k = 0; k < layout_.microbatches; ++k) {
      columns[Index(PlaceOf(r, k))].buckets.push_back(buckets[Index(r)][Index(k)]);
    }
  }
  for (std::size_t place = 0; place < columns.size(); ++place) {
    for (const int i : operations_[place]) columns[place].durations.push_back(graph_.durations[Index(i)]);
    if (!pieces_.empty()) {
      columns[place].durations = pricer_.Price(ReplicaOf(static_cast<int>(place)), columns[place].buckets);
    }
    columns_.push_back(std::make_shared<Column>(std::move(columns[place])));
  }
}

Buckets StepReplay::buckets() const {
  Buckets buckets(Index(layout_.llm_replicas()));
  for (int place = 0; place < places(); ++place) {
    const ColumnBuckets& column = At(place)->buckets;
    for (std::size_t i = 0; i < column.size(); ++i) buckets[Index(ReplicaOf(place)) + i].push_back(column[i]);
  }
  return buckets;
}

std::shared_ptr<const Column> StepReplay::Price(int replica, ColumnBuckets buckets) const {
  std::vector<Seconds> durations = pricer_.Price(replica, buckets);
  return std::make_shared<Column>(Column{std::move(buckets), std::move(durations)});
}

Seconds StepReplay::Apply(const std::vector<Change>& changes) {
  undo_.clear();
  for (const Change& change : changes) {
    undo_.push_back({change.place, std::exchange(columns_[Index(change.place)], change.column)});
    SetDurations(change.place);
  }
  return path_.Sweep();
}

void StepReplay::Undo() {
  // Backwards, so that a place that was changed twice gets its first column again.
  for (auto change = undo_.rbegin(); change != undo_.rend(); ++change) {
    columns_[Index(change->place)] = std::move(change->column);
  }
  undo_.clear();
  path_.Undo();
}

void StepReplay::SetDurations(int place) {
  const std::vector<Seconds>& durations = At(place)->durations;
  const std::vector<int>& operations = operations_[Index(place)];
  if (!pieces_.empty()) return SetInHalves(durations, operations, pieces_[Index(place)]);
  DFLOP_CHECK(durations.size() == operations.size(), "a column fits every place of its replica");
  for (std::size_t i = 0; i < operations.size(); ++i) path_.Set(operations[i], durations[i]);
}

void StepReplay::SetInHalves(const std::vector<Seconds>& durations, const std::vector<int>& operations,
                             const std::vector<Pieces>& pieces) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    Seconds alone = durations[Index(pieces[i].one)];
    if (pieces[i].other >= 0) alone += durations[Index(pieces[i].other)];
    path_.Set(operations[i], alone * graph_.TimeShareOf(Index(operations[i])));
  }
}

std::vector<StepReplay::Passed> StepReplay::CriticalPath() const {
  std::vector<Passed> path;
  for (const int i : path_.CriticalPath()) path.push_back({graph_.operations[Index(i)], path_.DurationOf(i)});
  return path;
}

}  // namespace dflop
