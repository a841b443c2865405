// The pruned search against Algorithm 1's loops as printed.
#include "policies/layout_search/means_search.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// A job drawn at random: cluster, memory, software, batch, samples.
struct RandomJob {
  CostModel cost;
  std::vector<SampleShape> samples;
  int global_batch_size;
  std::unique_ptr<BatchScheduler> batcher = Plugin<BatchScheduler>("in-order");
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");

  explicit RandomJob(RandomStream& random)
      : cost(DrawCost(random)),
        samples(UnevenSamples(8 + static_cast<int>(random.Below(64)), random.Next())),
        global_batch_size(16 + static_cast<int>(random.Below(240))) {}
  PlanningProblem problem() { return {cost, global_batch_size, samples, *batcher, *schedule, 1}; }

 private:
  static CostModel DrawCost(RandomStream& random) {
    ClusterSpec cluster = A100Nodes(1 + static_cast<int>(random.Below(5)));
    cluster.only_node().gpu.memory = Bytes(4e9 + 1e9 * static_cast<double>(random.Below(20)));
    SoftwareStack software;
    software.recompute = random.Below(2) == 0 ? Recompute::kNone : Recompute::kFull;
    software.sharding = random.Below(2) == 0 ? Sharding::kOptimizer : Sharding::kNone;
    return {SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), software};
  }
};

struct Best {
  Seconds time{0};
  std::size_t order = 0;
  int microbatches = 0;
};

std::vector<Best> PlainLoop(MeansFormula& formula, const std::vector<SeparatePair>& pairs, int global_batch_size) {
  std::vector<Best> all;
  for (std::size_t order = 0; order < pairs.size(); ++order) {
    Best best;
    for (int i = 1; i <= global_batch_size / pairs[order].llm.dp; ++i) {
      const std::optional<Seconds> time = formula.StepTime(pairs[order], i);
      if (time && (best.microbatches == 0 || *time < best.time)) best = {*time, order, i};
    }
    if (best.microbatches > 0) all.push_back(best);
  }
  std::stable_sort(all.begin(), all.end(), [](const Best& a, const Best& b) { return a.time < b.time; });
  return all;
}

TEST(MeansSearch, GivesTheOrderOfThePlainLoopOnRandomJobs) {
  RandomStream random(7, "means search");
  std::size_t feasible = 0;
  for (int trial = 0; trial < 40; ++trial) {
    RandomJob job(random);
    MeansFormula formula(job.problem());
    const std::vector<SeparatePair> pairs = SeparatePairs(job.problem());
    const std::vector<Best> expected = PlainLoop(formula, pairs, job.global_batch_size);
    feasible += expected.empty() ? 0 : 1;
    MeansSearch search(formula, pairs);
    for (std::size_t i = 0; i < std::min<std::size_t>(expected.size(), trial < 4 ? pairs.size() : 30); ++i) {
      const auto choice = search.Next();
      ASSERT_TRUE(choice) << "trial " << trial << ", place " << i;
      EXPECT_EQ(choice->order, expected[i].order) << "trial " << trial << ", place " << i;
      EXPECT_EQ(choice->microbatches, expected[i].microbatches) << "trial " << trial << ", place " << i;
      EXPECT_EQ(choice->time, expected[i].time) << "trial " << trial << ", place " << i;
    }
  }
  EXPECT_GE(feasible, 30u);
}

TEST(MeansSearch, GivesTheOrderOfThePlainLoopOnAThousandGpus) {
  const ClusterSpec cluster = A100Nodes(128);
  SoftwareStack software;
  software.recompute = Recompute::kFull;
  const CostModel cost(BuiltInModel("llava-ov-siglip-2.4b-llama3-8b"), cluster,
                       BuiltInKernelCosts(cluster.only_node().gpu), software);
  const auto samples = UnevenSamples(256, 5);
  const auto batcher = Plugin<BatchScheduler>("in-order");
  const auto schedule = Plugin<PipelineSchedule>("1f1b");
  const PlanningProblem problem{cost, 256, samples, *batcher, *schedule, 1};
  MeansFormula formula(problem);
  const std::vector<SeparatePair> pairs = SeparatePairs(problem);
  const std::vector<Best> expected = PlainLoop(formula, pairs, 256);
  MeansSearch search(formula, pairs);
  for (std::size_t i = 0; i < 50; ++i) {
    const auto choice = search.Next();
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->order, expected[i].order) << "place " << i;
    EXPECT_EQ(choice->microbatches, expected[i].microbatches) << "place " << i;
  }
  EXPECT_LT(search.evaluated(), 230'000u);  // a tenth of 2.3 million
}

TEST(MeansSearch, EndsWhenNothingFitsAnyMore) {
  RandomStream random(8, "means search");
  RandomJob job(random);
  MeansFormula formula(job.problem());
  const std::vector<SeparatePair> pairs = SeparatePairs(job.problem());
  const std::size_t feasible = PlainLoop(formula, pairs, job.global_batch_size).size();
  MeansSearch search(formula, pairs);
  for (std::size_t i = 0; i < feasible; ++i) EXPECT_TRUE(search.Next());
  EXPECT_FALSE(search.Next());
}

TEST(MeansSearch, WorksOutOnlyAFractionOfAllCounts) {
  ClusterSpec cluster = A100Nodes(8);
  const CostModel cost(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const auto samples = UnevenSamples(64, 1);
  const auto batcher = Plugin<BatchScheduler>("in-order");
  const auto schedule = Plugin<PipelineSchedule>("1f1b");
  const PlanningProblem problem{cost, 256, samples, *batcher, *schedule, 1};
  MeansFormula formula(problem);
  std::size_t all = 0;
  for (const SeparatePair& pair : SeparatePairs(problem)) all += static_cast<std::size_t>(256 / pair.llm.dp);
  MeansSearch search(formula, SeparatePairs(problem));
  search.Next();
  EXPECT_LT(search.evaluated(), all / 10);
}

TEST(MeansSearch, ARefusedChoiceComesBackWithMoreMicrobatches) {
  RandomStream random(9, "means search");
  RandomJob job(random);
  MeansFormula formula(job.problem());
  MeansSearch search(formula, SeparatePairs(job.problem()));
  const auto first = search.Next();
  ASSERT_TRUE(first);
  search.Refuse(*first);
  while (const auto next = search.Next()) {
    if (next->order != first->order) continue;
    EXPECT_GT(next->microbatches, first->microbatches);
    EXPECT_EQ(next->time, formula.StepTime(next->pair, next->microbatches));
    return;
  }
  EXPECT_EQ(first->microbatches, job.global_batch_size / first->pair.llm.dp) << "no further count was left";
}

TEST(MeansFormula, DividesTheOptimizerByEveryReplicaCountThatIsAsked) {
  // With a distributed optimizer the state of one stage falls as replicas grow; 18 bytes per parameter, 12 of them
  // optimizer: with very many replicas a third of the state is left.
  SoftwareStack software;
  software.sharding = Sharding::kOptimizer;
  const ModelProfile profile = ProfileModel(SmallJob(1, software));
  const ModuleProfile& llm = profile.modules[1];
  const double alone = llm.State(llm.ranks[0], 1, 1).value();
  EXPECT_NEAR(llm.State(llm.ranks[0], 1, 1000000).value() / alone, 6.0 / 18, 1e-5);
  EXPECT_NEAR(llm.State(llm.ranks[0], 1, 2).value() / alone, 12.0 / 18, 1e-12);
}

}  // namespace
}  // namespace dflop
