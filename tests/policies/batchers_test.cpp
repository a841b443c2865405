// What holds of every batch scheduler; the simple ones by hand; and whether sums of samples predict a stage's time.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/build/step_costs.hpp"
#include "tests/policies/scheduler_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

Layout LayoutOf(const BatchProblem& problem) {
  Layout layout;
  layout.pipelines = {0};
  layout.replicas = {problem.replicas};
  layout.microbatches = problem.microbatches;
  return layout;
}

/// All but the one that decides nothing: it wants a file.
std::vector<std::string> Deciding() {
  std::vector<std::string> names = Registry<BatchScheduler>::Instance().Names();
  std::erase(names, "buckets");
  return names;
}

class EveryBatcher : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Batchers, EveryBatcher, testing::ValuesIn(Deciding()));

/// An integer program takes a second where the others take a millisecond.
std::uint64_t SeedsFor(const std::string& batcher) {
  return batcher == "dflop-ilp" || batcher == "dflop-as-released" ? 12 : 300;
}

TEST_P(EveryBatcher, RunsEverySampleOnceAndLeavesNoBucketEmpty) {
  for (std::uint64_t seed = 1; seed <= SeedsFor(GetParam()); ++seed) {
    RandomStream random(seed, "batcher property");
    const int replicas = 1 + static_cast<int>(random.Below(4));
    const int microbatches = 1 + static_cast<int>(random.Below(6));
    const int samples = replicas * microbatches + static_cast<int>(random.Below(40));
    const BatchProblem problem = RandomProblem(random, samples, replicas, microbatches, 1 + static_cast<int>(seed % 3));
    const BatchPlan plan = Plugin<BatchScheduler>(GetParam())->Schedule(problem, random);
    ASSERT_EQ(WhyInvalid(plan, LayoutOf(problem), samples), "") << GetParam() << ", seed " << seed;
    ASSERT_GE(LargestBucket(problem, plan), BucketLowerBound(problem) * (1 - 1e-12)) << "seed " << seed;
  }
}

TEST_P(EveryBatcher, GivesTheSamePlanForTheSameStream) {
  RandomStream random(3, "problem");
  const BatchProblem problem = RandomProblem(random, 50, 2, 4, 2);
  RandomStream first(9, "batch");
  RandomStream second(9, "batch");
  EXPECT_EQ(Plugin<BatchScheduler>(GetParam())->Schedule(problem, first).buckets,
            Plugin<BatchScheduler>(GetParam())->Schedule(problem, second).buckets);
}

TEST(DataBlindBatchers, CountsDifferByAtMostOne) {
  for (const char* name : {"random", "in-order"}) {
    RandomStream random(1, "counts");
    const BatchProblem problem = RandomProblem(random, 23, 2, 4, 2);  // 23 over 8: seven of 3, one of 2
    std::size_t least = 100;
    std::size_t most = 0;
    for (const auto& replica : Plugin<BatchScheduler>(name)->Schedule(problem, random).buckets) {
      for (const auto& bucket : replica) {
        least = std::min(least, bucket.size());
        most = std::max(most, bucket.size());
      }
    }
    EXPECT_EQ(least, 2u);
    EXPECT_EQ(most, 3u);
  }
}

TEST(RandomBatcher, IgnoresCosts) {
  RandomStream random(1, "costs");
  BatchProblem problem = RandomProblem(random, 40, 2, 4, 2);
  RandomStream first(5, "batch");
  const auto before = Plugin<BatchScheduler>("random")->Schedule(problem, first).buckets;
  problem.costs[0][7] *= 100;
  RandomStream second(5, "batch");
  EXPECT_EQ(Plugin<BatchScheduler>("random")->Schedule(problem, second).buckets, before);
}

TEST(Lpt, ReachesAHandMadeOptimum) {
  // 5, 4, 3, 3, 3 on two buckets: LPT gives 5+3 = 8 and 4+3+3 = 10; the optimum is 9 (5+4 | 3+3+3).
  RandomStream random(1, "unused");
  const BatchProblem problem{1, 2, {{3, 5, 3, 4, 3}}};
  EXPECT_DOUBLE_EQ(LargestBucket(problem, Plugin<BatchScheduler>("lpt-2d")->Schedule(problem, random)), 10);
  EXPECT_DOUBLE_EQ(BestPossible(problem), 9);
}

TEST(Lpt, BalancesBothDimensionsAtOnce) {
  // Encoder-heavy (4, 1) and LLM-heavy (1, 4) samples, two of each: one of either kind per bucket gives (5, 5).
  RandomStream random(1, "unused");
  const BatchProblem problem{2, 1, {{4, 4, 1, 1}, {1, 1, 4, 4}}};
  EXPECT_DOUBLE_EQ(LargestBucket(problem, Plugin<BatchScheduler>("lpt-2d")->Schedule(problem, random)), 5);
}

TEST(Lpt, KeepsGrahamsBoundAgainstEnumeration) {
  // One dimension: LPT ≤ (4/3 − 1/(3B)) of the optimum (Graham 1969), on 60 random instances.
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomStream random(seed, "graham");
    const int buckets = 2 + static_cast<int>(seed % 2);
    const BatchProblem problem = RandomProblem(random, 8, 1, buckets, 1);
    const double lpt = LargestBucket(problem, Plugin<BatchScheduler>("lpt-2d")->Schedule(problem, random));
    EXPECT_LE(lpt, BestPossible(problem) * (4.0 / 3.0 - 1.0 / (3.0 * buckets)) * (1 + 1e-12)) << "seed " << seed;
  }
}

