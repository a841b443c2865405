// Each part of the lower bound by hand, and the whole against enumeration.
#include <gtest/gtest.h>

#include "tests/policies/scheduler_support.hpp"

namespace dflop {
namespace {

TEST(BucketLowerBound, IsTheMeanWhereNothingElseBinds) {
  const BatchProblem problem{1, 2, {{1, 2, 3, 4}}};  // 10 over two buckets: 1+4 and 2+3
  EXPECT_DOUBLE_EQ(BucketLowerBound(problem), 5);
}

TEST(BucketLowerBound, IsTheLargestSample) {
  const BatchProblem problem{1, 2, {{9, 1, 1, 1}}};
  EXPECT_DOUBLE_EQ(BucketLowerBound(problem), 9);
}

TEST(BucketLowerBound, CountsTilesInWholeOnes) {
  // 7 tiles of 0.5 s over 2 buckets: one bucket has 4, though the mean is 3.5.
  BatchProblem problem{1, 2, {{0.5, 0.5, 0.5, 1, 1}}};
  EXPECT_DOUBLE_EQ(BucketLowerBound(problem), 1.75);
  problem.granule = {0.5};
  EXPECT_DOUBLE_EQ(BucketLowerBound(problem), 2.0);
}

TEST(BucketLowerBound, TwoOfTheLargestShareABucket) {
  // Three samples of 6 and one of 1 on two buckets: two of the 6 meet, though the mean is 9.5.
  const BatchProblem problem{1, 2, {{6, 6, 6, 1}}};
  EXPECT_NEAR(BucketLowerBound(problem), 12, 1e-9);
}

TEST(BucketLowerBound, CountsWhatRemainsBesideSamplesOverHalf) {
  // Below 12 no 4 fits beside an 8, so that the three 4 share the one bucket that is left: 12. The mean is 9.
  const BatchProblem problem{1, 4, {{8, 8, 8, 4, 4, 4}}};
  EXPECT_NEAR(BucketLowerBound(problem), 12, 1e-6);
}

TEST(BucketLowerBound, TakesTheDimensionThatBindsMost) {
  const BatchProblem problem{1, 2, {{1, 1, 1, 1}, {3, 3, 1, 1}}};
  EXPECT_DOUBLE_EQ(BucketLowerBound(problem), 4);
}

TEST(BucketLowerBound, IsNeverAboveTheOptimumOfEnumeration) {
  // Few and large samples, where the residual and the pigeonhole parts bind; whole tiles in one dimension.
  int binding = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    RandomStream random(seed, "bound");
    const int buckets = 2 + static_cast<int>(random.Below(2));
    const int samples = buckets + static_cast<int>(random.Below(5));
    BatchProblem problem = RandomProblem(random, samples, 1, buckets, 2);
    for (double& cost : problem.costs[0]) cost = 0.25 * static_cast<double>(1 + random.Below(9));
    problem.granule = {0.25, 0};
    const double best = BestPossible(problem);
    const double bound = BucketLowerBound(problem);
    ASSERT_LE(bound, best * (1 + 1e-12)) << "seed " << seed;
    if (bound > best * (1 - 1e-9)) ++binding;
  }
  EXPECT_GE(binding, 100) << "a bound that is never reached shows little";
}

}  // namespace
}  // namespace dflop
