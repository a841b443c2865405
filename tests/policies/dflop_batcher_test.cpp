// dflop's search against hand-made optima, enumeration, proven optima of bin completion and the lower bound.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "policies/batching_search/packed_polish.hpp"
#include "sim/build/step_costs.hpp"
#include "tests/policies/bin_completion.hpp"
#include "tests/policies/scheduler_instances.hpp"
#include "tests/policies/scheduler_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

constexpr const char* kAsThePaper = R"({"name": "dflop", "encoder_bound": "bucket", "costs": "additive"})";

BatchPlan Solve(const BatchProblem& problem, const std::string& spec = kAsThePaper) {
  RandomStream random(1, "unused");
  return Plugin<BatchScheduler>(spec)->Schedule(problem, random);
}

/// Σ over the samples of a bucket.
double Sum(const std::vector<double>& amounts, const std::vector<int>& bucket) {
  double sum = 0;
  for (const int i : bucket) sum += amounts[static_cast<std::size_t>(i)];
  return sum;
}

double LargestSum(const std::vector<double>& amounts, const BatchPlan& plan) {
  double largest = 0;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) largest = std::max(largest, Sum(amounts, bucket));
  }
  return largest;
}

/// Largest loads of the buckets, worst first.
std::vector<double> Heights(const BatchProblem& problem, const BatchPlan& plan) {
  std::vector<double> heights;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      double height = 0;
      for (const auto& dimension : problem.costs) height = std::max(height, Sum(dimension, bucket));
      heights.push_back(height);
    }
  }
  std::sort(heights.begin(), heights.end(), std::greater<>());
  return heights;
}

TEST(DflopBatcher, MendsWhatLptMisses) {
  // 5, 4, 3, 3, 3 on two buckets: LPT ends at 10, the optimum is 9 (5+4 | 3+3+3).
  const BatchProblem problem{1, 2, {{3, 5, 3, 4, 3}}};
  EXPECT_DOUBLE_EQ(LargestBucket(problem, Solve(problem)), 9);
}

TEST(DflopBatcher, IsOptimalOnInstancesSmallEnoughToEnumerate) {
  int optimal = 0;
  constexpr int kSeeds = 1000;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    RandomStream random(static_cast<std::uint64_t>(seed), "enumerated");
    const int buckets = 2 + static_cast<int>(random.Below(2));
    const int samples = buckets + static_cast<int>(random.Below(static_cast<std::uint64_t>(8 - buckets)));
    const BatchProblem problem = RandomProblem(random, samples, 1, buckets, 1 + seed % 3);
    if (LargestBucket(problem, Solve(problem)) <= BestPossible(problem) * (1 + 1e-9)) ++optimal;
  }
  EXPECT_GE(optimal, kSeeds * 99 / 100);
}

TEST(DflopBatcher, ComesWithinATenthOfAPercentOfTheProvenOptimum) {
  // 14 samples of the real mix on 4 buckets, proven by bin completion; larger ones are in results/scheduler.
  const SchedulerInstances instances("llama3-8b");
  for (int seed = 1; seed <= 10; ++seed) {
    const BatchProblem problem = instances.Make(14, 4, seed);
    const double ours = LargestBucket(problem, Solve(problem));
    const BinCompletion::Answer best = BinCompletion(problem.costs, 4).Solve(ours, 100'000'000);
    ASSERT_TRUE(best.proven) << "seed " << seed;
    EXPECT_LE(ours, best.largest * 1.001) << "seed " << seed;
  }
}

TEST(BinCompletionReference, FindsTheOptimumOfEnumeration) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomStream random(seed, "reference");
    const BatchProblem problem = RandomProblem(random, 8, 1, 3, 2);
    const BinCompletion::Answer best = BinCompletion(problem.costs, 3).Solve(1e9, 1'000'000'000);
    EXPECT_TRUE(best.proven);
    EXPECT_NEAR(best.largest, BestPossible(problem), 1e-6) << "seed " << seed;
  }
}

/// Mean gap to the bound over seeds of the real mix.
double MeanGap(const SchedulerInstances& instances, int samples, int buckets, int seeds) {
  double gap = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    const BatchProblem problem = instances.Make(samples, buckets, seed);
    gap += LargestBucket(problem, Solve(problem)) / BucketLowerBound(problem) - 1;
  }
  return gap / seeds;
}

