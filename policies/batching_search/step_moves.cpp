// Draws depend on the random stream alone; a change that would break a cap comes out empty.
#include "policies/batching_search/step_moves.hpp"

#include <algorithm>
#include <utility>

#include "base/index.hpp"

namespace dflop {
namespace {

int DrawBelow(RandomStream& random, std::size_t bound) { return static_cast<int>(random.Below(bound)); }

double Load(const BucketCap& cap, const std::vector<int>& bucket) {
  double load = 0;
  for (const int i : bucket) load += cap.amounts[Index(i)];
  return load;
}

/// Microbatches pass several devices; on a single one their order changes nothing.
bool IsPipeline(const Layout& layout) { return static_cast<int>(layout.groups.size()) > layout.rows(); }

}  // namespace

StepMoves::StepMoves(const BatchProblem& problem, const StepReplay& replay)
    : problem_(problem), replay_(replay), order_matters_(IsPipeline(problem.context->layout)) {
  for (const BucketCap& cap : problem.caps) {
    double limit = cap.limit;
    for (const auto& replica : replay.buckets()) {
      for (const auto& bucket : replica) limit = std::max(limit, Load(cap, bucket));
    }
    limits_.push_back(limit);
  }
  Refresh();
}

void StepMoves::Refresh() {
  path_ = replay_.CriticalPath();
  std::erase_if(path_, [](const Operation& operation) { return operation.microbatch < 0; });
}

StepChanges StepMoves::Draw(RandomStream& random) const {
  const Critical critical = DrawCritical(random);
  const bool reorders = order_matters_ && problem_.microbatches > 1 && random.Below(2) == 0;
  return reorders ? DrawOrder(critical, random) : DrawContents(critical, random);
}

StepMoves::Critical StepMoves::DrawCritical(RandomStream& random) const {
  const Layout& layout = problem_.context->layout;
  const Operation& operation = path_[random.Below(path_.size())];
  const Stage& stage = layout.stages[Index(operation.stage)];
  const int module = stage.parts.front().module;
  const bool runs_union = layout.feeds(module);
  const int replica = runs_union ? DrawBelow(random, Index(problem_.replicas)) : stage.replica;
  return {{replay_.PlaceOf(replica, layout.MicrobatchOf(operation.microbatch)), layout.joins() ? Index(replica) : 0},
          module};
}

StepMoves::Spot StepMoves::DrawSpot(RandomStream& random) const {
  const int place = DrawBelow(random, Index(replay_.places()));
  return {place, random.Below(replay_.At(place)->buckets.size())};
}

StepChanges StepMoves::DrawOrder(const Critical& critical, RandomStream& random) const {
  const int replica = replay_.ReplicaOf(critical.spot.place);
  const int from = critical.spot.place;
  const int to = replay_.PlaceOf(replica, DrawBelow(random, Index(problem_.microbatches)));
  if (from == to) return {};
  if (random.Below(2) == 0) return Rotate(from, to);
  return ExchangeColumns(from, to);
}

StepChanges StepMoves::ExchangeColumns(int a, int b) const { return {{a, replay_.At(b)}, {b, replay_.At(a)}}; }

StepChanges StepMoves::Rotate(int from, int to) const {
  StepChanges changes{{to, replay_.At(from)}};
  const int step = from < to ? 1 : -1;
  for (int place = from; place != to; place += step) changes.push_back({place, replay_.At(place + step)});
  return changes;
}

StepChanges StepMoves::DrawContents(const Critical& critical, RandomStream& random) const {
  const Spot& a = critical.spot;
  const Spot b = DrawSpot(random);
  if (a.place == b.place && a.row == b.row) return {};
  switch (random.Below(4)) {
    case 0:
      return ExchangeBuckets(a, b);
    case 1:
      return MoveSample(a, b, random);
    default:
      return ExchangeSamples(critical, b, random);
  }
}

StepChanges StepMoves::ExchangeBuckets(const Spot& a, const Spot& b) const {
  const bool whole_columns = replay_.At(a.place)->buckets.size() == 1;
  if (whole_columns && replay_.ReplicaOf(a.place) == replay_.ReplicaOf(b.place))
    return ExchangeColumns(a.place, b.place);
  return Refill(a, At(b), b, At(a));
}

StepChanges StepMoves::MoveSample(const Spot& from, const Spot& to, RandomStream& random) const {
  std::vector<int> left = At(from);
  std::vector<int> grown = At(to);
  if (left.size() == 1) return {};
  const auto moved = left.begin() + DrawBelow(random, left.size());
  grown.push_back(*moved);
  left.erase(moved);
  return Refill(from, std::move(left), to, std::move(grown));
}

StepChanges StepMoves::ExchangeSamples(const Critical& critical, const Spot& other, RandomStream& random) const {
  constexpr int kTries = 4;  // to find a pair that makes the critical bucket lighter
  std::vector<int> in_critical = At(critical.spot);
  std::vector<int> in_other = At(other);
  int* heavy = nullptr;
  int* light = nullptr;
  for (int i = 0; i < kTries; ++i) {
    heavy = &in_critical[random.Below(in_critical.size())];
    light = &in_other[random.Below(in_other.size())];
    if (Weight(critical.module, *heavy) > Weight(critical.module, *light)) break;
  }
  std::swap(*heavy, *light);
  return Refill(critical.spot, std::move(in_critical), other, std::move(in_other));
}

StepChanges StepMoves::Refill(const Spot& a, std::vector<int> in_a, const Spot& b, std::vector<int> in_b) const {
  if (!KeepsCaps(in_a) || !KeepsCaps(in_b)) return {};
  ColumnBuckets first = replay_.At(a.place)->buckets;
  ColumnBuckets second = replay_.At(b.place)->buckets;
  (a.place == b.place ? first : second)[b.row] = std::move(in_b);
  first[a.row] = std::move(in_a);
  StepChanges changes{{a.place, replay_.Price(replay_.ReplicaOf(a.place), std::move(first))}};
  if (a.place != b.place) changes.push_back({b.place, replay_.Price(replay_.ReplicaOf(b.place), std::move(second))});
  return changes;
}

/// Grows with the time that a module needs for a sample.
int StepMoves::Weight(int module, int sample) const {
  const SampleShape& shape = problem_.context->batch[Index(sample)];
  const bool is_llm = problem_.context->cost.model().is_llm(module);
  return is_llm ? shape.llm_tokens : shape.tiles[Index(module)];
}

bool StepMoves::KeepsCaps(const std::vector<int>& bucket) const {
  for (std::size_t c = 0; c < limits_.size(); ++c) {
    if (Load(problem_.caps[c], bucket) > limits_[c]) return false;
  }
  return true;
}

}  // namespace dflop
