// What the ranks of one step have written down, put together: the timeline, how disturbed it was, and what the
// simulator makes of the very times that were measured.
#pragma once

#include <vector>

#include "real_runner/execute/ledger.hpp"
#include "sim/measure/timeline.hpp"
#include "sim/plan/plan_file.hpp"

namespace dflop {

struct MeasuredStep {
  Timeline timeline;               ///< of the operations that took place; of a broken step those until then
  Seconds replayed{0};             ///< makespan that the simulator gives the measured times of operations and messages
  std::vector<RankSeconds> ranks;  ///< not scaled

  /// Of the rank that lost most: share of its step while something else had the processor.
  double lost_share() const;
  /// Of the rank where it is largest: share of its step that is neither kernel nor message.
  double executor_share() const;
};

/// Times are divided by `time_scale` (spin), so that they compare with predicted ones.
/// `complete`: every operation of the step must be there; otherwise nothing is replayed.
MeasuredStep ReadLedger(Ledger& ledger, const Plan& plan, std::size_t step, double time_scale, bool complete);

/// The simulated timeline of a plan's step: what the plan predicts.
Timeline PredictedTimeline(const Plan& plan, std::size_t step);

}  // namespace dflop