TEST(DflopBatcher, ReachesTheBoundOnTheRealMix) {
  for (const char* model : {"llama3-8b", "qwen2.5-32b"}) {
    const SchedulerInstances instances(model);
    EXPECT_LE(MeanGap(instances, 64, 16, 20), 0.02) << model;
    EXPECT_LE(MeanGap(instances, 512, 64, 20), 0.003) << model;
    EXPECT_LE(MeanGap(instances, 2048, 256, 3), 0.003) << model;
  }
}

TEST(DflopBatcher, BalancesTheRestBesideAGiant) {
  // The giant fixes the largest bucket at 100. The rest, 12 of 1…12 on three buckets, still ends at 26 each.
  BatchProblem problem{1, 4, {{100}}};
  for (int i = 1; i <= 12; ++i) problem.costs[0].push_back(i);
  EXPECT_EQ(Heights(problem, Solve(problem)), (std::vector<double>{100, 26, 26, 26}));
}

TEST(DflopBatcher, BoundsTheUnionOfTheReplicas) {
  // Two replicas, one microbatch of each: the encoder (first dimension) runs the union, whatever each bucket holds, so
  // that the LLM alone decides: 4 | 4 instead of 5 + 1 | 1 + 1 + … by encoder.
  BatchProblem problem{2, 1, {{8, 8, 1, 1}, {3, 1, 3, 1}}};
  problem.over_union = {true, false};
  const BatchPlan by_union = Solve(problem, R"({"name": "dflop", "costs": "additive"})");
  EXPECT_DOUBLE_EQ(LargestSum(problem.costs[1], by_union), 4);
  EXPECT_DOUBLE_EQ(LargestBucket(problem, by_union, true), 9);  // the mean of 18, which no plan changes
}

TEST(DflopBatcher, FindsTheBestUnionOfEnumeration) {
  int optimal = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    RandomStream random(seed, "union");
    BatchProblem problem = RandomProblem(random, 7, 2, 2, 2);
    problem.over_union = {true, false};
    const double ours = LargestBucket(problem, Solve(problem, R"({"name": "dflop", "costs": "additive"})"), true);
    const double best = BestPossible(problem, true);
    ASSERT_GE(ours, best * (1 - 1e-9));
    if (ours <= best * (1 + 1e-9)) ++optimal;
  }
  EXPECT_GE(optimal, 95);
}

TEST(DflopBatcher, KeepsCapsWhereAPlanThatKeepsThemExists) {
  // Enumeration says where caps can be kept, and how good the best plan is that keeps them.
  int checked = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    RandomStream random(seed, "caps");
    BatchProblem problem = RandomProblem(random, 7, 1, 3, 2);
    BucketCap cap{"bytes", {}, 0};
    for (int i = 0; i < 7; ++i) cap.amounts.push_back(static_cast<double>(1 + random.Below(9)));
    for (const double amount : cap.amounts) cap.limit += amount;
    cap.limit = std::max(cap.limit / 3 * 1.08, 9.0);
    problem.caps = {cap};
    const auto keeps = [&](const BatchPlan& plan) { return LargestSum(cap.amounts, plan) <= cap.limit; };
    const double best = BestPossible(problem, false, keeps);
    if (best == HUGE_VAL) continue;
    ++checked;
    const BatchPlan plan = Solve(problem);
    EXPECT_TRUE(keeps(plan)) << "seed " << seed;
    EXPECT_EQ(plan.note, "") << "seed " << seed;
    EXPECT_LE(LargestBucket(problem, plan), best * 1.001) << "seed " << seed;
  }
  EXPECT_GE(checked, 50);
}

TEST(DflopBatcher, SaysWhichCapItCouldNotKeep) {
  // 3 + 3 + 2 + 2 + 2 = 12 on two buckets of at most 6 can be kept (3 + 3); 3 + 3 + 3 + 3 on buckets of 7 cannot be
  // by three: 4 samples on 3 buckets leave a bucket with two, 6, over a limit of 5 that mean 4 and largest 3 keep.
  BatchProblem problem{1, 3, {{1, 1, 1, 1}}};
  problem.caps = {{"bytes of activations", {3, 3, 3, 3}, 5}};
  const BatchPlan plan = Solve(problem);
  EXPECT_NE(plan.note.find("6 bytes of activations where 5 may be: 1 too much"), std::string::npos) << plan.note;
  EXPECT_EQ(Solve(problem, R"({"name": "dflop", "memory_cap": false})").note, "");
}

