// Student's t against the printed tables (e.g. NIST/SEMATECH e-Handbook, table 1.3.6.7.2), intervals by hand.
#include "experiments/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace dflop {
namespace {

TEST(StudentQuantile, AgreesWithThePrintedTable) {
  EXPECT_NEAR(StudentQuantile(0.975, 1), 12.706, 5e-4);
  EXPECT_NEAR(StudentQuantile(0.975, 4), 2.776, 5e-4);
  EXPECT_NEAR(StudentQuantile(0.975, 29), 2.045, 5e-4);
  EXPECT_NEAR(StudentQuantile(0.95, 10), 1.812, 5e-4);
  EXPECT_NEAR(StudentQuantile(0.975, 1e6), 1.960, 5e-4);  // the normal distribution
}

TEST(MeanInterval, OfFiveNumbersIsHandDerived) {
  // 2, 4, 4, 4, 6: mean 4, Σ(x − 4)² = 8, s² = 8/4 = 2, half width = 2.776·√(2/5) = 1.7560.
  const std::vector<double> values = {2, 4, 4, 4, 6};
  const Interval interval = MeanInterval(values);
  EXPECT_DOUBLE_EQ(interval.mean, 4);
  ASSERT_TRUE(interval.half_width.has_value());
  EXPECT_NEAR(*interval.half_width, 2.77645 * std::sqrt(0.4), 1e-4);
}

TEST(MeanInterval, OfOneNumberHasNoWidth) {
  const std::vector<double> values = {3};
  EXPECT_DOUBLE_EQ(MeanInterval(values).mean, 3);
  EXPECT_FALSE(MeanInterval(values).half_width.has_value());
}

TEST(PairedSpeedup, IsTheRatioOfTheMeans) {
  // Means 6 and 4: 1.5. Differences 1, 3: mean 2, s² = 2, half width t(1)·√(2/2) = 12.706, over the mean 4: 3.1766.
  const std::vector<double> baseline = {4, 8};
  const std::vector<double> own = {3, 5};
  const Interval speedup = PairedSpeedup(baseline, own);
  EXPECT_DOUBLE_EQ(speedup.mean, 1.5);
  ASSERT_TRUE(speedup.half_width.has_value());
  EXPECT_NEAR(*speedup.half_width, 12.7062 / 4, 1e-3);
}

TEST(PairedSpeedup, IgnoresWhatBothShare) {
  // A constant lead of 1 s on batches of very different length is no uncertainty at all.
  const std::vector<double> baseline = {11, 21, 31};
  const std::vector<double> own = {10, 20, 30};
  const Interval speedup = PairedSpeedup(baseline, own);
  EXPECT_NEAR(speedup.mean, 1.05, 1e-12);
  EXPECT_NEAR(speedup.half_width.value(), 0, 1e-12);
}

TEST(PairedSpeedup, OverItselfIsOne) {
  const std::vector<double> times = {1, 2, 4};
  EXPECT_DOUBLE_EQ(PairedSpeedup(times, times).mean, 1);
  EXPECT_DOUBLE_EQ(PairedSpeedup(times, times).half_width.value(), 0);
}

}  // namespace
}  // namespace dflop
