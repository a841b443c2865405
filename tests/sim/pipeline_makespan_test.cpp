// Step times that can be worked out on paper, with communication and optimizer left out.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/index.hpp"
#include "sim/build/graph_builder.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

using Cost = std::pair<double, double>;

template <typename CostOf>
double Makespan(const std::string& schedule, const Layout& layout, CostOf cost_of) {
  const CostModel cost = SmallJob(4);
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(schedule), layout);
  const OperationGraph graph = BuildGraph({cost, layout, orders}, TinyWork(cost, layout),
                                          HandMadeCosts(layout, cost_of), {.communication = kNoCommunication});
  return MakeReplayEngine()->Run(graph).makespan.value();
}

Layout Homogeneous(int pp, int encoder_stages, int microbatches, int dp = 1) {
  return BuildLayout(HomogeneousDegrees{1, pp, dp, encoder_stages, microbatches}, SmallVlm(), A100Nodes(4));
}

Layout Separate(int encoder_pp, int llm_pp, int microbatches, int encoder_dp = 1, int llm_dp = 1) {
  return BuildLayout(
      SeparateDegrees{{{1, encoder_pp, encoder_dp}}, {1, llm_pp, llm_dp}, microbatches, Communicator::kHub}, SmallVlm(),
      A100Nodes(4));
}

bool IsEncoder(const Stage& stage) { return stage.parts.front().module == 0; }

TEST(PipelineMakespan, EqualCostsTakeMicrobatchesPlusDepthMinusOneSlots) {
  // (m + p − 1)(f + b) = (8 + 3)(1 + 2) = 33 for both schedules (arXiv 2006.09503; the golden of the literature).
  for (const char* schedule : {"gpipe", "1f1b"}) {
    EXPECT_DOUBLE_EQ(Makespan(schedule, Homogeneous(4, 1, 8), [](const Stage&, int) { return Cost(1, 2); }), 33);
    EXPECT_DOUBLE_EQ(Makespan(schedule, Separate(1, 3, 8), [](const Stage&, int) { return Cost(1, 2); }), 33);
  }
}

TEST(PipelineMakespan, EqualCostsLawHoldsForManyDepthsAndCounts) {
  for (const char* schedule : {"gpipe", "1f1b"}) {
    for (const int pp : {2, 3, 5, 8}) {
      for (const int m : {1, 2, 7, 16}) {  // fewer microbatches than stages is legal
        EXPECT_DOUBLE_EQ(Makespan(schedule, Homogeneous(pp, 1, m), [](const Stage&, int) { return Cost(2, 3); }),
                         (m + pp - 1) * 5.0)
            << schedule << " p=" << pp << " m=" << m;
      }
    }
  }
}

/// Interleaved pipeline of a text-only model with two layers per chunk.
Layout InterleavedLayout(int pp, int chunks, int microbatches) {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  model.llm.shape.layers = 2 * pp * chunks;
  return BuildLayout(HomogeneousDegrees{.tp = 1, .pp = pp, .dp = 1, .microbatches = microbatches, .chunks = chunks},
                     model, A100Nodes(4));
}

double InterleavedMakespan(int pp, int chunks, int microbatches) {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  const CostModel cost(model, A100Nodes(4), BuiltInKernelCosts(A100Nodes(4).only_node().gpu), {});
  const Layout layout = InterleavedLayout(pp, chunks, microbatches);
  const std::string schedule = R"({"name": "interleaved", "chunks": )" + std::to_string(chunks) + "}";
  BatchPlan plan{{{}}};
  for (int k = 0; k < microbatches; ++k) plan.buckets[0].push_back({k});
  const std::vector<SampleShape> batch(static_cast<std::size_t>(microbatches), {{}, 300, 90});
  const auto seconds = [&](const Stage&, int) { return Cost(1.0 / chunks, 2.0 / chunks); };
  const OperationGraph graph = BuildGraph({cost, layout, OrdersOf(*Plugin<PipelineSchedule>(schedule), layout)},
                                          DivideWork(plan, layout, cost, batch), HandMadeCosts(layout, seconds),
                                          {.communication = kNoCommunication});
  return MakeReplayEngine()->Run(graph).makespan.value();
}

