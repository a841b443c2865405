// What anomalies do to the costs of a step, each derived by hand.
#include "sim/step/ground_truth.hpp"

#include <gtest/gtest.h>

#include "sim/build/step_costs.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Two LLM replicas of two stages behind two encoder replicas, two microbatches, four samples: sample 0 alone has its
/// 100 LLM tokens and 64 tiles.
class Disturbed : public testing::Test {
 protected:
  StepCosts Costs() const {
    // Forward 1 s and backward 3 s; the last stage of the LLM 2 s and 6 s: the largest stage duration is 8 s.
    return HandMadeCosts(layout_, [](const Stage& stage, int) {
      const bool last = stage.parts.front().module == 1 && stage.parts.front().has_output;
      return last ? std::pair(2.0, 6.0) : std::pair(1.0, 3.0);
    });
  }

  StepCosts After(const Anomaly& anomaly, int number = 0) {
    StepCosts costs = Costs();
    GroundTruth({anomaly}, 1).Disturb({cost_, layout_, plan_, batch_, work_, number}, costs);
    return costs;
  }

  std::size_t StageOf(int module, int replica, bool first) const {
    for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
      const ModulePart& part = layout_.stages[s].parts.front();
      if (part.module == module && layout_.stages[s].replica == replica && part.has_input == first) return s;
    }
    ADD_FAILURE() << "no such stage";
    return 0;
  }

  CostModel cost_ = SmallJob();
  Layout layout_ = BuildLayout(SeparateDegrees{{{1, 1, 2}}, {1, 2, 2}, 2}, cost_.model(), cost_.cluster());
  std::vector<SampleShape> batch_ = {{{64}, 100, 20}, {{1}, 500, 20}, {{1}, 900, 20}, {{1}, 1300, 20}};
  BatchPlan plan_{{{{0}, {1}}, {{2}, {3}}}};
  StepWork work_ = DivideWork(plan_, layout_, cost_, batch_);
};

/// Ranges of 128 tokens: sample 0 is in range 0, which holds the whole share wanted.
SlowShapes OneSlowRange() { return {.module = 1, .share = 0.25, .delay = 0.5, .ranges = {{0, 0.25}, {9, 0.75}}}; }

TEST_F(Disturbed, ASlowSampleDelaysItsMicrobatchInTheFirstStageInProportion) {
  const StepCosts costs = After(OneSlowRange());
  // Half of 8 s on top of 1 + 3 s, a quarter of it forward.
  const PartCost& hit = costs.stages[StageOf(1, 0, true)][0];
  EXPECT_DOUBLE_EQ(hit.forward.time.value(), 1 + 1);
  EXPECT_DOUBLE_EQ(hit.backward.time.value(), 3 + 3);
  EXPECT_DOUBLE_EQ(costs.stages[StageOf(1, 0, true)][1].forward.time.value(), 1);
  EXPECT_DOUBLE_EQ(costs.stages[StageOf(1, 0, false)][0].forward.time.value(), 2);
  EXPECT_DOUBLE_EQ(costs.stages[StageOf(1, 1, true)][0].backward.time.value(), 3);
}

TEST_F(Disturbed, EveryStageIsDelayedWhereThatIsAsked) {
  SlowShapes shapes = OneSlowRange();
  shapes.all_stages = true;
  const StepCosts costs = After(shapes);
  EXPECT_DOUBLE_EQ(costs.stages[StageOf(1, 0, true)][0].backward.time.value(), 6);
  EXPECT_DOUBLE_EQ(costs.stages[StageOf(1, 0, false)][0].backward.time.value(), 6 + 3);
}

TEST_F(Disturbed, TwoSlowSamplesOfAMicrobatchDelayItTwiceOrOnce) {
  batch_[1].llm_tokens = 100;
  plan_ = {{{{0, 1}, {2}}, {{3}, {}}}};
  SlowShapes shapes = OneSlowRange();
  EXPECT_DOUBLE_EQ(After(shapes).stages[StageOf(1, 0, true)][0].forward.time.value(), 1 + 2);
  shapes.per_microbatch = true;
  EXPECT_DOUBLE_EQ(After(shapes).stages[StageOf(1, 0, true)][0].forward.time.value(), 1 + 1);
}

TEST_F(Disturbed, EncoderReplicasShareTheDelayAsTheyShareTheTiles) {
  // 64 tiles of 729 tokens: range 64·729/128 = 364.
  const SlowShapes shapes{.module = 0, .share = 0.25, .delay = 0.5, .ranges = {{364, 0.25}, {5, 0.75}}};
  const StepCosts costs = After(shapes);
  for (const int replica : {0, 1}) {
    EXPECT_DOUBLE_EQ(costs.stages[StageOf(0, replica, true)][0].forward.time.value(), 1 + 0.5);
    EXPECT_DOUBLE_EQ(costs.stages[StageOf(0, replica, true)][1].forward.time.value(), 1);
  }
}

