// Every evaluation is one replay; a step that is longer is undone, unless it is one of the kicks after a restart.
#include "policies/batching_search/makespan_search.hpp"

#include "policies/batching_search/start_orders.hpp"
#include "policies/batching_search/step_moves.hpp"

namespace dflop {
namespace {

/// A descent along the critical path from given buckets.
class Descent {
 public:
  Descent(const BatchProblem& problem, StepReplay& replay, const AllowBuckets& allow)
      : replay_(replay), allow_(allow), moves_(problem, replay), best_(Snapshot()), shortest_(replay.makespan()) {}

  /// One evaluation at most.
  void Step(RandomStream& random) {
    const bool stuck = failures_ >= Patience();
    if (stuck) Restart();
    const bool forced = kicks_ > 0;
    if (forced) --kicks_;
    const StepChanges changes = moves_.Draw(random);
    if (changes.empty()) return;
    const Seconds before = replay_.makespan();
    const Seconds after = replay_.Apply(changes);
    const bool shortest = after < shortest_;
    if ((after > before && !forced) || (shortest && !Allowed())) {
      ++failures_;
      return replay_.Undo();
    }
    moves_.Refresh();
    failures_ = after < before || forced ? 0 : failures_ + 1;
    if (shortest) Remember();
  }

  Buckets Best() {
    Restore();
    return replay_.buckets();
  }

 private:
  static constexpr int kKicks = 3;

  /// Failures in a row after which a local optimum is taken for granted: about twice as many as there are columns to
  /// exchange one with.
  int Patience() const { return 50 + 2 * replay_.places(); }

  bool Allowed() const { return !allow_ || allow_(replay_.buckets()); }
  void Restart() {
    Restore();
    moves_.Refresh();
    failures_ = 0;
    kicks_ = kKicks;
  }
  StepChanges Snapshot() const {
    StepChanges all;
    for (int place = 0; place < replay_.places(); ++place) all.push_back({place, replay_.At(place)});
    return all;
  }
  void Remember() {
    best_ = Snapshot();
    shortest_ = replay_.makespan();
  }
  void Restore() { replay_.Apply(best_); }

  StepReplay& replay_;
  const AllowBuckets& allow_;
  StepMoves moves_;
  StepChanges best_;
  Seconds shortest_;
  int failures_ = 0;
  int kicks_ = 0;
};

}  // namespace

Buckets SearchShorterStep(const BatchProblem& problem, const Buckets& start, int evaluations, const AdjustCosts& adjust,
                          const AllowBuckets& allow, RandomStream& random) {
  const BatchContext& context = *problem.context;
  const auto replay_of = [&](const Buckets& buckets) {
    return StepReplay(context.cost, context.layout, context.orders, context.batch, buckets, adjust);
  };
  int left = evaluations;
  Buckets first = start;
  Seconds shortest = replay_of(start).makespan();
  for (const Buckets& order : StartOrders(problem, start)) {
    if (left-- <= 0) break;
    const Seconds makespan = replay_of(order).makespan();
    if (makespan < shortest && (!allow || allow(order))) shortest = makespan, first = order;
  }
  StepReplay replay = replay_of(first);
  Descent descent(problem, replay, allow);
  for (; left > 0; --left) descent.Step(random);
  return descent.Best();
}

}  // namespace dflop
