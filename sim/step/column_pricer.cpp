// Builds the graph of a layout cut down to one microbatch, and of a homogeneous one to one replica.
#include "sim/step/column_pricer.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"

namespace dflop {
namespace {

constexpr int kAllReplicas = -1;

/// The part of a device's order that runs one microbatch, alone.
/// `place`: of the device's chunks among those that are kept, −1: it is not.
DeviceOrder OnlyFirstMicrobatch(const DeviceOrder& order, const std::vector<int>& place, int splits, bool in_halves) {
  DeviceOrder first;
  for (const ScheduledOp& op : order) {
    const int chunk = place[Index(op.chunk)];
    if (op.microbatch >= splits || chunk < 0) continue;
    const bool divided = in_halves && op.kind == OpKind::kBackward;
    first.push_back({divided ? OpKind::kBackwardInput : op.kind, op.microbatch, chunk});
    if (divided) first.push_back({OpKind::kBackwardWeight, op.microbatch, chunk});
  }
  return first;
}

/// [group][chunk]: its place among the chunks of `only_replica`.
std::vector<std::vector<int>> PlacesOfChunks(const Layout& layout, int only_replica) {
  std::vector<std::vector<int>> places(layout.groups.size());
  std::vector<int> kept(layout.groups.size());
  for (const Stage& stage : layout.stages) {
    const bool keeps = only_replica == kAllReplicas || stage.replica == only_replica;
    places[Index(stage.group)].push_back(keeps ? kept[Index(stage.group)]++ : -1);
  }
  return places;
}

}  // namespace

bool ColumnsInHalves(const std::vector<DeviceOrder>& orders) {
  std::set<const ScheduledOp*> known;  // devices share their orders
  for (const DeviceOrder& order : orders) {
    if (!known.insert(order.data()).second) continue;
    std::map<int, bool> is_whole;  // by chunk
    for (const ScheduledOp& op : order) {
      if (op.pair > 0) return true;
      if (!GivesInputGradient(op.kind)) continue;
      const bool whole = op.kind == OpKind::kBackward;
      if (is_whole.try_emplace(op.chunk, whole).first->second != whole) return true;
    }
  }
  return false;
}

// Operations of the same kind between the same stages (an encoder's hub gathers forward and scatters backward) keep
// their order.
void SortColumn(const OperationGraph& graph, int splits, std::vector<int>& operations) {
  const auto key = [&](int id) {
    const Operation& operation = graph.operations[Index(id)];
    return std::tuple(operation.kind, operation.stage, operation.to_stage, operation.microbatch % splits);
  };
  std::stable_sort(operations.begin(), operations.end(), [&](int a, int b) { return key(a) < key(b); });
}

ColumnPricer::ColumnPricer(const CostModel& cost, const Layout& layout, const std::vector<DeviceOrder>& orders,
                           const std::vector<SampleShape>& batch, AdjustCosts adjust)
    : cost_(cost), batch_(batch), adjust_(std::move(adjust)) {
  if (layout.joins()) {
    excerpts_.push_back(MakeExcerpt(layout, orders, kAllReplicas));
    return;
  }
  for (int r = 0; r < layout.llm_replicas(); ++r) excerpts_.push_back(MakeExcerpt(layout, orders, r));
}

ColumnPricer::Excerpt ColumnPricer::MakeExcerpt(const Layout& layout, const std::vector<DeviceOrder>& orders,
                                                int only_replica) {
  const bool in_halves = ColumnsInHalves(orders);
  const std::vector<std::vector<int>> places = PlacesOfChunks(layout, only_replica);
  Excerpt excerpt{layout, {}};
  excerpt.layout.microbatches = 1;
  excerpt.layout.stages.clear();
  excerpt.layout.groups.clear();
  if (only_replica != kAllReplicas) excerpt.layout.directions = 1;
  std::map<int, int> group_of;
  for (Stage stage : layout.stages) {
    if (only_replica != kAllReplicas && stage.replica != only_replica) continue;
    const auto [group, is_new] = group_of.try_emplace(stage.group, static_cast<int>(excerpt.layout.groups.size()));
    if (is_new) {
      excerpt.layout.groups.push_back(layout.groups[Index(stage.group)]);
      const std::vector<int>& place = places[Index(stage.group)];
      excerpt.orders.push_back(OnlyFirstMicrobatch(orders[Index(stage.group)], place, layout.splits, in_halves));
    }
    stage.group = group->second;
    if (only_replica != kAllReplicas) stage.replica = 0;
    excerpt.layout.stages.push_back(std::move(stage));
  }
  return excerpt;
}

OperationGraph ColumnPricer::Graph(const Excerpt& excerpt, const ColumnBuckets& buckets) const {
  BatchPlan plan;
  for (const std::vector<int>& bucket : buckets) plan.buckets.push_back({bucket});
  const StepWork work = DivideWork(plan, excerpt.layout, cost_, batch_);
  StepCosts costs = PriceStep(cost_, excerpt.layout, work);
  if (adjust_) adjust_(excerpt.layout, plan.buckets, costs);
  GraphOptions options;
  options.couple_replicas = false;
  return BuildGraph({cost_, excerpt.layout, excerpt.orders}, work, costs, options);
}

std::vector<Seconds> ColumnPricer::Price(int replica, const ColumnBuckets& buckets) const {
  const Excerpt& excerpt = excerpts_[Index(replica)];
  const OperationGraph graph = Graph(excerpt, buckets);
  std::vector<int> column;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    if (graph.operations[i].microbatch >= 0) column.push_back(static_cast<int>(i));
  }
  SortColumn(graph, excerpt.layout.splits, column);
  std::vector<Seconds> durations;
  durations.reserve(column.size());
  for (const int i : column) durations.push_back(graph.durations[Index(i)]);
  return durations;
}

}  // namespace dflop
