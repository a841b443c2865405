// Student's t against the printed tables (e.g. NIST/SEMATECH e-Handbook, table 1.3.6.7.2), intervals by hand.
#include "base/statistics.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/students_t.hpp>
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

TEST(StudentQuantile, AgreesWithBoost) {
  for (const double freedom : {1.0, 2.0, 2.5, 3.0, 9.0, 39.0, 200.0, 5000.0}) {
    for (const double probability : {0.025, 0.4, 0.5, 0.6, 0.9, 0.975, 0.999}) {
      const double expected = boost::math::quantile(boost::math::students_t(freedom), probability);
      EXPECT_NEAR(StudentQuantile(probability, freedom), expected, 1e-9 * (1 + std::abs(expected)))
          << probability << " of " << freedom;
    }
  }
}

TEST(Quantile, LiesOnStraightLinesBetweenTheSortedValues) {
  // Places 0, 1, 2, 3 hold 1, 2, 4, 8: the median is at 1.5, the 90th percentile at 2.7.
  const std::vector<double> values = {8, 1, 4, 2};
  EXPECT_DOUBLE_EQ(Median(values), 3);
  EXPECT_DOUBLE_EQ(Quantile(values, 0.9), 4 + 0.7 * 4);
  EXPECT_DOUBLE_EQ(Quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(Quantile(values, 1), 8);
  EXPECT_DOUBLE_EQ(Median(std::vector<double>{7}), 7);
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

TEST(RatioOfMeans, HasTheHandDerivedIntervalOfItsResiduals) {
  // Means 6 and 4: R = 1.5. Residuals 4 − 1.5·3 = −0.5 and 8 − 1.5·5 = 0.5: s² = 0.5, half width 12.706·√(0.5/2)
  // = 6.353, over the mean 4: 1.588. Differences alone (1 and 3) would give 3.177, twice as much.
  const std::vector<double> baseline = {4, 8};
  const std::vector<double> own = {3, 5};
  const Interval speedup = RatioOfMeans(baseline, own);
  EXPECT_DOUBLE_EQ(speedup.mean, 1.5);
  ASSERT_TRUE(speedup.half_width.has_value());
  EXPECT_NEAR(*speedup.half_width, 12.7062 * 0.5 / 4, 1e-4);
}

TEST(RatioOfMeans, IgnoresWhatPairsShare) {
  // A baseline that always takes 1.3 times as long is no uncertainty at all, however unlike the batches are.
  const std::vector<double> baseline = {13, 26, 3.9};
  const std::vector<double> own = {10, 20, 3};
  const Interval speedup = RatioOfMeans(baseline, own);
  EXPECT_NEAR(speedup.mean, 1.3, 1e-12);
  EXPECT_NEAR(speedup.half_width.value(), 0, 1e-12);
}

TEST(RatioOfMeans, CountsTheDenominatorsSpread) {
  // A baseline that is always 12 s says nothing of how much faster 6 ± 2 s is. R = 2, residuals 12 − 2·{4, 6, 8} = 4,
  // 0, −4: s = 4, half width 4.3027·4/√3/6 = 1.656.
  const std::vector<double> baseline = {12, 12, 12};
  const std::vector<double> own = {4, 6, 8};
  EXPECT_NEAR(RatioOfMeans(baseline, own).half_width.value(), 4.30265 * 4 / std::sqrt(3.0) / 6, 1e-4);
}

TEST(RatioOfMeans, OverItselfIsOne) {
  const std::vector<double> times = {1, 2, 4};
  EXPECT_DOUBLE_EQ(RatioOfMeans(times, times).mean, 1);
  EXPECT_DOUBLE_EQ(RatioOfMeans(times, times).half_width.value(), 0);
}

TEST(StandardDeviationTest, OfAllThereAreIsHandDerived) {
  // Mean 5; squares 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32 over 8 values.
  const std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_DOUBLE_EQ(StandardDeviation(values), 2);
}

TEST(RatioOfMeans, OfOnePairHasNoWidth) {
  const std::vector<double> baseline = {3};
  const std::vector<double> own = {2};
  EXPECT_DOUBLE_EQ(RatioOfMeans(baseline, own).mean, 1.5);
  EXPECT_FALSE(RatioOfMeans(baseline, own).half_width.has_value());
}

TEST(RatioOfMeans, OfThreePairsIsHandDerived) {
  // 63/60 = 1.05. Residuals 11 − 10.5, 20 − 21, 32 − 31.5: Σr² = 1.5, √(1.5/2/3) = 0.5, over the mean 20, times
  // t(0.975, 2) = 4.302653.
  const std::vector<double> above = {11, 20, 32};
  const std::vector<double> below = {10, 20, 30};
  const Interval ratio = RatioOfMeans(above, below);
  EXPECT_DOUBLE_EQ(ratio.mean, 1.05);
  EXPECT_NEAR(ratio.half_width.value(), 4.302653 * 0.5 / 20, 1e-7);
}

}  // namespace
}  // namespace dflop
