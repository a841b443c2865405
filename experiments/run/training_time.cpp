// A failure is one exponential: the segments that end before it are counted by a division, not one by one.
#include "experiments/run/training_time.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace dflop {
namespace {

/// Seconds to get through one segment when nothing fails.
struct Attempts {
  double first = 0;
  double again = 0;  ///< after a failure in it
};

/// The segments of a training: one that comes first, equal ones, one that comes last and may be shorter.
class Segments {
 public:
  explicit Segments(const TrainingTime& training) {
    const double per_segment = std::min(training.steps_per_segment, training.steps);
    const double write = training.write_s;
    count_ = std::ceil(training.steps / per_segment);
    const double work = per_segment * training.step_s;
    const double last_work = (training.steps - (count_ - 1) * per_segment) * training.step_s;
    first_ = {work + write, work + write};
    middle_ = {training.blocking ? work + write : std::max(work, write), work + write};
    last_ = {training.blocking ? last_work + write : std::max(last_work, write), last_work + write};
    if (count_ == 1) first_ = last_ = {last_work + write, last_work + write};
  }

  double count() const { return count_; }
  const Attempts& first() const { return first_; }
  const Attempts& middle() const { return middle_; }
  const Attempts& last() const { return last_; }
  const Attempts& At(double index) const { return index == 0 ? first_ : index + 1 < count_ ? middle_ : last_; }
  /// Of all that come behind it.
  double Behind(double index) const {
    return index + 1 < count_ ? (count_ - 2 - index) * middle_.first + last_.first : 0;
  }
  double uninterrupted() const { return first_.first + Behind(0); }

 private:
  double count_ = 1;
  Attempts first_;
  Attempts middle_;
  Attempts last_;
};

double MeanOfSegment(const Attempts& attempts, const TrainingTime& training) {
  const double rate = training.failures_per_s;
  if (rate == 0) return attempts.first;
  const double restarts = rate * training.restart_s;
  return -std::expm1(-rate * attempts.first) / rate *
         (1 + std::expm1(restarts) + std::exp(restarts) * std::expm1(rate * attempts.again));
}

double MeanOf(const Segments& segments, const TrainingTime& training) {
  double mean = MeanOfSegment(segments.first(), training);
  if (segments.count() > 1) mean += MeanOfSegment(segments.last(), training);
  if (segments.count() > 2) mean += (segments.count() - 2) * MeanOfSegment(segments.middle(), training);
  return mean;
}

class OneTraining {
 public:
  OneTraining(const Segments& segments, const TrainingTime& training, RandomStream& random)
      : segments_(segments), training_(training), random_(random) {}

  double Draw() {
    double time = 0;
    double done = 0;
    bool again = false;
    for (;;) {
      const Attempts& attempts = segments_.At(done);
      const double current = again ? attempts.again : attempts.first;
      const double rest = current + segments_.Behind(done);
      const double until_failure = UntilFailure();
      if (until_failure >= rest) return time + rest;
      if (until_failure >= current) {
        done += 1 + std::floor((until_failure - current) / segments_.middle().first);
        done = std::min(done, segments_.count() - 1);
      }
      again = true;
      time += until_failure + Restart();
    }
  }

 private:
  double UntilFailure() { return -std::log1p(-random_.Uniform()) / training_.failures_per_s; }
  double Restart() {
    double time = 0;
    for (double until = UntilFailure(); until < training_.restart_s; until = UntilFailure()) time += until;
    return time + training_.restart_s;
  }

  const Segments& segments_;
  const TrainingTime& training_;
  RandomStream& random_;
};

/// As much of it as about kDrawnFailures end.
TrainingTime Beginning(const TrainingTime& training) {
  const double failures = training.failures_per_s * MeanTrainingTime(training);
  const double count = Segments(training).count();
  const double drawn = std::max(1.0, std::floor(count * kDrawnFailures / failures));
  if (failures <= kDrawnFailures || drawn >= count) return training;
  TrainingTime beginning = training;
  beginning.steps = drawn * training.steps_per_segment;
  return beginning;
}

}  // namespace

double FailuresOfSegment(const TrainingTime& training) {
  const double segment = std::min(training.steps, training.steps_per_segment) * training.step_s + training.write_s;
  return std::exp(training.failures_per_s * training.restart_s) * std::expm1(training.failures_per_s * segment);
}

double MostFailuresPerSecond(const TrainingTime& training) {
  TrainingTime tried = training;
  double enough = 0;
  double too_many = 1;
  const auto allows = [&](double rate) {
    tried.failures_per_s = rate;
    return FailuresOfSegment(tried) <= kMostFailuresOfSegment;
  };
  while (allows(too_many)) too_many *= 2;
  for (int i = 0; i < 200; ++i) {
    const double middle = (enough + too_many) / 2;
    (allows(middle) ? enough : too_many) = middle;
  }
  return enough;
}

double MeanTrainingTime(const TrainingTime& training) {
  DFLOP_CHECK(FailuresOfSegment(training) <= kMostFailuresOfSegment, "checkpoints are reached");
  return MeanOf(Segments(training), training);
}

std::vector<double> DrawTrainingTimes(const TrainingTime& training, int draws, RandomStream& random) {
  const Segments segments(training);
  std::vector<double> times(static_cast<std::size_t>(draws), segments.uninterrupted());
  if (training.failures_per_s == 0) return times;
  const TrainingTime beginning = Beginning(training);
  const Segments drawn(beginning);
  const double mean = MeanTrainingTime(training);
  const double drawn_mean = MeanTrainingTime(beginning);
  const double spread = std::sqrt(segments.count() / drawn.count());
  OneTraining one(drawn, beginning, random);
  for (double& time : times) {
    time = one.Draw();
    if (spread > 1) time = std::max(segments.uninterrupted(), mean + (time - drawn_mean) * spread);
  }
  return times;
}

double BestCheckpointInterval(const TrainingTime& training) {
  if (training.failures_per_s == 0 || training.write_s == 0) return 0;
  return training.blocking ? std::sqrt(2 * training.write_s / training.failures_per_s) : training.write_s;
}

}  // namespace dflop
