// Idle time by cause, each part against a hand-derived value: that the parts add up to the whole shows nothing, for
// they telescope.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/build/graph_builder.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

struct HandMadeStep {
  CostModel cost = SmallJob(4);
  Layout layout;
  StepCosts costs{};
  std::string schedule = "1f1b";

  std::vector<DeviceOrder> orders() const { return OrdersOf(*Plugin<PipelineSchedule>(schedule), layout); }
  OperationGraph Graph(const CommunicationKinds& kinds) const {
    return BuildGraph({cost, layout, orders()}, TinyWork(cost, layout), costs, {.communication = kinds});
  }
  IdleByCause Idle(const CommunicationKinds& kinds = kNoCommunication) const {
    const auto replay = MakeReplayEngine();
    const auto own = orders();
    const Job job{cost, layout, own};
    return SplitIdle(job, SimulateCosts(job, TinyWork(cost, layout), costs, *replay, {.communication = kinds}),
                     *replay);
  }
};

Layout Separate(const ModuleDegrees& encoder, const ModuleDegrees& llm, int microbatches) {
  return BuildLayout(SeparateDegrees{{encoder}, llm, microbatches, Communicator::kHub}, SmallVlm(), A100Nodes(4));
}

bool IsEncoder(const Stage& stage) { return stage.parts.front().module == 0; }

/// Seconds of the only operations of this kind, stage and target.
double DurationOf(const OperationGraph& graph, OpKind kind, int stage, int to_stage = -1) {
  double duration = 0;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (operation.kind == kind && operation.stage == stage && operation.to_stage == to_stage) {
      duration += graph.durations[i].value();
    }
  }
  return duration;
}

TEST(Bubble, AReplicaOnEightGpusWeighsAsMuchAsEightOnOne) {
  // Encoder of eight replicas on a GPU each, forward 1 s, backward 2 s; one LLM replica on eight, 3 s and 6 s. GPU for
  // GPU the mean is 2 s and 4 s, and two stages of it take (4 + 2 − 1)·6 = 30 s for 4 microbatches, of which each of 16
  // GPUs works 24 s and idles 6 s: 96 GPU-seconds.
  // Really the LLM begins at 1 s and computes 36 s without a pause, then the encoder's last backward: 39 s, 624
  // GPU-seconds, of which 8·12 + 8·36 = 384 are work and 240 are not; nothing is coupled to anything else.
  HandMadeStep step{.layout = Separate({1, 1, 8}, {8, 1, 1}, 4)};
  step.costs = HandMadeCosts(
      step.layout, [](const Stage& s, int) { return IsEncoder(s) ? std::pair(1.0, 2.0) : std::pair(3.0, 6.0); });
  const IdleByCause idle = step.Idle();
  EXPECT_NEAR(idle.bubble, 96.0 / 624, 1e-12);
  EXPECT_NEAR(idle.imbalance, (240.0 - 96.0) / 624, 1e-12);
  EXPECT_NEAR(idle.data_parallel_wait, 0, 1e-12);
  EXPECT_NEAR(idle.communication(), 0, 1e-12);
}

TEST(Bubble, AMeanBackwardIsTakenOverTheStagesThatHaveOne) {
  // Frozen encoder, forward 2 s; LLM 2 s and 4 s, two microbatches: F0 F1 on one GPU, 2–4 4–8 8–10 10–14 on the other.
  // 14 s on two GPUs, 4 + 12 of 28 GPU-seconds are work, and the mean costs are the real ones.
  HandMadeStep step{.layout = Separate({1, 1, 1}, {1, 1, 1}, 2)};
  step.costs = HandMadeCosts(
      step.layout, [](const Stage& s, int) { return IsEncoder(s) ? std::pair(2.0, 0.0) : std::pair(2.0, 4.0); });
  step.costs.needs_backward[0] = false;
  const IdleByCause idle = step.Idle();
  EXPECT_NEAR(idle.bubble, 12.0 / 28, 1e-12);
  EXPECT_NEAR(idle.imbalance, 0, 1e-12);
}

TEST(Bubble, AWeightGradientOfItsOwnIsAveragedOnItsOwn) {
  // As above, with the LLM's backward as 3 s for the input and 1 s for the weights: the same 12 of 28 GPU-seconds.
  HandMadeStep step{.layout = Separate({1, 1, 1}, {1, 1, 1}, 2)};
  step.costs = HandMadeCosts(
      step.layout, [](const Stage& s, int) { return IsEncoder(s) ? std::pair(2.0, 0.0) : std::pair(2.0, 3.0); });
  step.costs.needs_backward[0] = false;
  for (PartCost& cost : step.costs.stages[1]) cost.weight_gradient.time = Seconds(1);
  const IdleByCause idle = step.Idle();
  EXPECT_NEAR(idle.bubble, 12.0 / 28, 1e-12);
  EXPECT_NEAR(idle.imbalance, 0, 1e-12);
}

