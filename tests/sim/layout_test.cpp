// Layers, ranks and groups of layouts by hand, why degrees are impossible, and how a batch plan is divided over them.
#include "sim/plan/layout.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "sim/plan/batch_plan.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

TEST(Layout, EarlierStagesTakeTheOddLayers) {
  EXPECT_EQ(SplitLayers(10, 4), (std::vector<int>{3, 3, 2, 2}));
  EXPECT_EQ(SplitLayers(8, 8), std::vector<int>(8, 1));
}

TEST(Layout, LastStageLeavesLayersToTheOthers) {
  // 10 over 4 gives the last stage 2; one fewer leaves 9 for three stages.
  EXPECT_EQ(SplitLayers(10, 4, 1), (std::vector<int>{3, 3, 3, 1}));
  EXPECT_EQ(SplitLayers(10, 4, 9), (std::vector<int>{3, 3, 3, 1}));  // never empty
  EXPECT_EQ(SplitLayers(10, 1, 3), std::vector<int>{10});            // nobody to leave them to
}

TEST(Layout, HomogeneousRanksAreTensorThenReplicaThenStage) {
  // tp 2, pp 2, dp 2 on 8 GPUs: stage 0 holds GPUs 0–3 (replica 0: 0–1, replica 1: 2–3), stage 1 GPUs 4–7.
  const Layout layout = BuildLayout(HomogeneousDegrees{2, 2, 2, 1, 4}, SmallVlm(), A100Nodes(1));
  ASSERT_EQ(layout.stages.size(), 4u);
  const auto first_gpu = [&](std::size_t s) {
    return layout.groups[static_cast<std::size_t>(layout.stages[s].group)].first_gpu;
  };
  EXPECT_EQ(first_gpu(0), 0);  // replica 0, depth 0
  EXPECT_EQ(first_gpu(1), 4);  // replica 0, depth 1
  EXPECT_EQ(first_gpu(2), 2);
  EXPECT_EQ(first_gpu(3), 6);
  EXPECT_EQ(layout.gpus_used(), 8);
}

TEST(Layout, EncoderRanksComeFirst) {
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 2, 2}}, {2, 1, 2}, 3, Communicator::kHub}, SmallVlm(), A100Nodes(1));
  for (const Stage& stage : layout.stages) {
    const int gpu = layout.groups[static_cast<std::size_t>(stage.group)].first_gpu;
    EXPECT_EQ(gpu < 4, stage.parts.front().module == 0);
  }
  EXPECT_EQ(layout.depth, 3);
  EXPECT_TRUE(layout.joins());
}

TEST(Layout, OneDeviceForEverythingHoldsAnEncoderStageAndAnLlmStage) {
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 4, 0, 2}, SmallVlm(), A100Nodes(1));
  EXPECT_EQ(layout.groups.size(), 4u);
  ASSERT_EQ(layout.stages.size(), 8u);
  EXPECT_EQ(layout.stages[2].group, 1);
  EXPECT_EQ(layout.stages[3].group, 1);
  EXPECT_TRUE(layout.stages[2].parts.front().has_output);
  EXPECT_TRUE(layout.stages[3].parts.front().has_input);
  const std::vector<DeviceOrder> orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const DeviceOrder one_after_the_other = {
      {OpKind::kForward, 0, 0}, {OpKind::kForward, 0, 1}, {OpKind::kBackward, 0, 1}, {OpKind::kBackward, 0, 0},
      {OpKind::kForward, 1, 0}, {OpKind::kForward, 1, 1}, {OpKind::kBackward, 1, 1}, {OpKind::kBackward, 1, 0}};
  EXPECT_EQ(orders[1], one_after_the_other);
}

TEST(Layout, EveryLayerStandsOnExactlyOneStageOfEachReplica) {
  for (int pp = 1; pp <= 8; ++pp) {
    for (int encoder_stages = pp > 1 ? 1 : 0; encoder_stages < std::max(pp, 1); ++encoder_stages) {
      const HomogeneousDegrees degrees{1, pp, 2, encoder_stages, 1};
      ASSERT_EQ(WhyImpossible(degrees, SmallVlm(), A100Nodes(2)), "");
      std::vector<int> layers(2);
      for (const Stage& stage : BuildLayout(degrees, SmallVlm(), A100Nodes(2)).stages) {
        if (stage.replica != 1) continue;
        for (const ModulePart& part : stage.parts) layers[static_cast<std::size_t>(part.module)] += part.layers;
      }
      EXPECT_EQ(layers, (std::vector<int>{8, 12}));
    }
  }
}