TEST_F(Disturbed, TheDelayIsMeasuredOnceAndDoesNotGrowWithLaterSteps) {
  GroundTruth truth({OneSlowRange()}, 1);
  StepCosts first = Costs();
  truth.Disturb({cost_, layout_, plan_, batch_, work_, 0}, first);
  StepCosts second = Costs();
  SlowDown(second, 10);
  truth.Disturb({cost_, layout_, plan_, batch_, work_, 1}, second);
  EXPECT_DOUBLE_EQ(second.stages[StageOf(1, 0, true)][0].forward.time.value(), 10 + 1);
}

TEST_F(Disturbed, DriftGrowsWithTheStepsUpToItsLimit) {
  const Drift drift{.module = -1, .per_step = 0.1, .limit = 0.25};
  EXPECT_DOUBLE_EQ(After(drift, 0).stages[0][0].forward.time.value(), 1);
  EXPECT_DOUBLE_EQ(After(drift, 2).stages[0][0].forward.time.value(), 1.2);
  EXPECT_DOUBLE_EQ(After(drift, 5).stages[0][0].backward.time.value(), 3 * 1.25);
}

TEST_F(Disturbed, DriftOfAModuleAddsToItsOwnParts) {
  StepCosts costs = PriceStep(cost_, layout_, work_);
  const StepCosts before = costs;
  GroundTruth({Drift{.module = 1, .per_step = 0.1, .limit = 1}}, 1)
      .Disturb({cost_, layout_, plan_, batch_, work_, 3}, costs);
  for (std::size_t s = 0; s < layout_.stages.size(); ++s) {
    const double factor = layout_.stages[s].parts.front().module == 1 ? 1.3 : 1.0;
    EXPECT_NEAR(costs.stages[s][1].backward.time / before.stages[s][1].backward.time, factor, 1e-12);
  }
}

TEST_F(Disturbed, ASlowDeviceSlowsItsStageFromItsStepOnAndNoOther) {
  const std::size_t stage = StageOf(1, 1, true);
  const int gpu = layout_.groups[static_cast<std::size_t>(layout_.stages[stage].group)].first_gpu;
  const SlowDevice device{.gpu = gpu, .factor = 2, .from_step = 4};
  EXPECT_DOUBLE_EQ(After(device, 3).stages[stage][0].forward.time.value(), 1);
  const StepCosts costs = After(device, 4);
  EXPECT_DOUBLE_EQ(costs.stages[stage][0].forward.time.value(), 2);
  EXPECT_DOUBLE_EQ(costs.stages[stage][1].backward.time.value(), 6);
  EXPECT_DOUBLE_EQ(costs.stages[StageOf(1, 0, true)][0].forward.time.value(), 1);
}

TEST_F(Disturbed, TheRangesHitHaveAboutTheShareWanted) {
  SlowShapes shapes{.module = 1, .share = 0.03, .delay = 1};
  for (int range = 0; range < 100; ++range) shapes.ranges[range] = range < 50 ? 0.005 : 0.015;
  std::set<std::set<std::int64_t>> choices;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const GroundTruth truth({shapes}, seed);
    const std::set<std::int64_t>& slow = std::get<SlowShapes>(truth.anomalies().front()).slow;
    double share = 0;
    for (const std::int64_t range : slow) share += shapes.ranges.at(range);
    EXPECT_NEAR(share, 0.03, 0.0075 + 1e-9) << "seed " << seed;
    choices.insert(slow);
  }
  EXPECT_GT(choices.size(), 45u) << "another seed, other shapes";
}

TEST_F(Disturbed, AStepRunsTheTrueCostsAndItsFlopsStayWhatTheyWere) {
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout_);
  const auto replay = MakeReplayEngine();
  const auto slow = [](const StepWork&, StepCosts& costs) { SlowDown(costs, 3); };
  const Step plain = SimulateStep({cost_, layout_, orders}, plan_, batch_, *replay);
  const Step step = SimulateStep({cost_, layout_, orders}, plan_, batch_, *replay, {.disturb = slow});
  EXPECT_EQ(step.predicted.stages[0][0].forward.time, plain.costs().stages[0][0].forward.time);
  EXPECT_EQ(step.costs().stages[0][0].forward.time, plain.costs().stages[0][0].forward.time * 3);
  const StepMetrics metrics = MeasureStep({cost_, layout_, orders}, step, *MakeReplayEngine());
  EXPECT_GT(metrics.step, plain.times.makespan);
  EXPECT_EQ(metrics.model_flops, MeasureStep({cost_, layout_, orders}, plain, *MakeReplayEngine()).model_flops);
  EXPECT_NEAR(metrics.idle.sum(), metrics.idle_fraction, 1e-9);
}

}  // namespace
}  // namespace dflop