TEST(BatchProblem, SharedDevicesAreOneDimension) {
  const CostModel cost = SmallJob(1);
  const auto batch = UnevenSamples(16, 1);
  const Layout shared = BuildLayout(HomogeneousDegrees{1, 1, 4, 0, 2}, SmallVlm(), A100Nodes(1));
  const Layout staged = BuildLayout(HomogeneousDegrees{1, 2, 4, 1, 2}, SmallVlm(), A100Nodes(1));
  EXPECT_EQ(MakeBatchProblem(cost, shared, batch).costs.size(), 1u);
  EXPECT_EQ(MakeBatchProblem(cost, staged, batch).costs.size(), 2u);
}

TEST(BatchProblem, SeparateEncoderIsScaledToItsReplicas) {
  // The same microbatch runs on 2 or on 4 encoder replicas; a bucket's encoder cost follows L_dp/E_dp: 4/2 and 4/4, up
  // to the efficiency of smaller encoder batches.
  const CostModel cost = SmallJob(2);
  const std::vector<SampleShape> batch(64, {{8}, 2000, 100});
  const auto encoder_cost = [&](int encoder_dp) {
    const Layout layout =
        BuildLayout(SeparateDegrees{{{1, 1, encoder_dp}}, {1, 1, 4}, 2, Communicator::kHub}, SmallVlm(), A100Nodes(2));
    return MakeBatchProblem(cost, layout, batch).costs[0][0];
  };
  EXPECT_NEAR(encoder_cost(2) / encoder_cost(4), 2.0, 0.1);
}

TEST(BatchProblem, SumsPredictTheStageTimeOfEqualBuckets) {
  // With equal samples every bucket is the mean bucket, so the sum of its samples' costs is its stage's time.
  const CostModel cost = SmallJob(1);
  const std::vector<SampleShape> batch(16, {{4}, 1000, 100});
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 4, 0, 2}, SmallVlm(), A100Nodes(1));
  const BatchProblem problem = MakeBatchProblem(cost, layout, batch);
  RandomStream random(1, "unused");
  const BatchPlan plan = Plugin<BatchScheduler>("in-order")->Schedule(problem, random);
  const StepCosts costs = PriceStep(cost, layout, DivideWork(plan, layout, cost, batch));
  double time = 0;  // of the encoder's stage and the LLM's on the first device
  for (const std::size_t s : {0u, 1u}) {
    const PartCost& stage = costs.stages[s][0];
    time += (stage.forward.time + stage.backward.time + stage.weight_gradient.time).value();
  }
  EXPECT_NEAR(LargestBucket(problem, plan) / time, 1.0, 1e-9);
}

TEST(BatchProblem, SumsPredictTheStageTimesOfUnevenBuckets) {
  // A bucket's LLM costs are its LLM stage's time; an encoder replica's time is the mean of the encoder costs of the
  // four buckets whose union it shares (L_dp/E_dp · Σ over all buckets / L_dp). Both up to what kernels gain or lose in
  // efficiency away from the mean microbatch.
  const ClusterSpec cluster = A100Nodes(4);
  const CostModel cost(BuiltInModel("llava-ov-siglip-2.4b-llama3-8b"), cluster,
                       BuiltInKernelCosts(cluster.only_node().gpu), {});
  const Layout layout =
      BuildLayout(SeparateDegrees{{{2, 1, 2}}, {4, 1, 4}, 4, Communicator::kHub}, cost.model(), cluster);
  const auto batch = UnevenSamples(64, 5);
  const BatchProblem problem = MakeBatchProblem(cost, layout, batch);
  RandomStream random(5, "uneven buckets");
  const BatchPlan plan = Plugin<BatchScheduler>("random")->Schedule(problem, random);
  const StepCosts costs = PriceStep(cost, layout, DivideWork(plan, layout, cost, batch));
  const auto time = [&](std::size_t stage, std::size_t k) {
    const PartCost& part = costs.stages[stage][k];
    return (part.forward.time + part.backward.time + part.weight_gradient.time).value();
  };
  const auto sum = [&](std::size_t dimension, const std::vector<int>& bucket) {
    double load = 0;
    for (const int i : bucket) load += problem.costs[dimension][static_cast<std::size_t>(i)];
    return load;
  };
  for (std::size_t k = 0; k < 4; ++k) {
    double encoder = 0;
    for (std::size_t r = 0; r < 4; ++r) {
      encoder += sum(0, plan.buckets[r][k]) / 4;
      EXPECT_NEAR(sum(1, plan.buckets[r][k]) / time(2 + r, k), 1.0, 0.05);
    }
    EXPECT_NEAR(encoder / time(0, k), 1.0, 0.05);
  }
}

TEST(Registry, UnknownNameOrParameterSaysWhatIsAllowed) {
  EXPECT_THROW(Plugin<BatchScheduler>("lpt"), InputError);
  EXPECT_THROW(Plugin<BatchScheduler>(R"({"name": "random", "seed": 1})"), InputError);
  try {
    Plugin<BatchScheduler>("lpt-2");
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean \"lpt-2d\""), std::string::npos) << error.what();
  }
}

TEST(Registry, DuplicateNameAborts) {
  EXPECT_DEATH(Registry<BatchScheduler>::Instance().Add({"random", "again", {}}, nullptr),
               "two plug-ins are called random");
}

}  // namespace
}  // namespace dflop