TEST(Layout, ImpossibleDegreesSayWhy) {
  const auto why = [](const HomogeneousDegrees& d) { return WhyImpossible(d, SmallVlm(), A100Nodes(1)); };
  EXPECT_NE(why({16, 1, 1, 0, 1}).find("16 GPUs"), std::string::npos) << why({16, 1, 1, 0, 1});
  EXPECT_NE(why({3, 1, 1, 0, 1}).find("does not divide the 8 heads"), std::string::npos);
  EXPECT_NE(why({1, 2, 1, 0, 1}).find("encoder stages"), std::string::npos);
  EXPECT_NE(why({1, 2, 1, 2, 1}).find("encoder stages"), std::string::npos);
  // Two encoder GPUs, then LLM groups of four: GPUs 2–5 stay in the node, 6–9 do not.
  const SeparateDegrees crossing{{{1, 1, 2}}, {4, 1, 2}, 1, Communicator::kHub};
  EXPECT_NE(WhyImpossible(crossing, SmallVlm(), A100Nodes(2)).find("would cross nodes"), std::string::npos);
  const SeparateDegrees deep{{{1, 9, 1}}, {1, 1, 1}, 1, Communicator::kHub};
  EXPECT_NE(WhyImpossible(deep, SmallVlm(), A100Nodes(2)).find("8 layers, too few for 9 stages"), std::string::npos);
}

TEST(Layout, FileKeepsEveryStage) {
  const Layout layout =
      BuildLayout(SeparateDegrees{{{2, 2, 1}}, {1, 3, 2}, 5, Communicator::kDirect}, SmallVlm(), A100Nodes(2));
  const Json json = ToJson(layout);
  EXPECT_EQ(ToJson(ReadLayout(JsonReader(json, "plan.json"))), json);
}

TEST(BatchPlan, NamesWhatIsWrong) {
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 2, 0, 2}, SmallVlm(), A100Nodes(1));
  EXPECT_EQ(WhyInvalid({{{{0}, {1}}, {{2}, {3, 4}}}}, layout, 5), "");
  EXPECT_EQ(WhyInvalid({{{{0}, {1}}, {{2}, {3, 3}}}}, layout, 5), "runs sample 3 twice");
  EXPECT_EQ(WhyInvalid({{{{0}, {1}}, {{2}, {3}}}}, layout, 5), "forgets sample 4");
  EXPECT_EQ(WhyInvalid({{{{0, 1}, {2}}, {{3, 4}, {}}}}, layout, 5), "leaves a microbatch empty");
  EXPECT_EQ(WhyInvalid({{{{0, 1}, {2, 3, 4}}}}, layout, 5), "has 1 replicas, the layout 2");
}

TEST(BatchPlan, EncoderReplicasShareTheUnionEvenly) {
  // Buckets of microbatch 0: 5 + 6 tiles over three encoder replicas: 4, 4, 3.
  const CostModel cost = SmallJob(1);
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 3}}, {1, 1, 2}, 1, Communicator::kHub}, SmallVlm(), A100Nodes(1));
  const StepWork work = DivideWork({{{{0}}, {{1}}}}, layout, cost, {{{5}, 1000, 10}, {{6}, 500, 10}});
  EXPECT_DOUBLE_EQ(work[0][0][0].tokens, 4 * 729);
  EXPECT_DOUBLE_EQ(work[0][1][0].tokens, 4 * 729);
  EXPECT_DOUBLE_EQ(work[0][2][0].tokens, 3 * 729);
  EXPECT_DOUBLE_EQ(work[1][0][0].tokens, 1000);
  EXPECT_DOUBLE_EQ(work[1][1][0].tokens, 500);
}

TEST(BatchPlan, HomogeneousReplicaEncodesItsOwnTiles) {
  const CostModel cost = SmallJob(1);
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 2, 2, 1, 1}, SmallVlm(), A100Nodes(1));
  const StepWork work = DivideWork({{{{0}}, {{1}}}}, layout, cost, {{{5}, 1000, 10}, {{6}, 500, 10}});
  EXPECT_DOUBLE_EQ(work[0][0][0].tokens, 5 * 729);
  EXPECT_DOUBLE_EQ(work[0][1][0].tokens, 6 * 729);
}

// A batch of 10^6 samples with 10^6 tiles each is allowed; 3,000 such are already more than an int holds.
TEST(BatchPlan, TilesAreCountedBeyondTheRangeOfAnInt) {
  const std::vector<SampleShape> batch(3000, {{1'000'000}, 1000, 10});
  std::vector<int> all(batch.size());
  std::iota(all.begin(), all.end(), 0);
  const CostModel cost = SmallJob(1);
  const Layout own = BuildLayout(HomogeneousDegrees{1, 1, 1, 0, 1}, SmallVlm(), A100Nodes(1));
  EXPECT_DOUBLE_EQ(DivideWork({{{all}}}, own, cost, batch)[0][0][0].tokens, 3e9 * 729);
  const Layout united =
      BuildLayout(SeparateDegrees{{{1, 1, 2}}, {1, 1, 1}, 1, Communicator::kHub}, SmallVlm(), A100Nodes(1));
  EXPECT_DOUBLE_EQ(DivideWork({{{all}}}, united, cost, batch)[0][1][0].tokens, 1.5e9 * 729);
}

}  // namespace
}  // namespace dflop