TEST(PipelineMakespan, InterleavingDividesTheBubbleByTheChunks) {
  // m(f + b) + (p − 1)(f + b)/v with f = 1, b = 2 (arXiv 2104.04473, section 2.2.2): 4 devices, 8 microbatches:
  // 24 + 9/2 and 24 + 9/4; 8 devices, 16 microbatches: 48 + 21/2.
  EXPECT_DOUBLE_EQ(InterleavedMakespan(4, 2, 8), 28.5);
  EXPECT_DOUBLE_EQ(InterleavedMakespan(4, 4, 8), 26.25);
  EXPECT_DOUBLE_EQ(InterleavedMakespan(8, 2, 16), 58.5);
}

TEST(PipelineMakespan, InterleavingRunsEveryChunkOfEveryMicrobatchOnce) {
  for (const int chunks : {2, 3}) {
    const Layout layout = InterleavedLayout(4, chunks, 8);
    const auto schedule =
        Plugin<PipelineSchedule>(R"({"name": "interleaved", "chunks": )" + std::to_string(chunks) + "}");
    for (const DeviceOrder& order : OrdersOf(*schedule, layout)) {
      std::vector<int> seen(static_cast<std::size_t>(2 * chunks * 8));
      for (const ScheduledOp& op : order) {
        const int chunk = (op.kind == OpKind::kForward ? 0 : chunks) + op.chunk;
        ++seen[Index(chunk * 8 + op.microbatch)];
      }
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 2 * chunks * 8);
    }
  }
}

TEST(PipelineMakespan, InterleavingRefusesWhatItCannotOrder) {
  const auto interleaved = Plugin<PipelineSchedule>("interleaved");
  EXPECT_THROW(OrdersOf(*interleaved, InterleavedLayout(4, 2, 6)), Infeasible) << "6 microbatches on 4 devices";
  EXPECT_THROW(OrdersOf(*interleaved, Separate(1, 3, 4)), Infeasible) << "one stage per device";
  const HomogeneousDegrees one_device{.tp = 1, .pp = 1, .dp = 1, .chunks = 2};
  EXPECT_NE(WhyImpossible(one_device, SmallVlm(), A100Nodes(1)), "");
}

TEST(PipelineMakespan, OneSlowMicrobatchDelaysOnlyItsPath) {
  // Two stages, three microbatches, f = 1, b = 2; microbatch 1 takes twice as long. 1F1B:
  //   stage 0: F0 0–1, F1 1–3, B0 4–6, F2 6–7, B1 10–14, B2 14–16
  //   stage 1: F0 1–2, B0 2–4, F1 4–6, B1 6–10, F2 10–11 (there since 7), B2 11–13
  const auto cost = [](const Stage&, int k) { return k == 1 ? Cost(2, 4) : Cost(1, 2); };
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Homogeneous(2, 1, 3), cost), 16);
  // GPipe: stage 0 F0 0–1, F1 1–3, F2 3–4; stage 1 F0 1–2, F1 3–5, F2 5–6, B0 6–8, B1 8–12, B2 12–14;
  // stage 0: B0 8–10, B1 12–16, B2 16–18.
  EXPECT_DOUBLE_EQ(Makespan("gpipe", Homogeneous(2, 1, 3), cost), 18);
}

