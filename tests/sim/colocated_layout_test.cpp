// Encoders with fewer tensor-parallel ranks than the LLM on the same devices: each device group encodes data-parallel.
#include <gtest/gtest.h>

#include "models/network/node_collectives.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

Layout Colocated(int tp, int encoder_tp, int dp, int microbatches) {
  return BuildLayout(
      HomogeneousDegrees{.tp = tp, .pp = 1, .dp = dp, .microbatches = microbatches, .encoder_tp = encoder_tp},
      SmallVlm(), A100Nodes(1));
}

const ModulePart& EncoderPart(const Layout& layout) { return layout.stages.front().parts.front(); }

TEST(Colocated, DegreesCountTheGroupsInsideADevice) {
  // Two device groups of four GPUs: the encoder has eight ranks of its own, or four pairs.
  EXPECT_EQ(DegreesOf(Colocated(4, 1, 2, 1)).front(), (ModuleDegrees{1, 1, 8, false}));
  EXPECT_EQ(DegreesOf(Colocated(4, 2, 2, 1)).front(), (ModuleDegrees{2, 1, 4, false}));
  EXPECT_EQ(DegreesOf(Colocated(4, 0, 2, 1)).front(), (ModuleDegrees{4, 1, 2, false}));
  EXPECT_EQ(DegreesOf(Colocated(4, 1, 2, 1)).back(), (ModuleDegrees{4, 1, 2, false}));
  EXPECT_EQ(Colocated(4, 1, 2, 1).replicas_of(0), 2) << "places of a microbatch, not ranks";
  HomogeneousDegrees three{.tp = 4, .pp = 1, .dp = 2, .encoder_tp = 3};
  EXPECT_EQ(WhyImpossible(three, SmallVlm(), A100Nodes(1)), "encoder_tp 3 does not divide tp 4");
}

TEST(Colocated, TheBusiestRankDecides) {
  // Nine tiles over four ranks: 3, 2, 2, 2. The forward is that of three tiles on one rank, and the projected tiles of
  // all are gathered; FLOPs are those of nine.
  const CostModel cost = SmallJob();
  const EncoderSpec& encoder = cost.model().encoders.front();
  const ModulePart divided = EncoderPart(Colocated(4, 1, 2, 1));
  ModulePart alone = divided;
  alone.mesh.data_split = 1;
  const PartCost nine = cost.Part(divided, EncoderBatch(encoder, 9));
  const PartCost three = cost.Part(alone, EncoderBatch(encoder, 3));
  const Seconds gather = IntraNodeAllGather(cost.cluster().only_node(), 4, cost.ProjectedBytes(0, 9));
  EXPECT_DOUBLE_EQ(nine.forward.time.value(), (three.forward.time + gather).value());
  EXPECT_DOUBLE_EQ(nine.backward.time.value(), three.backward.time.value());
  EXPECT_NEAR(nine.model_flops / three.model_flops, 3.0, 1e-12);
  EXPECT_EQ(cost.Activations(divided, EncoderBatch(encoder, 9)), cost.Activations(alone, EncoderBatch(encoder, 3)));
}

TEST(Colocated, GradientsAreAddedUpOverAllRanks) {
  // Ring over the eight ranks: each sends 2·7/8 of the encoder's gradients; with one group of four, 2·3/4.
  const CostModel cost = SmallJob();
  for (const int dp : {1, 2}) {
    const Layout layout = Colocated(4, 1, dp, 1);
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    const StepWork work = TinyWork(cost, layout);
    const OperationGraph graph = BuildGraph({cost, layout, orders}, work, PriceStep(cost, layout, work));
    const double bytes = cost.GradientBytes(EncoderPart(layout)).value();
    const double ranks = 4 * dp;
    bool found = false;
    for (const Operation& operation : graph.operations) {
      if (operation.kind != OpKind::kGradientReduction || operation.stage != 0) continue;
      found = true;
      for (const Flow& flow : graph.communications[operation.communication].flows) {
        EXPECT_NEAR(flow.bytes.value(), 2 * (ranks - 1) / ranks * bytes, 1e-6 * bytes);
      }
    }
    EXPECT_TRUE(found) << dp << " replicas";
  }
}

TEST(Colocated, SavesTheEncodersTensorParallelTraffic) {
  // Encoder all-reduces disappear; everything else stays. So a step with plenty of tiles is shorter, and the idle parts
  // still add up.
  const CostModel cost = SmallJob();
  const std::vector<SampleShape> batch(16, {{16}, 400, 100});
  BatchPlan plan{{{}, {}}};
  for (int i = 0; i < 16; ++i) plan.buckets[static_cast<std::size_t>(i % 2)].push_back({i});
  const auto run = [&](int encoder_tp) {
    const Layout layout = Colocated(4, encoder_tp, 2, 8);
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    const Step step = SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine());
    return MeasureStep({cost, layout, orders}, step, *MakeReplayEngine());
  };
  const StepMetrics whole = run(0);
  const StepMetrics divided = run(1);
  EXPECT_LT(divided.step, whole.step);
  EXPECT_LT(divided.tensor_parallel_communication_fraction, whole.tensor_parallel_communication_fraction);
  EXPECT_NEAR(divided.idle.sum(), divided.idle_fraction, 1e-12);
  EXPECT_NEAR(divided.model_flops / whole.model_flops, 1.0, 1e-12);
}

}  // namespace
}  // namespace dflop
