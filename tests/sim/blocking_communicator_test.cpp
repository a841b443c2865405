// Messages between encoders and LLM that hold up both ends, against times worked out on paper.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "sim/build/graph_builder.hpp"
#include "tests/sim/plan_support.hpp"
#include "tests/sim/random_step.hpp"

namespace dflop {
namespace {

constexpr Communicator kBlockingDirect{Communicator::Route::kDirect, true};

Layout Separate(int encoder_dp, int llm_dp, int microbatches, Communicator communicator) {
  return BuildLayout(SeparateDegrees{{{1, 1, encoder_dp}}, {1, 1, llm_dp}, microbatches, communicator}, SmallVlm(),
                     A100Nodes(1));
}

/// Every operation takes 1 s and every message half a second; under 1F1B.
double Makespan(const Layout& layout) {
  const CostModel cost = SmallJob();
  const StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  OperationGraph graph =
      BuildGraph({cost, layout, OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)}, TinyWork(cost, layout), costs,
                 {.communication = {.gradients = false, .parameters = false}});
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    if (graph.operations[i].communication >= 0) graph.durations[i] = Seconds(0.5);
  }
  return MakeReplayEngine()->Run(graph).makespan.value();
}

TEST(BlockingHub, ComputesNothingWhileItSends) {
  // One encoder E, two LLM replicas a and b, two microbatches.
  //   Beside computation: E F0 0–1, F1 1–2; sends a0 1–1.5, b0 1.5–2, a1 2–2.5, b1 2.5–3; a computes F0 B0 F1 B1
  //   from 1.5 to 5.5, b from 2 to 6; returns a0 3.5–4, b0 4–4.5, a1 5.5–6, b1 6–6.5; E B0 4.5–5.5, B1 6.5–7.5.
  //   Blocking: E F0 0–1, sends until 2, F1 2–3. a: F0 B0 1.5–3.5; then a1 out and a0 back together, 3.5–4; F1 B1 4–6.
  //   b: 2–4, messages 4–4.5, 4.5–6.5. E B0 4.5–5.5; returns a1 6–6.5, b1 6.5–7; B1 7–8.
  EXPECT_DOUBLE_EQ(Makespan(Separate(1, 2, 2, Communicator::kHub)), 7.5);
  EXPECT_DOUBLE_EQ(Makespan(Separate(1, 2, 2, Communicator::kBlockingHub)), 8);
}

TEST(BlockingHub, HoldsTheReplicasThatItGathersFrom) {
  // Two encoder replicas, one LLM, two microbatches. Beside computation: F0 0–1, gather 1–1.5, send 1.5–2, LLM 2–4 and
  // 4–6; its second backward returns at 6.5, the scatter ends at 7 and the encoders' backward at 8.
  //   Blocking: the encoders' F1 begins at 1.5 where it was only gathered and at 2 at the hub, which ends at 3; gather
  //   3–3.5; the LLM is free at 4 and gets it until 4.5, while it returns the first: LLM 4.5–6.5, return 7,
  //   scatter 7.5, backward 8.5.
  EXPECT_DOUBLE_EQ(Makespan(Separate(2, 1, 2, Communicator::kHub)), 8);
  EXPECT_DOUBLE_EQ(Makespan(Separate(2, 1, 2, Communicator::kBlockingHub)), 8.5);
}

TEST(BlockingDirect, HoldsEverySender) {
  // One encoder, two LLM replicas, whose messages go at once. Beside computation: F0 0–1, messages until 1.5, LLMs
  // 1.5–5.5 without a pause, returns until 6, backward until 7.
  //   Blocking: F1 1.5–2.5; the LLMs are free at 3.5 and take and return until 4: 4–6, returns 6.5, backward 7.5.
  EXPECT_DOUBLE_EQ(Makespan(Separate(1, 2, 2, Communicator::kDirect)), 7);
  EXPECT_DOUBLE_EQ(Makespan(Separate(1, 2, 2, kBlockingDirect)), 7.5);
}

TEST(BlockingCommunicator, NeverShortensAStepAndNeverDeadlocks) {
  int apart = 0;
  int longer = 0;
  for (std::uint64_t seed = 1; apart < 150; ++seed) {
    RandomStep step = RandomStepMaker(seed).Make();
    if (!step.layout.joins()) continue;
    ++apart;
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + step.layout.name);
    const double beside = step.Seconds();
    step.layout.communicator.blocking = true;
    const double blocking = step.Seconds();
    EXPECT_GE(blocking, beside * (1 - 1e-12));
    longer += blocking > beside * (1 + 1e-9);
  }
  EXPECT_GT(longer, 0);
}

TEST(Communicator, ReadsNamesAndObjects) {
  const auto read = [](const std::string& text) {
    const Json json = ParseJson(text, "communicator");
    return ReadCommunicator(JsonReader(json, "communicator"));
  };
  EXPECT_EQ(read(R"("hub")"), Communicator::kHub);
  EXPECT_EQ(read(R"("direct")"), Communicator::kDirect);
  EXPECT_EQ(read(R"({"name": "hub", "blocking": true})"), Communicator::kBlockingHub);
  EXPECT_EQ(read(R"({"name": "direct"})"), Communicator::kDirect);
  EXPECT_EQ(read(ToJson(kBlockingDirect).Dump()), kBlockingDirect);
  for (const char* wrong : {R"("hubs")", R"({"blocking": true})", R"({"name": "hub", "blocks": true})",
                            R"({"name": "hub", "blocking": 1})", "3", "null"}) {
    EXPECT_THROW(read(wrong), InputError) << wrong;
  }
}

}  // namespace
}  // namespace dflop
