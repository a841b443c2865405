// Schedules with chunks over an LLM whose encoders have devices of their own: the schedule orders the LLM's devices,
// the encoders run ahead of the first.
#include <gtest/gtest.h>

#include "sim/build/graph_builder.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

Layout SeparateChunks(int encoder_pp, int pp, int microbatches, bool turns_back, int dp = 1) {
  SeparateDegrees degrees{.encoders = {{.tp = 1, .pp = encoder_pp, .dp = 1}},
                          .llm = {.tp = 1, .pp = pp, .dp = dp},
                          .microbatches = microbatches,
                          .communicator = Communicator::kDirect};
  degrees.chunks = 2;
  degrees.turns_back = turns_back;
  return BuildLayout(degrees, SmallVlm(), A100Nodes(4));
}

double MakespanOf(const std::string& schedule, const Layout& layout, double encoder, double chunk) {
  const CostModel cost = SmallJob(4);
  const auto seconds = [&](const Stage& stage, int) {
    const double time = layout.feeds(stage.parts.front().module) ? encoder : chunk;
    return std::pair(time, 2 * time);
  };
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(schedule), layout);
  return MakeReplayEngine()
      ->Run(BuildGraph({cost, layout, orders}, TinyWork(cost, layout), HandMadeCosts(layout, seconds),
                       {.communication = kNoCommunication}))
      .makespan.value();
}

TEST(SeparateChunks, AnEncoderThatTakesNoTimeLeavesTheInterleavedPipelineAlone) {
  // Chunks of 1/2 and 1 second on p devices: m·3 + (p − 1)·3/2, Megatron-LM's law.
  for (const auto& [p, m] : {std::pair(2, 4), {2, 8}, {4, 8}}) {
    const double alone = 3.0 * m + (p - 1) * 1.5;
    EXPECT_NEAR(MakespanOf("interleaved", SeparateChunks(1, p, m, false), 0, 0.5), alone, 1e-9) << p << " " << m;
    EXPECT_NEAR(MakespanOf("interleaved", SeparateChunks(2, p, m, false), 0, 0.5), alone, 1e-9) << p << " " << m;
  }
}

TEST(SeparateChunks, AFastEncoderAddsItsFirstForwardAndItsLastBackward) {
  // A twentieth of a chunk: it is ahead wherever it is wanted, but for the first microbatch and behind the last.
  const double with = MakespanOf("interleaved", SeparateChunks(1, 2, 8, false), 0.025, 0.5);
  EXPECT_NEAR(with, 3.0 * 8 + 1.5 + 0.025 + 0.05, 1e-9);
}

TEST(SeparateChunks, EveryScheduleWithTwoChunksRunsUnequalMicrobatches) {
  const CostModel cost = SmallJob(4);
  for (const std::string name : {"interleaved", "bfs", "zb-v", "v-half", "dip"}) {
    const auto schedule = Plugin<PipelineSchedule>(name);
    const bool turns_back = schedule->placement(2) == Placement{0, 1, 1, 0};
    for (const int encoder_pp : {1, 2}) {
      const Layout layout = SeparateChunks(encoder_pp, 2, 6, turns_back, 2);
      const std::vector<DeviceOrder> orders = OrdersOf(*schedule, layout);
      const std::vector<SampleShape> batch = UnevenSamples(36, 3);
      RandomStream random(3, "deal");
      const BatchPlan plan = Plugin<BatchScheduler>("random")->Schedule(MakeBatchProblem(cost, layout, batch), random);
      const Job job{cost, layout, orders};
      const std::vector<DeviceOrder> own = OrdersOfStep(*schedule, job, DivideWork(plan, layout, cost, batch));
      const Job of_step = job.With(own);
      const Step replayed = SimulateStep(of_step, plan, batch, *MakeReplayEngine());
      EXPECT_GT(replayed.times.makespan, Seconds(0)) << name;
      for (const DeviceOrder& order : of_step.orders) EXPECT_FALSE(order.empty()) << name;
      for (const std::string& engine : EngineNames()) {
        const Step step = SimulateStep(of_step, plan, batch, *MakeEngine(engine, cost.cluster()));
        EXPECT_NEAR(step.times.makespan / replayed.times.makespan, 1, 0.05) << name << " " << engine;
      }
    }
  }
}

}  // namespace
}  // namespace dflop