void ExpectInfeasible(const BatchProblem& problem, const std::string& about) {
  try {
    Solve(problem);
    ADD_FAILURE() << "should have said " << about;
  } catch (const Infeasible& reason) {
    EXPECT_NE(std::string(reason.what()).find(about), std::string::npos) << reason.what();
  }
}

TEST(DflopBatcher, NamesTheSampleThatIsLargerThanACap) {
  BatchProblem problem{1, 2, {{1, 1, 1}}};
  problem.caps = {{"bytes of activations", {2, 9, 2}, 7}};
  ExpectInfeasible(problem, "sample 1 alone has 9 bytes of activations where 7 may be: 2 too much");
}

TEST(DflopBatcher, NamesTheCapThatAllSamplesTogetherBreak) {
  BatchProblem problem{1, 2, {{1, 1, 1}}};
  problem.caps = {{"bytes of activations", {4, 4, 4}, 5}};
  ExpectInfeasible(problem, "the mean of 2 microbatches has 6 bytes of activations where 5 may be: 1 too much");
}

TEST(DflopBatcher, SaysWhereNothingIsLeftForABucket) {
  // Not the sample is too large: without it 3 bytes are missing already.
  BatchProblem problem{1, 2, {{1, 1}}};
  problem.caps.push_back({"bytes of activations", {5, 1}, -3});
  ExpectInfeasible(problem,
                   "no microbatch has room: what is held beside them already takes the place of 3 bytes of "
                   "activations more than there is");
}

TEST(DflopBatcher, EqualCountsDifferByAtMostOneAndAreOptimalSo) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomStream random(seed, "equal counts");
    const BatchProblem problem = RandomProblem(random, 7, 1, 3, 2);
    const auto equal = [](const BatchPlan& plan) {
      for (const auto& bucket : plan.buckets[0]) {
        if (bucket.size() < 2 || bucket.size() > 3) return false;
      }
      return true;
    };
    const BatchPlan plan =
        Solve(problem, R"({"name": "dflop", "encoder_bound": "bucket", "costs": "additive", "equal_counts": true})");
    EXPECT_TRUE(equal(plan)) << "seed " << seed;
    EXPECT_LE(LargestBucket(problem, plan), BestPossible(problem, false, equal) * (1 + 1e-9)) << "seed " << seed;
  }
}

TEST(DflopBatcher, EqualCountsHoldOnLargeBatches) {
  RandomStream random(3, "large");
  const BatchProblem problem = RandomProblem(random, 331, 2, 20, 3);  // 331 over 40: 11 of 9, 29 of 8
  const BatchPlan plan = Solve(problem, R"({"name": "dflop", "equal_counts": true})");
  int nines = 0;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      ASSERT_TRUE(bucket.size() == 8 || bucket.size() == 9);
      nines += bucket.size() == 9;
    }
  }
  EXPECT_EQ(nines, 11);
}

TEST(DflopBatcher, MoreBudgetIsNeverWorse) {
  const SchedulerInstances instances("llama3-8b");
  const BatchProblem problem = instances.Make(64, 16, 2);
  double before = HUGE_VAL;
  for (const char* evaluations : {"0", "1000", "30000", "1000000"}) {
    const double now = LargestBucket(
        problem, Solve(problem, R"({"name": "dflop", "encoder_bound": "bucket", "costs": "additive", "evaluations": )" +
                                    std::string(evaluations) + "}"));
    EXPECT_LE(now, before) << evaluations;
    before = now;
  }
}

TEST(DflopBatcher, ManyDimensionsAreBalancedAtOnce) {
  // Vision, audio and LLM: 96 samples on 8 buckets. Twelve samples a bucket leave hardly any gap.
  for (const int dimensions : {3, 5}) {
    RandomStream random(7, "many dimensions");
    const BatchProblem problem = RandomProblem(random, 96, 2, 4, dimensions);
    EXPECT_LE(LargestBucket(problem, Solve(problem)), BucketLowerBound(problem) * (dimensions == 3 ? 1.03 : 1.08));
  }
}

