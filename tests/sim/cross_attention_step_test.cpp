// Steps of a model with cross-attention layers: what stages hold and send, and both engines on it.
#include <gtest/gtest.h>

#include "sim/build/stage_boundary.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/plan/layout_check.hpp"
#include "sim/plan/plan_file.hpp"
#include "sim/plan/training_check.hpp"
#include "tests/input_error.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Twelve LLM layers on three stages of four behind the encoder's: two of the first, one of the second and none of the
/// third see the encoder's tokens.
struct CrossJob {
  ClusterSpec cluster = A100Nodes(1);
  CostModel cost = Make();
  Layout layout = BuildLayout(HomogeneousDegrees{.tp = 1, .pp = 4, .dp = 1, .encoder_stages = 1, .microbatches = 4},
                              cost.model(), cluster);
  std::vector<DeviceOrder> orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  BatchPlan plan{{{{0}, {1}, {2}, {3}}}};
  std::vector<SampleShape> batch;

  explicit CrossJob(int tiles = 4) {
    for (int i = 0; i < 4; ++i) batch.push_back({{tiles}, 300 + 100 * i, 300 + 100 * i, tiles * 729});
  }
  CostModel Make() const {
    ModelSpec model = SmallVlm();
    model.llm.shape.cross_layers = {1, 3, 5};
    return {model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}};
  }
  StepWork Work() const { return DivideWork(plan, layout, cost, batch); }
  Job job() const { return {cost, layout, orders}; }
};

TEST(CrossAttentionStep, TilesLengthenTheStagesThatSeeThem) {
  const CrossJob few(1), many(4);
  const StepCosts costs = PriceStep(few.cost, few.layout, few.Work());
  const StepCosts longer = PriceStep(many.cost, many.layout, many.Work());
  const auto forward = [](const StepCosts& of, int stage) { return of.stages[Index(stage)][2].forward.time.value(); };
  EXPECT_GT(forward(longer, 1), forward(costs, 1));
  EXPECT_GT(forward(longer, 2), forward(costs, 2));
  EXPECT_EQ(forward(longer, 3), forward(costs, 3));
  // Of its two layers the first stage has twice what the second has of its one.
  const double two = forward(longer, 1) - forward(costs, 1);
  EXPECT_NEAR(two / (forward(longer, 2) - forward(costs, 2)), 2, 1e-9);
}

TEST(CrossAttentionStep, WhatIsSeenPassesOnToTheLastStageThatSeesIt) {
  const CrossJob job;
  const StepWork work = job.Work();
  const auto bytes = [&](int first, int k) {
    return StageBoundary(job.job(), work, first, first + 1).BytesOf(k, false).value();
  };
  // The third microbatch: 500 tokens, 4 tiles of 27 × 27, all 1,024 wide.
  EXPECT_EQ(bytes(0, 2), 4 * 729 * 1024 * 2);
  EXPECT_EQ(bytes(1, 2), (500 + 4 * 729) * 1024 * 2);
  EXPECT_EQ(bytes(2, 2), 500 * 1024 * 2);
}

TEST(CrossAttentionStep, StagesThatSeeHoldIt) {
  const CrossJob few(1), many(4);
  const auto activations = [](const CrossJob& job, int stage) {
    for (const StageMemoryUse& one : PeakMemory(job.job(), job.Work()).stages) {
      if (one.module == job.cost.model().llm_module() && one.stage == stage) return one.activations.value();
    }
    return 0.0;
  };
  EXPECT_GT(activations(many, 0), activations(few, 0));
  EXPECT_GT(activations(many, 1), activations(few, 1));
  EXPECT_EQ(activations(many, 2), activations(few, 2));
}

TEST(CrossAttentionStep, BothEnginesAgree) {
  if (!HasSimGridEngine()) GTEST_SKIP() << "this build has no SimGrid";
  const CrossJob job;
  const double replayed = SimulateStep(job.job(), job.plan, job.batch, *MakeReplayEngine()).times.makespan.value();
  const auto engine = MakeEngine("simgrid", job.cluster);
  const Step step = SimulateStep(job.job(), job.plan, job.batch, *engine);
  EXPECT_NEAR(step.times.makespan.value() / replayed, 1, 1e-9);
  EXPECT_EQ(step.tokens, 300 + 400 + 500 + 600);  // the LLM's own
}

TEST(CrossAttentionStep, SequencesStayWhole) {
  const CrossJob job;
  const HomogeneousDegrees two{.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .cp = 2};
  ExpectError(WhyImpossible(two, job.cost.model(), job.cluster), "take cp 1");
  const SeparateDegrees apart{.encoders = {{.tp = 1, .pp = 1, .dp = 1}}, .llm = {.tp = 1, .pp = 1, .dp = 1, .cp = 2}};
  ExpectError(WhyImpossible(apart, job.cost.model(), job.cluster), "take cp 1");
  ExpectError(WhyNotTrained(job.cost, InSplits(job.layout, 2)), "take a schedule without splits");
  EXPECT_EQ(WhyNotTrained(job.cost, job.layout), "");
}

TEST(CrossAttentionStep, ALayoutOfOtherOriginIsCheckedToo) {
  const CrossJob job;
  Layout layout = BuildLayout(HomogeneousDegrees{.tp = 2, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 4},
                              job.cost.model(), job.cluster);
  EXPECT_EQ(FindFault(layout, job.cost.model(), job.cluster).what, "");
  layout.stages.back().parts.front().mesh = {.tp = 1, .cp = 2};
  ExpectError(FindFault(layout, job.cost.model(), job.cluster).what, "take cp 1");
}

}  // namespace
}  // namespace dflop
