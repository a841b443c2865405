// Who blocks in a send does nothing of the step's end before it is over, against times worked out on paper.
//
// Two stages of one device each, one microbatch; computations take 1 s, messages half a second, reductions a quarter:
//   stage 0 F 0–1, message 1–1.5, stage 1 F 1.5–2.5, B 2.5–3.5, message 3.5–4, stage 0 B 4–5.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// One step with those times.
class TimedStep {
 public:
  TimedStep(const CostModel& cost, const Layout& layout) : graph_(Graph(cost, layout)) {
    times_ = MakeReplayEngine()->Run(graph_);
  }

  /// When the first operation of this kind begins on `stage`, and to `to_stage` where it has one.
  double Start(OpKind kind, int stage, int to_stage = -1) const {
    for (std::size_t i = 0; i < graph_.operations.size(); ++i) {
      const Operation& operation = graph_.operations[i];
      if (operation.kind != kind || operation.stage != stage || operation.to_stage != to_stage) continue;
      return times_.start[i].value();
    }
    ADD_FAILURE() << "no such operation";
    return -1;
  }

 private:
  static OperationGraph Graph(const CostModel& cost, const Layout& layout) {
    StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
    std::fill(costs.optimizer.begin(), costs.optimizer.end(), Seconds(1));
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    OperationGraph graph = BuildGraph({cost, layout, orders}, TinyWork(cost, layout), costs);
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      if (graph.operations[i].communication < 0) continue;
      graph.durations[i] = Seconds(graph.operations[i].kind == OpKind::kTransfer ? 0.5 : 0.25);
    }
    return graph;
  }

  OperationGraph graph_;
  OperationTimes times_;
};

TimedStep TwoStages(const SoftwareStack& software, int replicas = 1) {
  const Priced priced(GptModel(1024, 8, 16, 1000), software);
  return {priced.cost, BuildLayout(HomogeneousDegrees{1, 2, replicas, 0, 1}, priced.cost.model(), TestCluster())};
}

TEST(BlockingSends, TheOptimizerStepsOnceTheLastGradientIsSent) {
  EXPECT_DOUBLE_EQ(TwoStages({}).Start(OpKind::kOptimizerStep, 1), 3.5);
  const TimedStep blocking = TwoStages({.blocking_sends = true});
  EXPECT_DOUBLE_EQ(blocking.Start(OpKind::kOptimizerStep, 1), 4);
  EXPECT_DOUBLE_EQ(blocking.Start(OpKind::kOptimizerStep, 0), 5);  // which sends nothing back
}

TEST(BlockingSends, AReductionThatOverlapsNothingWaitsForTheSend) {
  EXPECT_DOUBLE_EQ(TwoStages({}, 2).Start(OpKind::kGradientReduction, 1), 3.5);
  const TimedStep blocking = TwoStages({.blocking_sends = true}, 2);
  EXPECT_DOUBLE_EQ(blocking.Start(OpKind::kGradientReduction, 1), 4);
  EXPECT_DOUBLE_EQ(blocking.Start(OpKind::kOptimizerStep, 1), 4.25);
}

TEST(BlockingSends, BucketsGoAsTheirGradientsExistAndTheOptimizerWaitsForTheSend) {
  // One bucket, complete with the backward: reduced from 3.5 to 3.75, beside the send.
  const TimedStep blocking = TwoStages({.overlap_gradients = true, .bucket_bytes = 1e12, .blocking_sends = true}, 2);
  EXPECT_DOUBLE_EQ(blocking.Start(OpKind::kGradientReduction, 1), 3.5);
  EXPECT_DOUBLE_EQ(blocking.Start(OpKind::kOptimizerStep, 1), 4);
}

TEST(BlockingSends, TiedEmbeddingsAreReducedOnceGradientsAreBackAtTheEncoder) {
  // An encoder feeds two LLM replicas of two stages directly: its F 0–1, message until 1.5, the LLM's first stage F
  // until 2.5, message until 3, the last one F and B until 5, message until 5.5, the first one's B until 6.5. Its
  // bucket is reduced until 6.75, but its gradients are on their way back until 7.
  for (const bool blocks : {false, true}) {
    ModelSpec model = SmallVlm();
    model.llm.tied_embeddings = true;
    const CostModel cost(model, A100Nodes(1), std::make_shared<FakeKernelCosts>(),
                         {.overlap_gradients = true, .bucket_bytes = 1e12});
    const Communicator direct{Communicator::Route::kDirect, blocks};
    const Layout layout = BuildLayout(SeparateDegrees{{{1, 1, 1}}, {1, 2, 2}, 1, direct}, model, A100Nodes(1));
    // Stage 0 is the encoder's.
    EXPECT_DOUBLE_EQ(TimedStep(cost, layout).Start(OpKind::kGradientReduction, 1, 2), blocks ? 7 : 6.75);
  }
}

}  // namespace
}  // namespace dflop