TEST(Bubble, OptimizerStepsAreAveragedToo) {
  // Two stages, one microbatch, 1 s each way: the first stage ends at 4 s, the second at 3 s. Optimizer 3 s and 1 s: 7
  // s in all, 14 GPU-seconds, 8 of work. With 2 s each: 4 + 2 = 6 s, 12 GPU-seconds, 8 of work.
  HandMadeStep step{.layout = BuildLayout(HomogeneousDegrees{1, 2, 1, 1, 1}, SmallVlm(), A100Nodes(4))};
  step.costs = HandMadeCosts(step.layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  step.costs.optimizer = {Seconds(3), Seconds(1)};
  const IdleByCause idle = step.Idle();
  EXPECT_NEAR(idle.bubble, 4.0 / 14, 1e-12);
  EXPECT_NEAR(idle.imbalance, 2.0 / 14, 1e-12);
}

TEST(Imbalance, UncoupledReplicasCountEveryGpuOfAGroup) {
  // Two stages of two GPUs, one microbatch, 1 s each way: 4 s, each GPU works 2 s. All of it is bubble.
  HandMadeStep step{.layout = BuildLayout(HomogeneousDegrees{2, 2, 1, 1, 1}, SmallVlm(), A100Nodes(4))};
  step.costs = HandMadeCosts(step.layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  const IdleByCause idle = step.Idle();
  EXPECT_NEAR(idle.bubble, 0.5, 1e-12);
  EXPECT_NEAR(idle.imbalance, 0, 1e-12);
  EXPECT_NEAR(idle.data_parallel_wait, 0, 1e-12);
}

TEST(Imbalance, EncodersWaitForReplicasInTheMean) {
  // One encoder, 1 s each way, two LLM replicas of 1 s and 3 s each way, one microbatch, a GPU each. The replicas alone
  // take 4 s and 8 s: each LLM idles 2 s, the encoder 2 s and 6 s, in the mean 4 s: 8 GPU-seconds. Means of 5/3 s make
  // a step of 20/3 s, of which each of three GPUs idles half: 10 GPU-seconds. Really the encoder's backward waits for
  // the slower replica: 8 s, 24 GPU-seconds, 10 of work.
  HandMadeStep step{.layout = Separate({1, 1, 1}, {1, 1, 2}, 1)};
  step.costs = HandMadeCosts(step.layout, [](const Stage& s, int) {
    return IsEncoder(s) || s.replica == 0 ? std::pair(1.0, 1.0) : std::pair(3.0, 3.0);
  });
  const IdleByCause idle = step.Idle();
  EXPECT_NEAR(idle.bubble, 10.0 / 24, 1e-12);
  EXPECT_NEAR(idle.imbalance, (8.0 - 10.0) / 24, 1e-12);
  EXPECT_NEAR(idle.data_parallel_wait, (14.0 - 8.0) / 24, 1e-12);
}

TEST(CommunicationByKind, HubMessagesAreBetweenEncoderAndLlm) {
  // Encoder, message, LLM forward and backward, message, encoder: both GPUs wait for both messages.
  HandMadeStep step{.layout = Separate({1, 1, 1}, {1, 1, 1}, 1)};
  step.costs = HandMadeCosts(step.layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  const OperationGraph graph = step.Graph({});
  const double messages = DurationOf(graph, OpKind::kTransfer, 0, 1) + DurationOf(graph, OpKind::kTransfer, 1, 0);
  ASSERT_GT(messages, 0);
  const CommunicationIdle idle = step.Idle({}).by_kind;
  EXPECT_NEAR(idle.encoder_llm, messages / (4 + messages), 1e-12);
  EXPECT_NEAR(idle.stage, 0, 1e-12);
  EXPECT_NEAR(idle.gradients, 0, 1e-12);
  EXPECT_NEAR(idle.parameters, 0, 1e-12);
}

TEST(CommunicationByKind, TransfersReductionsAndGathersAreToldApart) {
  // Two stages, two replicas, one microbatch, 1 s each way, a distributed optimizer that takes no time. Transfers t:
  // the second stage ends at 3 + t, the first at 4 + 2t, then each reduces and gathers by itself.
  SoftwareStack software;
  software.sharding = Sharding::kOptimizer;
  HandMadeStep step{.cost = SmallJob(4, software),
                    .layout = BuildLayout(HomogeneousDegrees{1, 2, 2, 1, 1}, SmallVlm(), A100Nodes(4))};
  step.costs = HandMadeCosts(step.layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  const OperationGraph graph = step.Graph({});
  const double forward = DurationOf(graph, OpKind::kTransfer, 0, 1);
  const double backward = DurationOf(graph, OpKind::kTransfer, 1, 0);
  const double ends[] = {4 + forward + backward, 3 + forward};
  double reduced = 0;
  double gathered = 0;
  for (const int s : {0, 1}) {
    const double reduction = ends[s] + DurationOf(graph, OpKind::kGradientReduction, s);
    reduced = std::max(reduced, reduction);
    gathered = std::max(gathered, reduction + DurationOf(graph, OpKind::kParameterGather, s));
  }
  ASSERT_GT(gathered, reduced);
  ASSERT_GT(reduced, ends[0]);
  const CommunicationIdle idle = step.Idle({}).by_kind;
  EXPECT_NEAR(idle.encoder_llm, 0, 1e-12);
  EXPECT_NEAR(idle.stage, (forward + backward) / gathered, 1e-12);
  EXPECT_NEAR(idle.gradients, (reduced - ends[0]) / gathered, 1e-12);
  EXPECT_NEAR(idle.parameters, (gathered - reduced) / gathered, 1e-12);
}

}  // namespace
}  // namespace dflop
