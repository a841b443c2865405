// The time of a whole training: by hand without failures, by Daly's closed form with them, and draw by draw against a
// walk over all segments.
#include "experiments/run/training_time.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dflop {
namespace {

double MeanOfDraws(const std::vector<double>& draws) {
  return std::accumulate(draws.begin(), draws.end(), 0.0) / static_cast<double>(draws.size());
}

double DeviationOfDraws(const std::vector<double>& draws) {
  const double mean = MeanOfDraws(draws);
  double squares = 0;
  for (const double draw : draws) squares += (draw - mean) * (draw - mean);
  return std::sqrt(squares / static_cast<double>(draws.size() - 1));
}

std::vector<double> Draws(const TrainingTime& training, int count) {
  RandomStream random(7, "training");
  return DrawTrainingTimes(training, count, random);
}

/// Within four standard errors of the closed form.
void ExpectMean(const TrainingTime& training, double expected) {
  EXPECT_NEAR(MeanTrainingTime(training) / expected, 1, 1e-12);
  const std::vector<double> draws = Draws(training, 20'000);
  const double error = DeviationOfDraws(draws) / std::sqrt(20'000.0);
  EXPECT_GT(error, 0);
  EXPECT_NEAR(MeanOfDraws(draws), expected, 4 * error);
}

TEST(TrainingTimeTest, WithoutFailuresItIsStepsAndWrites) {
  // 10 steps of 2 s, a checkpoint after 4, 8 and 10: 20 s and three writes of 1 s, of which only the last one is waited
  // for where the steps go on beside it.
  TrainingTime training{.steps = 10, .step_s = 2, .steps_per_segment = 4, .write_s = 1};
  EXPECT_DOUBLE_EQ(MeanTrainingTime(training), 23);
  EXPECT_EQ(Draws(training, 3), (std::vector<double>{23, 23, 23}));
  training.blocking = false;
  EXPECT_DOUBLE_EQ(MeanTrainingTime(training), 21);
  // A write of 10 s is longer than the 8 s of steps to the next one, which then waits: 8 + 3 · 10.
  training.write_s = 10;
  EXPECT_DOUBLE_EQ(MeanTrainingTime(training), 38);
  training.steps_per_segment = 100;  // the one at the end
  EXPECT_DOUBLE_EQ(MeanTrainingTime(training), 30);
}

TEST(TrainingTimeTest, TheMeanIsDalysWhereWritesBlock) {
  // M = 5000 s between failures, w + c = 3100 s, R = 300 s: M·e^{R/M}·(e^{(w + c)/M} − 1) for each of 7 segments.
  const TrainingTime training{.steps = 7 * 30,
                              .step_s = 100,
                              .steps_per_segment = 30,
                              .write_s = 100,
                              .failures_per_s = 1.0 / 5000,
                              .restart_s = 300};
  ExpectMean(training, 7 * 5000 * std::exp(0.06) * (std::exp(0.62) - 1));
}

TEST(TrainingTimeTest, WithoutACheckpointTheWholeRunIsOneSegment) {
  const TrainingTime training{
      .steps = 100, .step_s = 100, .steps_per_segment = 100, .failures_per_s = 1.0 / 5000, .restart_s = 0};
  ExpectMean(training, 5000 * (std::exp(2.0) - 1));
}

TEST(TrainingTimeTest, TheMeanOfWritesBesideTheStepsIsThatOfALongerSecondAttempt) {
  // w = 2000 s, c = 500 s, no restart, M = 4000 s: the first segment is Daly's of 2500 s, (e^{0.625} − 1)·M; each of
  // the 3 others takes 2000 s at first, then 2500: (1 − e^{−0.5})·(M + (e^{0.625} − 1)·M).
  const TrainingTime training{.steps = 4,
                              .step_s = 2000,
                              .steps_per_segment = 1,
                              .write_s = 500,
                              .blocking = false,
                              .failures_per_s = 1.0 / 4000,
                              .restart_s = 0};
  const double again = 4000 * (std::exp(0.625) - 1);
  ExpectMean(training, again + 3 * (1 - std::exp(-0.5)) * (4000 + again));
}

/// Segment by segment, with the writer's own clock: which checkpoints are whole when the next failure comes.
double Walk(const TrainingTime& training, RandomStream& random) {
  const auto until_failure = [&] { return -std::log1p(-random.Uniform()) / training.failures_per_s; };
  const auto segments = static_cast<int>(std::ceil(training.steps / training.steps_per_segment));
  int whole = 0;
  double time = 0;
  for (;;) {
    const double failure = time + until_failure();
    double clock = time;
    double written = time;
    for (int segment = whole; segment < segments; ++segment) {
      const double begun = segment * training.steps_per_segment;
      clock += std::min(training.steps_per_segment, training.steps - begun) * training.step_s;
      clock = std::max(clock, written);  // one write at a time
      written = clock + training.write_s;
      if (written > failure) break;
      if (training.blocking) clock = written;
      whole = segment + 1;
    }
    if (whole == segments) return written;
    time = failure;
    double until = until_failure();
    for (; until < training.restart_s; until = until_failure()) time += until;
    time += training.restart_s;
  }
}

TEST(TrainingTimeTest, EveryDrawIsAWalkOverItsSegments) {
  for (const bool blocking : {true, false}) {
    for (const double write : {0.0, 30.0, 700.0}) {  // the last is longer than a segment
      const TrainingTime training{.steps = 103,
                                  .step_s = 50,
                                  .steps_per_segment = 10,
                                  .write_s = write,
                                  .blocking = blocking,
                                  .failures_per_s = 1.0 / 1500,
                                  .restart_s = 200};
      RandomStream random(7, "training");
      for (const double draw : Draws(training, 200)) EXPECT_NEAR(draw, Walk(training, random), 1e-6 * draw);
    }
  }
}

TEST(TrainingTimeTest, ATrainingOfManyFailuresKeepsMeanAndSpread) {
  // 20,000 segments that fail 0.9 times each: far more failures than are drawn. Their variance is 20,000 times that of
  // one segment, whose draws are exact; a sample's deviation is off by about 1 % (of 20,000 draws) or 2 (of 5,000).
  TrainingTime training{
      .steps = 1, .step_s = 600, .steps_per_segment = 1, .write_s = 30, .failures_per_s = 1.0 / 1000, .restart_s = 20};
  EXPECT_NEAR(FailuresOfSegment(training), std::exp(0.02) * (std::exp(0.63) - 1), 1e-12);
  const double one = DeviationOfDraws(Draws(training, 20'000));
  training.steps = 20'000;
  const std::vector<double> draws = Draws(training, 5'000);
  const double all = std::sqrt(20'000.0) * one;
  EXPECT_NEAR(DeviationOfDraws(draws) / all, 1, 0.06);
  EXPECT_NEAR(MeanOfDraws(draws), MeanTrainingTime(training), 4 * all / std::sqrt(5'000.0));
}

TEST(TrainingTimeTest, DrawsOfTheLongestTrainingsKeepTheirMean) {
  // 10¹² segments of which each fails a thousand times at most: only a beginning is drawn and scaled, whose mean stays
  // exact. By the law of large numbers the spread of the sum is nothing beside it.
  TrainingTime training{.steps = 1e12, .step_s = 60, .steps_per_segment = 1, .write_s = 5, .restart_s = 100};
  for (const double share : {1e-6, 1e-3, 0.5, 1.0}) {
    training.failures_per_s = share * MostFailuresPerSecond(training);
    EXPECT_NEAR(MeanOfDraws(Draws(training, 1000)) / MeanTrainingTime(training), 1, 1e-3) << share;
  }
}

TEST(TrainingTimeTest, TheHighestRateIsTheOneAtTheLimit) {
  TrainingTime training{.step_s = 60, .write_s = 5, .restart_s = 100};
  training.failures_per_s = MostFailuresPerSecond(training);
  EXPECT_NEAR(FailuresOfSegment(training) / kMostFailuresOfSegment, 1, 1e-9);
}

TEST(TrainingTimeTest, TheBestIntervalIsYoungs) {
  // √(2·60·100,000) = 3464.1 s; without waiting for the write, as often as it ends.
  TrainingTime training{.write_s = 60, .failures_per_s = 1e-5};
  EXPECT_NEAR(BestCheckpointInterval(training), 3464.1, 0.05);
  training.blocking = false;
  EXPECT_EQ(BestCheckpointInterval(training), 60);
  training.failures_per_s = 0;
  EXPECT_EQ(BestCheckpointInterval(training), 0);
}

TEST(TrainingTimeTest, NearYoungsIntervalTheMeanIsLeast) {
  // c = 60 s, M = 10⁵ s, 4 · 10⁶ s of steps of 10 s: half and twice Young's 3464 s are both longer.
  const auto mean = [](double interval) {
    return MeanTrainingTime({.steps = 4e5,
                             .step_s = 10,
                             .steps_per_segment = std::round(interval / 10),
                             .write_s = 60,
                             .failures_per_s = 1e-5,
                             .restart_s = 300});
  };
  EXPECT_LT(mean(3464), mean(3464 / 2.0));
  EXPECT_LT(mean(3464), mean(3464 * 2.0));
}

}  // namespace
}  // namespace dflop
