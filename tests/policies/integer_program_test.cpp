// The solver against enumeration, and the schedulers that use it: what they report, and what stands in without it.
#include "policies/batching_search/integer_program.hpp"

#include <gtest/gtest.h>

#include "tests/policies/scheduler_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

BatchPlan SolveProgram(const BatchProblem& problem, const std::string& spec) {
  RandomStream random(1, "unused");
  return Plugin<BatchScheduler>(spec)->Schedule(problem, random);
}

class WithSolver : public testing::Test {
 protected:
  void SetUp() override {
    if (IntegerProgramSolver().empty()) GTEST_SKIP() << "built without an integer-program solver";
  }
};
using IntegerProgramTest = WithSolver;
using IlpBatcher = WithSolver;
using AsReleasedBatcher = WithSolver;

TEST_F(IntegerProgramTest, FindsTheOptimumOfEnumeration) {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    RandomStream random(seed, "program");
    const BatchProblem problem = RandomProblem(random, 7, 1, 3, 2);
    const IntegerProgramAnswer answer = SolveIntegerProgram({problem.costs, 3, true, {}}, {100'000, {}});
    EXPECT_TRUE(answer.optimal) << "seed " << seed;
    EXPECT_NEAR(answer.largest / BestPossible(problem), 1.0, 1e-6) << "seed " << seed;
  }
}

TEST_F(IntegerProgramTest, PrintsNothing) {
  RandomStream random(1, "silence");
  const BatchProblem problem = RandomProblem(random, 20, 1, 4, 2);
  testing::internal::CaptureStdout();
  SolveIntegerProgram({problem.costs, 4, false, {}}, {50, {}});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST_F(IntegerProgramTest, BeginsFromAGivenPlan) {
  RandomStream random(2, "start");
  const BatchProblem problem = RandomProblem(random, 30, 1, 5, 2);
  RandomStream unused(1, "unused");
  const BatchPlan plan = SolveProgram(problem, "dflop");
  const IntegerProgramAnswer answer = SolveIntegerProgram({problem.costs, 5, false, plan.buckets[0]}, {1, {}});
  EXPECT_LE(answer.largest, LargestBucket(problem, plan) * (1 + 1e-6));
}

TEST_F(IlpBatcher, ReportsOptimumAndGap) {
  const BatchProblem problem{1, 2, {{3, 5, 3, 4, 3}}};  // LPT 10, optimum 9
  const BatchPlan plan = SolveProgram(problem, "dflop-ilp");
  EXPECT_DOUBLE_EQ(LargestBucket(problem, plan), 9);
  EXPECT_NE(plan.note.find("largest bucket 9 s, optimal, gap 0.000 %; lpt-2d 10 s"), std::string::npos) << plan.note;
}

TEST_F(IlpBatcher, IsNeverWorseThanLpt) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    RandomStream random(seed, "never worse");
    const BatchProblem problem = RandomProblem(random, 40, 1, 8, 2);
    EXPECT_LE(LargestBucket(problem, SolveProgram(problem, R"({"name": "dflop-ilp", "max_nodes": 2})")),
              LargestBucket(problem, SolveProgram(problem, "lpt-2d")))
        << "seed " << seed;
  }
}

TEST_F(IlpBatcher, LeavesNoBucketEmpty) {
  // The largest sample alone is the optimum, so that the program may leave a bucket without any: 9 | 1 + 1 + 1 | –.
  const BatchProblem problem{1, 4, {{9, 1, 1, 1}}};
  const BatchPlan plan = SolveProgram(problem, "dflop-ilp");
  for (const auto& bucket : plan.buckets[0]) EXPECT_EQ(bucket.size(), 1u);
}

TEST(IlpFallback, ATooLargeProgramGoesStraightToLpt) {
  RandomStream random(1, "large");
  const BatchProblem problem = RandomProblem(random, 40, 2, 4, 2);
  for (const std::string name : {"dflop-ilp", "dflop-as-released"}) {
    const BatchPlan plan = SolveProgram(problem, R"({"name": ")" + name + R"(", "max_binaries": 100})");
    EXPECT_EQ(plan.buckets, SolveProgram(problem, "lpt-2d").buckets);
    EXPECT_NE(plan.note.find("lpt-2d instead"), std::string::npos) << plan.note;
  }
}

TEST_F(AsReleasedBatcher, SolvesTheProgramInWholeUnits) {
  // Seconds below 1e-4 are cut off: 0.00019 and 0.00011 weigh 1 each, so that 1 + 1 | 2 is as good as anything.
  const BatchProblem problem{1, 2, {{0.00019, 0.00011, 0.0002}}};
  const BatchPlan plan = SolveProgram(problem, "dflop-as-released");
  ASSERT_EQ(plan.buckets[0].size(), 2u);
  for (const auto& bucket : plan.buckets[0]) {
    if (bucket.size() == 1) {
      EXPECT_EQ(bucket[0], 2);
    }
  }
}

TEST_F(AsReleasedBatcher, ReachesTheOptimumOfSmallBatches) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    RandomStream random(seed, "released");
    const BatchProblem problem = RandomProblem(random, 6, 2, 1, 2);
    const double ours =
        LargestBucket(problem, SolveProgram(problem, R"({"name": "dflop-as-released", "max_nodes": 10000})"));
    // Whole units of 1e-4 s, six samples, halved by the replicas: at most 6 · 2e-4 s lost.
    EXPECT_LE(ours, BestPossible(problem) + 12e-4) << "seed " << seed;
  }
}

}  // namespace
}  // namespace dflop
