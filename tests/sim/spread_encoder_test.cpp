// An encoder on every device of the LLM's pipeline: what a step lasts, by hand, and what such a layout may be.
#include <gtest/gtest.h>

#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/plan/layout_check.hpp"
#include "sim/plan/training_check.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

SeparateDegrees Spread(int encoder_tp, const ModuleDegrees& llm, int microbatches) {
  return {.encoders = {{.tp = encoder_tp, .spread = true}},
          .llm = llm,
          .microbatches = microbatches,
          .communicator = Communicator::kDirect};
}

TEST(SpreadEncoder, EncodesBeforeThePipelineAndRunsItsBackwardBehind) {
  // Two stages, two microbatches: encoder 1 s forward and 2 s backward a microbatch on each device, LLM 3 and 6 s a
  // stage. Both devices encode for 2 s, 1F1B takes (m + p − 1)·(3 + 6) = 27 s, then the first device has 4 s of the
  // encoder's backward left: 33 s. Encoders' backwards on the second device fit in beside.
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(Spread(1, {.tp = 1, .pp = 2, .dp = 1}, 2), cost.model(), cost.cluster());
  EXPECT_EQ(FindFault(layout, cost.model(), cost.cluster()).what, "");
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const StepCosts costs = HandMadeCosts(layout, [&](const Stage& stage, int) {
    return cost.model().is_llm(stage.parts.front().module) ? std::pair(3.0, 6.0) : std::pair(1.0, 2.0);
  });
  const OperationGraph graph =
      BuildGraph({cost, layout, orders}, TinyWork(cost, layout), costs, {.communication = kNoCommunication});
  EXPECT_DOUBLE_EQ(MakeReplayEngine()->Run(graph).makespan.value(), 33);
}

TEST(SpreadEncoder, DividesEveryMicrobatchOverAllDevices) {
  // Four device groups of two GPUs, an encoder of one rank each: eight copies, 16 tiles a microbatch of both replicas
  // together, four on each group and two on each GPU.
  const CostModel cost = SmallJob(2);
  const Layout layout = BuildLayout(Spread(1, {.tp = 2, .pp = 2, .dp = 2}, 1), cost.model(), cost.cluster());
  EXPECT_EQ(layout.gpus_used(), 8);
  EXPECT_EQ(DegreesOf(layout).front().dp, 8);
  EXPECT_EQ(layout.copies(layout.stages.front().parts.front()), 8);
  const StepWork work = DivideWork({.buckets = {{{0}}, {{1}}}}, layout, cost, {{{10}, 2000, 90}, {{6}, 1500, 90}});
  ASSERT_EQ(work[0].size(), 4u);
  const double tile = cost.model().encoders.front().tokens_per_tile();
  for (const auto& replica : work[0]) EXPECT_EQ(replica[0].tokens, 4 * tile);
  const ModulePart& part = layout.stages.front().parts.front();
  EXPECT_EQ(BusiestShare(cost.model(), cost.software(), part, work[0][0][0]).tokens, 2 * tile);
}

TEST(SpreadEncoder, SharesMemoryWithTheLlm) {
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(Spread(2, {.tp = 2, .pp = 2, .dp = 1}, 2), cost.model(), cost.cluster());
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const StepWork work = TinyWork(cost, layout);
  const MemoryUse use = PeakMemory({cost, layout, orders}, work);
  const double encoder = cost.State(layout.stages.front().parts.front(), 2).weights.value();
  const double llm = cost.State(layout.stages.back().parts.front(), 1).weights.value();
  EXPECT_GT(use.peak.value(), encoder + llm);
  ASSERT_EQ(use.stages.size(), 3u);  // the encoder once, the LLM's two stages apart
  EXPECT_EQ(use.stages[0].weights.value(), encoder);
  EXPECT_EQ(use.stages[1].stage, 0);
  EXPECT_EQ(use.stages[2].stage, 1);
}

TEST(SpreadEncoder, ItsTensorParallelRanksDivideADeviceGroup) {
  const CostModel cost = SmallJob();
  EXPECT_EQ(WhyImpossible(Spread(4, {.tp = 2, .pp = 2, .dp = 1}, 2), cost.model(), cost.cluster()),
            "tensor parallelism 4 of vision does not divide the 2 GPUs of a device group that it is spread over; "
            "nearest that does: 2");
  EXPECT_EQ(WhyImpossible(Spread(2, {.tp = 2, .pp = 2, .dp = 1, .cp = 2}, 2), cost.model(), cost.cluster()), "");
}

TEST(SpreadEncoder, ItsMessagesDoNotBlock) {
  const CostModel cost = SmallJob();
  SeparateDegrees degrees = Spread(1, {.tp = 1, .pp = 2, .dp = 1}, 2);
  EXPECT_EQ(WhyNotTrained(cost, BuildLayout(degrees, cost.model(), cost.cluster())), "");
  degrees.communicator = {Communicator::Route::kDirect, true};
  const std::string why = WhyNotTrained(cost, BuildLayout(degrees, cost.model(), cost.cluster()));
  EXPECT_NE(why.find("cannot block"), std::string::npos) << why;
}

TEST(SpreadEncoder, ComesBackFromAFileAsItWas) {
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(Spread(1, {.tp = 2, .pp = 2, .dp = 2}, 2), cost.model(), cost.cluster());
  const Json json = ToJson(layout);
  const Layout back = ReadLayout(JsonReader(json, "layout"));
  EXPECT_EQ(FindFault(back, cost.model(), cost.cluster()).what, "");
  EXPECT_EQ(ToJson(back), json);
}

TEST(LayersPerStage, AreTakenAsGivenWithEmbeddingAndHeadAlone) {
  // Twelve layers: the first stage embeds and no more, the last has the head alone.
  const CostModel cost = SmallJob();
  HomogeneousDegrees degrees{.pp = 5, .encoder_stages = 1};
  degrees.layers_per_stage = {0, 7, 5, 0};
  const Layout layout = BuildLayout(degrees, cost.model(), cost.cluster());
  EXPECT_EQ(FindFault(layout, cost.model(), cost.cluster()).what, "");
  const ModulePart& embeds = layout.stages[1].parts.front();
  const ModulePart& ends = layout.stages[4].parts.front();
  EXPECT_EQ(embeds.layers, 0);
  EXPECT_TRUE(embeds.has_input);
  EXPECT_FALSE(embeds.has_output);
  EXPECT_EQ(layout.stages[2].parts.front().layers, 7);
  EXPECT_FALSE(layout.stages[2].parts.front().has_input);
  EXPECT_TRUE(ends.has_output);
  EXPECT_GT(cost.Parameters(ends), 0);
}

TEST(LayersPerStage, ThatDoNotAddUpAreTold) {
  const CostModel cost = SmallJob();
  const auto why = [&](std::vector<int> layers) {
    HomogeneousDegrees degrees{.pp = 4, .encoder_stages = 1};
    degrees.layers_per_stage = std::move(layers);
    return WhyImpossible(degrees, cost.model(), cost.cluster());
  };
  EXPECT_EQ(why({4, 4, 4}), "");
  EXPECT_NE(why({4, 4, 5}).find("adds up to 13, "), std::string::npos) << why({4, 4, 5});
  EXPECT_NE(why({4, 4, 5}).find("evenly they would be 4, 4, 4"), std::string::npos);
  EXPECT_NE(why({8, 4}).find("layers_per_stage has 2 entries, "), std::string::npos) << why({8, 4});
  EXPECT_NE(why({6, 0, 6}).find("leaves stage 1 empty"), std::string::npos);
}

}  // namespace
}  // namespace dflop
