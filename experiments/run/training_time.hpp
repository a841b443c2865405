// How long a training of many steps takes with checkpoints and failures: its mean in closed form, and draws of it.
//
// Failures come at a constant rate λ, while steps run, checkpoints are written and a restart is under way alike. One
// ends the job, which takes R seconds of which none may fail to start again, and goes on from the last checkpoint that
// was written to the end. A segment is what lies between two checkpoints: w seconds of steps and a write of c seconds.
//   blocking   the steps wait for the write: a segment takes L = w + c, and when it fails all of it is run again. Its
//              mean is e^{λR}·(e^{λL} − 1)/λ (Daly, "A higher order estimate of the optimum checkpoint interval for
//              restart dumps", FGCS 22, 2006, equation 13; (1/λ + R)(e^{λL} − 1) where restarts never fail).
//   otherwise  the next steps run beside the write, max(w, c) from one written checkpoint to the next; after a failure
//              w + c, because nothing is being written yet. The training ends with its last write.
// The first attempt at a segment takes a, every further one b: the mean is
//   (1 − e^{−λa})·(1/λ + (e^{λR} − 1)/λ + e^{λR}·(e^{λb} − 1)/λ)
// which is Daly's where a = b.
#pragma once

#include <vector>

#include "base/random.hpp"

namespace dflop {

/// All times in seconds, positive unless said otherwise.
struct TrainingTime {
  double steps = 1;              ///< a whole number
  double step_s = 1;             ///< what the GPUs wait for included
  double steps_per_segment = 1;  ///< a whole number; `steps` or more: one checkpoint, at the end
  double write_s = 0;            ///< 0 or more
  bool blocking = true;
  double failures_per_s = 0;  ///< λ of all GPUs together; 0: none
  double restart_s = 0;       ///< R, 0 or more
};

/// Failures of one segment up to which a training is worked out. One that takes a thousand attempts from one checkpoint
/// to the next does nothing but lose work, and draws of it would cost as much.
inline constexpr double kMostFailuresOfSegment = 1000;

/// Mean number of failures from one checkpoint to the next, e^{λR}·(e^{λ(w + c)} − 1); may be infinite.
double FailuresOfSegment(const TrainingTime& training);

/// The largest λ with which a segment fails kMostFailuresOfSegment times.
double MostFailuresPerSecond(const TrainingTime& training);

/// Mean seconds of the whole training. Its failures are λ times as many, for they come while any of it lasts. Wants
/// FailuresOfSegment(training) ≤ kMostFailuresOfSegment, here and below.
double MeanTrainingTime(const TrainingTime& training);

/// Seconds that the whole training takes, `draws` times. Every failure is drawn, exactly, up to kDrawnFailures of a
/// draw or those of a single segment; of a longer training a beginning of n of its N segments is drawn with about as
/// many, and its distance from its mean grows with √(N/n): mean and variance stay exact. What is not is the shape, that
/// of a sum of n independent segments in the place of N. By the first term of Cornish and Fisher its quantiles at 5 and
/// 95 % are off by at most 0.29·γ standard deviations, where γ, the skewness of what was drawn, is about 2.1·√((1 +
/// f)/kDrawnFailures) with f failures a segment: 3 % of a standard deviation as long as most segments do not fail.
std::vector<double> DrawTrainingTimes(const TrainingTime& training, int draws, RandomStream& random);
inline constexpr double kDrawnFailures = 500;

/// The best time between two checkpoints, to first order in c·λ: √(2·c/λ) (Young, CACM 17, 1974) where steps wait for
/// the write; c where they do not, as often as can be. 0 where there are no failures or no writes.
double BestCheckpointInterval(const TrainingTime& training);

}  // namespace dflop
