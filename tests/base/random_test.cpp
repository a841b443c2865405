// Claims on the random streams: the published generator to the last bit, and distributions that are what they say.
#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dflop {
namespace {

// FNV-1a, splitmix64 and xoshiro256** written anew in another language from their papers, checked there against the
// published vectors (FNV "foobar" 85944171f73967e8, splitmix64 seed 1234567, xoshiro256** state 1 2 3 4).
TEST(RandomStream, FirstNumbersAreThoseOfThePublishedAlgorithms) {
  RandomStream empty(0, "");
  EXPECT_EQ(empty.Next(), 0x1e28178eedbf0f30u);
  EXPECT_EQ(empty.Next(), 0x32dadb1a9e4a4d08u);
  EXPECT_EQ(empty.Next(), 0x4ef49088479a6d5cu);
  RandomStream batch(1, "batch/3");
  EXPECT_EQ(batch.Next(), 0x2dcb0d053d72368fu);
  EXPECT_EQ(batch.Next(), 0x8013e80ae77b0ac3u);
  RandomStream other_seed(2, "batch/3");
  EXPECT_EQ(other_seed.Next(), 0x9257ac4bf11a7641u);
}

// Correlation of n independent pairs is within 4/√n but for one case in 16,000.
TEST(RandomStream, StreamsOfDifferentPurposesAreUncorrelated) {
  RandomStream a(1, "batch/0");
  RandomStream b(1, "batch/1");
  constexpr int kCount = 40000;
  double sum = 0;
  for (int i = 0; i < kCount; ++i) sum += (a.Uniform() - 0.5) * (b.Uniform() - 0.5) * 12;
  EXPECT_LT(std::abs(sum / kCount), 4 / std::sqrt(double{kCount}));
}

/// Σ (observed − expected)²/expected for equally likely cells.
double ChiSquare(const std::vector<int>& counts) {
  const double expected = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
  double sum = 0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

// 99 degrees of freedom: 99.9 % of uniform samples stay below 148.2, and 0.1 % below 60.3.
TEST(RandomStream, UniformFillsAHundredCellsEvenly) {
  RandomStream random(1, "uniform");
  std::vector<int> counts(100);
  for (int i = 0; i < 100000; ++i) {
    const double value = random.Uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++counts[static_cast<std::size_t>(value * 100)];
  }
  EXPECT_LT(ChiSquare(counts), 148.2);
  EXPECT_GT(ChiSquare(counts), 60.3);
}

// A bound of 3·2⁶² would make a plain remainder favour small values 2:1. 2 degrees of freedom: 99.9 % below 13.8.
TEST(RandomStream, BelowIsUnbiasedForAwkwardBounds) {
  RandomStream random(1, "below");
  constexpr std::uint64_t kThird = std::uint64_t{1} << 62;
  std::vector<int> counts(3);
  for (int i = 0; i < 30000; ++i) ++counts[random.Below(3 * kThird) / kThird];
  EXPECT_LT(ChiSquare(counts), 13.8);
}

TEST(RandomStream, BelowOneIsZeroAndAnEmptyRangeAborts) {
  RandomStream random(1, "below");
  EXPECT_EQ(random.Below(1), 0u);
  EXPECT_DEATH(random.Below(0), "empty range");
}

// Standard errors for n = 100,000: mean 1/√n, variance √(2/n), fourth moment √(96/n); 4 of each.
TEST(RandomStream, NormalHasTheMomentsOfTheStandardNormal) {
  RandomStream random(1, "normal");
  constexpr double kCount = 100000;
  double first = 0;
  double second = 0;
  double fourth = 0;
  for (int i = 0; i < static_cast<int>(kCount); ++i) {
    const double x = random.Normal();
    first += x / kCount;
    second += x * x / kCount;
    fourth += x * x * x * x / kCount;
  }
  EXPECT_NEAR(first, 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(second, 1, 4 * std::sqrt(2 / kCount));
  EXPECT_NEAR(fourth, 3, 4 * std::sqrt(96 / kCount));
}

// The median of n draws has standard error √(π/2)·σ/√n in the logarithm: 0.0063 for σ = 1.6, n = 100,000.
TEST(RandomStream, LogNormalHasItsMedianAndSpread) {
  RandomStream random(1, "lognormal");
  std::vector<double> draws(100000);
  for (double& draw : draws) draw = random.LogNormal(500, 1.6);
  std::sort(draws.begin(), draws.end());
  EXPECT_NEAR(std::log(draws[50000] / 500), 0, 4 * 0.0063);
  // One standard deviation up: the 84.134 % quantile, about 1.5 times as uncertain.
  EXPECT_NEAR(std::log(draws[84134] / draws[50000]), 1.6, 0.04);
}

// Standard error of the mean: √(m(1+m)/n), m = 3, n = 100,000 → 0.011. P(0) = 1/(1+m) = 1/4 ± 0.0014.
TEST(RandomStream, GeometricHasItsMeanAndItsShareOfZeros) {
  RandomStream random(1, "geometric");
  double sum = 0;
  double zeros = 0;
  for (int i = 0; i < 100000; ++i) {
    const std::int64_t draw = random.Geometric(3);
    ASSERT_GE(draw, 0);
    sum += static_cast<double>(draw);
    zeros += draw == 0 ? 1 : 0;
  }
  EXPECT_NEAR(sum / 1e5, 3, 4 * 0.011);
  EXPECT_NEAR(zeros / 1e5, 0.25, 4 * 0.0014);
  EXPECT_EQ(random.Geometric(0), 0);
}

// 23 degrees of freedom: 99.9 % below 49.7.
TEST(RandomStream, ShuffleMakesAll24OrdersOfFourEquallyOften) {
  RandomStream random(1, "shuffle");
  std::vector<int> counts(24);
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> items = {0, 1, 2, 3};
    random.Shuffle(items);
    int rank = 0;  // number of the permutation: Lehmer code in factorial base
    for (std::size_t a = 0; a < 4; ++a) {
      const auto smaller = std::count_if(items.begin() + static_cast<std::ptrdiff_t>(a), items.end(),
                                         [&](int item) { return item < items[a]; });
      rank = rank * static_cast<int>(4 - a) + static_cast<int>(smaller);
    }
    ++counts[static_cast<std::size_t>(rank)];
  }
  EXPECT_LT(ChiSquare(counts), 49.7);
}

TEST(RandomStream, ShuffleOfNothingIsNothing) {
  RandomStream random(1, "shuffle");
  std::vector<int> none;
  random.Shuffle(none);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace dflop
