// The released code's rule on instances small enough to follow by hand.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "policies/plan_simulator.hpp"
#include "policies/released_rule.hpp"
#include "tests/plan_support.hpp"

namespace dflop {
namespace {

std::vector<ReleasedChoice> Choices(const std::vector<std::pair<double, int>>& time_and_count) {
  std::vector<ReleasedChoice> choices;
  for (const auto& [time, count] : time_and_count) choices.push_back({{}, count, Seconds(time)});
  return choices;
}

TEST(PickAsReleased, DependsOnTheOrder) {
  // 10 s with 8; 10.9 s with 4 is within 1.1 × 10; 11.9 s with 2 within 1.1 × 10.9, though 19 % above the best.
  EXPECT_EQ(PickAsReleased(Choices({{10, 8}, {10.9, 4}, {11.9, 2}})), 2u);
  // Without the step in between it is not, and 10.9 s comes too late to lead there.
  EXPECT_EQ(PickAsReleased(Choices({{10, 8}, {11.9, 2}, {10.9, 4}})), 2u);
  EXPECT_EQ(PickAsReleased(Choices({{11.9, 2}, {10, 8}, {10.9, 4}})), 0u);
}

TEST(PickAsReleased, IgnoresAFasterChoiceWithAsManyMicrobatches) {
  EXPECT_EQ(PickAsReleased(Choices({{10, 4}, {1, 4}, {1, 5}})), 0u);
  EXPECT_EQ(PickAsReleased(Choices({{10, 4}, {11, 3}})), 0u);  // 1.1 × itself is not below
}

struct Job {
  CostModel cost = SmallJob();
  // Mean 5 tiles and 1,500 tokens; largest sample 8 tiles and 2,000 tokens.
  std::vector<SampleShape> samples = {{{2}, 1000, 100}, {{8}, 2000, 100}};
  std::unique_ptr<BatchScheduler> batcher = Plugin<BatchScheduler>("lpt-2d");
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");
  PlanningProblem problem() { return {cost, 32, samples, *batcher, *schedule, 1}; }
};

TEST(ReleasedRule, TakesTheSmallestCountWhoseMeanShapesAreNoLargerThanTheLargestSample) {
  Job job;
  const ReleasedRule rule(job.problem());
  // Tiles: 5·32/(2·m) ≤ 8 from m = 10; tokens: 1500·32/(2·m) ≤ 2000 from m = 12.
  EXPECT_EQ(rule.Microbatches({ModuleDegrees{1, 1, 2}, {1, 1, 2}}), 12);
  // Tiles: 5·32/(1·m) ≤ 8 from m = 20 only, but there are no more than 32/4 = 8 microbatches: the last one tried.
  EXPECT_EQ(rule.Microbatches({ModuleDegrees{1, 1, 1}, {1, 1, 4}}), 8);
  // More encoder replicas than samples: m·dp ≤ 32 leaves none to try.
  EXPECT_EQ(rule.Microbatches({ModuleDegrees{1, 1, 33}, {1, 1, 1}}), 0);
}

TEST(ReleasedRule, AveragesTheRatesOfTheLlmByTheirShareOfTheFlops) {
  Job job;
  const ReleasedRule rule(job.problem());
  const SeparatePair pair{ModuleDegrees{1, 1, 4}, {2, 2, 1}};
  const int m = 16;  // two samples per microbatch: 3,000 tokens, 10/4 tiles
  const ModelProfile profile = ProfileModel(job.cost);
  const ModuleProfile& llm = profile.modules[1];
  const RankProfile& rank = *llm.Find(2);
  const double linear = llm.linear_flops.value() * 1500;
  const double attention = llm.attention_flops.value() * (1000.0 * 1000 + 2000.0 * 2000) / 2;
  const double rate = (linear * rank.linear.At(3000).value() +
                       attention * (rank.attention.At(1000).value() + rank.attention.At(2000).value()) / 2) /
                      (linear + attention);
  const double llm_time = 2 * (linear + attention) / (rate * 2 * 2);
  const double encoder_time = profile.modules[0].LinearTime(profile.modules[0].ranks[0], 2.5).value();
  EXPECT_NEAR(rule.StepTime(pair, m).value(), (m + 3 - 1) * std::max(llm_time, encoder_time), 1e-9);
}

TEST(ReleasedRule, WantsAQuarterMoreMemoryThanItsEstimate) {
  // Encoder: 1.25·(state + (1 + 1)·activations of 8 tiles); the LLM has room to spare beside it when it is large.
  Job job;
  const ModelProfile profile = ProfileModel(job.cost);
  const ModuleProfile& llm = profile.modules[1];
  const double bytes = 1.25 * (llm.State(llm.ranks[0], 1, 1).value() + llm.ranks[0].activations.value() * 2000);
  for (const double room : {0.999, 1.001}) {
    ClusterSpec cluster = A100Nodes(1);
    cluster.node.gpu.memory = Bytes(room * bytes);
    job.cost = CostModel(SmallVlm(), cluster, BuiltInKernelCosts(cluster.node.gpu), {});
    EXPECT_EQ(ReleasedRule(job.problem()).Fits({ModuleDegrees{8, 1, 1}, {1, 1, 1}}), room > 1);
  }
}

TEST(DflopAsReleased, PicksNoMoreMicrobatchesThanThePapersRule) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Job job;
    job.cost = SmallJob(2);
    job.samples = UnevenSamples(32, seed);
    const LayoutDecision released = Plugin<LayoutPlanner>("dflop-as-released")->Plan(job.problem());
    const LayoutDecision paper = Plugin<LayoutPlanner>("dflop")->Plan(job.problem());
    EXPECT_LE(released.layout.microbatches, paper.layout.microbatches) << "seed " << seed;
    EXPECT_EQ(released.layout.gpus_used(), 16);
    EXPECT_TRUE(released.candidates.front().fits);
  }
}

TEST(DflopPlanners, GiveATextOnlyModelAllGpus) {
  Job job;
  ModelSpec text_only = SmallVlm();
  text_only.encoders.clear();
  job.cost = CostModel(text_only, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).node.gpu), {});
  job.samples = {{{}, 1000, 1000}, {{}, 300, 300}};
  for (const char* name : {"dflop", "dflop-as-released"}) {
    const Layout layout = Plugin<LayoutPlanner>(name)->Plan(job.problem()).layout;
    EXPECT_EQ(layout.gpus_used(), 8) << name;
    EXPECT_EQ(layout.degrees.size(), 1u) << name;
  }
}

TEST(DflopAsReleased, SaysWhatDoesNotFit) {
  Job job;
  ClusterSpec cluster = A100Nodes(1);
  cluster.node.gpu.memory = Bytes(1e9);
  job.cost = CostModel(SmallVlm(), cluster, BuiltInKernelCosts(cluster.node.gpu), {});
  try {
    Plugin<LayoutPlanner>("dflop-as-released")->Plan(job.problem());
    FAIL() << "found room in 1 GB";
  } catch (const Infeasible& infeasible) {
    EXPECT_NE(std::string(infeasible.what()).find("largest term is"), std::string::npos) << infeasible.what();
  }
}

}  // namespace
}  // namespace dflop