TEST(PipelineMakespan, UnequalModulesFollowTheirLaw) {
  // N·max + E_pp·E_dur + L_pp·L_dur − max, with durations f + b: exact for GPipe and for an LLM-bound 1F1B.
  // Encoder 2/4 on one stage, LLM 1/2 on three, N = 4: GPipe 4·6 + 6 + 9 − 6 = 33; the mirror 4·6 + 3 + 18 − 6 = 39.
  const auto encoder_bound = [](const Stage& s, int) { return IsEncoder(s) ? Cost(2, 4) : Cost(1, 2); };
  const auto llm_bound = [](const Stage& s, int) { return IsEncoder(s) ? Cost(1, 2) : Cost(2, 4); };
  EXPECT_DOUBLE_EQ(Makespan("gpipe", Separate(1, 3, 4), encoder_bound), 33);
  EXPECT_DOUBLE_EQ(Makespan("gpipe", Separate(1, 3, 4), llm_bound), 39);
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Separate(1, 3, 4), llm_bound), 39);
}

TEST(PipelineMakespan, EncoderBound1F1BLiesStrictlyBelowTheLaw) {
  // Encoder: F0 0–2, F1 2–4, F2 4–6, F3 6–8 (its warm-up is three), then B0 … B3. The LLM answers F0 from 2 on:
  // forward to 5, backward 5–11 through three stages, so B0 of the encoder runs 11–15 and the others follow without
  // a gap: 11 + 4·4 = 27.
  const auto cost = [](const Stage& s, int) { return IsEncoder(s) ? Cost(2, 4) : Cost(1, 2); };
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Separate(1, 3, 4), cost), 27);
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Homogeneous(4, 1, 4), cost), 27);
}

TEST(PipelineMakespan, EncoderUnionWaitsForTheSlowestLlmReplica) {
  // One microbatch, one encoder stage (1, 1), two LLM replicas of one stage: (2, 2) and (5, 5). The encoder's backward
  // needs the gradients of both: 1 + 5 + 5 + 1 = 12.
  const auto cost = [](const Stage& s, int) {
    return IsEncoder(s) ? Cost(1, 1) : s.replica == 0 ? Cost(2, 2) : Cost(5, 5);
  };
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Separate(1, 1, 1, 1, 2), cost), 12);
}

TEST(PipelineMakespan, LlmReplicaWaitsForTheSlowestEncoderReplica) {
  // Two encoder replicas (1, 1) and (3, 3) share one union microbatch; the LLM (2, 2) starts at 3: 3 + 4 + 3 = 10.
  const auto cost = [](const Stage& s, int) {
    return !IsEncoder(s) ? Cost(2, 2) : s.replica == 0 ? Cost(1, 1) : Cost(3, 3);
  };
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Separate(1, 1, 1, 2, 1), cost), 10);
}

TEST(PipelineMakespan, ReplicasMeetAtTheEndOfTheStep) {
  // Two homogeneous replicas of one device, which runs encoder and LLM in turn, with three microbatches: 3·(1+1) and
  // 3·(2+2) → 12.
  const auto cost = [](const Stage& s, int) { return s.replica == 0 ? Cost(0.5, 0.5) : Cost(1, 1); };
  EXPECT_DOUBLE_EQ(Makespan("1f1b", Homogeneous(1, 0, 3, 2), cost), 12);
}

TEST(PipelineMakespan, FrozenEncoderRunsNoBackward) {
  // Encoder (2, –), LLM (2, 3) on one stage each, three microbatches: the LLM is never short of work after 2:
  // 2 + 3·5 = 17.
  const Layout layout = Separate(1, 1, 3);
  StepCosts costs = HandMadeCosts(layout, [](const Stage& s, int) { return IsEncoder(s) ? Cost(2, 0) : Cost(2, 3); });
  costs.needs_backward = {false, true};
  const CostModel cost = SmallJob(4);
  const OperationGraph graph = BuildGraph({cost, layout, OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)},
                                          TinyWork(cost, layout), costs, {.communication = kNoCommunication});
  EXPECT_DOUBLE_EQ(MakeReplayEngine()->Run(graph).makespan.value(), 17);
  for (const Operation& operation : graph.operations) {
    EXPECT_FALSE(operation.kind == OpKind::kBackward && operation.stage == 0);
  }
}

}  // namespace
}  // namespace dflop