TEST(DflopBatcher, BadNumbersAreNamed) {
  const auto expect = [](const BatchProblem& problem, const std::string& about) {
    try {
      Solve(problem);
      ADD_FAILURE() << "should have said " << about;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(about), std::string::npos) << error.what();
    }
  };
  expect({1, 1, {{1, std::numeric_limits<double>::quiet_NaN()}}}, "sample 1 costs nan s in dimension 0");
  expect({1, 1, {{1, 1}, {std::numeric_limits<double>::infinity(), 1}}}, "sample 0 costs inf s in dimension 1");
  expect({1, 1, {{1, -2}}}, "sample 1 costs -2 s in dimension 0");
  expect({1, 1, {{0, 1}}}, "sample 0 costs 0 s in dimension 0");
  expect({1, 1, {{}}}, "a batch without samples");
  expect({2, 2, {{1, 1, 1}}}, "3 samples cannot fill 4 microbatches");
}

/// A separate layout of the small job with its context, as a run makes it.
struct SmallStep {
  SmallStep()
      : cost(SmallJob(2)),
        layout(BuildLayout(SeparateDegrees{{{1, 1, 4}}, {1, 1, 4}, 4, Communicator::kHub}, SmallVlm(), A100Nodes(2))),
        orders(OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)),
        batch(UnevenSamples(96, 11)) {}
  BatchProblem Problem() const { return MakeBatchProblem(BatchContext{cost, layout, orders, batch}); }

  CostModel cost;
  Layout layout;
  std::vector<DeviceOrder> orders;
  std::vector<SampleShape> batch;
};

std::vector<std::vector<int>> BucketsOf(const BatchPlan& plan) {
  std::vector<std::vector<int>> buckets;
  for (std::size_t k = 0; k < plan.buckets.front().size(); ++k) {
    for (const auto& replica : plan.buckets) buckets.push_back(replica[k]);
  }
  return buckets;
}

TEST(DflopBatcher, KeepsTheTokenCap) {
  const SmallStep step;
  const BatchProblem problem = step.Problem();
  std::vector<double> tokens;
  double all = 0;
  for (const SampleShape& sample : step.batch) tokens.push_back(sample.llm_tokens), all += sample.llm_tokens;
  const int limit = static_cast<int>(all / 16 * 1.02);
  const BatchPlan plan = Solve(problem, R"({"name": "dflop", "max_tokens": )" + std::to_string(limit) + "}");
  EXPECT_LE(LargestSum(tokens, plan), limit);
  EXPECT_EQ(plan.note, "");
}

TEST(PackedPolish, PricesBucketsAsTheStepDoes) {
  // The largest packed bucket is the busiest stage's time on its largest microbatch.
  const SmallStep step;
  const BatchProblem problem = step.Problem();
  const BatchPlan plan = Solve(problem);
  const StepCosts costs = PriceStep(step.cost, step.layout, DivideWork(plan, step.layout, step.cost, step.batch));
  double largest = 0;
  for (const auto& stage : costs.stages) {
    for (const PartCost& part : stage) {
      largest = std::max(largest, (part.forward.time + part.backward.time + part.weight_gradient.time).value());
    }
  }
  EXPECT_NEAR(LargestPackedBucket(problem, true, BucketsOf(plan)) / largest, 1.0, 1e-9);
}

TEST(PackedPolish, LowersThePackedCostAndKeepsEverySample) {
  const SmallStep step;
  const BatchProblem problem = step.Problem();
  const BatchPlan additive = Solve(problem, R"({"name": "dflop", "costs": "additive"})");
  const BatchPlan packed = Solve(problem, "dflop");
  EXPECT_EQ(WhyInvalid(packed, step.layout, problem.samples()), "");
  EXPECT_LE(LargestPackedBucket(problem, true, BucketsOf(packed)),
            LargestPackedBucket(problem, true, BucketsOf(additive)));
}

}  // namespace
}  // namespace dflop
