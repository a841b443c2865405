// Small changes of a step's buckets, drawn where they may pay: on the path that the end of the step waited for.
#pragma once

#include <vector>

#include "policies/api/batch_scheduler.hpp"
#include "sim/step/step_replay.hpp"

namespace dflop {

using StepChanges = std::vector<StepReplay::Change>;

/// Draws one of: a column of the critical path changes places with another one, or moves there and those between close
/// up; a bucket of the path changes places with another one; a sample of such a bucket goes to another
/// bucket, alone or in exchange.
class StepMoves {
 public:
  /// Everything outlives the moves. No move breaks a cap of the problem that the replay's buckets keep now; where they
  /// break one, none makes its fullest bucket fuller.
  StepMoves(const BatchProblem& problem, const StepReplay& replay);

  /// Looks at the critical path anew: the replay has changed for good.
  void Refresh();
  /// Nothing where the draw came to a change that is none, or not allowed.
  StepChanges Draw(RandomStream& random) const;

 private:
  /// A bucket: a row of the column at a place.
  struct Spot {
    int place = 0;
    std::size_t row = 0;
  };
  /// A bucket that the step waited for, and the module that was at work on it.
  struct Critical {
    Spot spot;
    int module = 0;
  };
  Critical DrawCritical(RandomStream& random) const;
  Spot DrawSpot(RandomStream& random) const;
  StepChanges DrawOrder(const Critical& critical, RandomStream& random) const;
  StepChanges DrawContents(const Critical& critical, RandomStream& random) const;
  StepChanges ExchangeColumns(int a, int b) const;
  StepChanges ExchangeBuckets(const Spot& a, const Spot& b) const;
  StepChanges MoveSample(const Spot& from, const Spot& to, RandomStream& random) const;
  StepChanges ExchangeSamples(const Critical& critical, const Spot& other, RandomStream& random) const;
  /// The column at `from` moves to `to`; those between close up.
  StepChanges Rotate(int from, int to) const;
  /// New contents of two buckets; nothing where a cap forbids them.
  StepChanges Refill(const Spot& a, std::vector<int> in_a, const Spot& b, std::vector<int> in_b) const;

  const std::vector<int>& At(const Spot& spot) const { return replay_.At(spot.place)->buckets[spot.row]; }
  int Weight(int module, int sample) const;
  bool KeepsCaps(const std::vector<int>& bucket) const;

  const BatchProblem& problem_;
  const StepReplay& replay_;
  bool order_matters_;
  std::vector<double> limits_;            ///< of the problem's caps
  std::vector<StepReplay::Passed> path_;  ///< of the critical path, those that run a microbatch
};

}  // namespace dflop
