// Idle time by cause, memory peaks, and what every simulated step must satisfy.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/build/collectives.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/measure/timeline.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

struct RandomJob {
  CostModel cost;
  Layout layout;
  std::vector<DeviceOrder> orders;
  std::vector<SampleShape> batch;
  BatchPlan plan;
  std::string text;
};

/// A seeded job: either kind of layout, either schedule, random batches, sometimes a frozen encoder.
RandomJob MakeRandomJob(std::uint64_t seed) {
  RandomStream random(seed, "random job");
  const auto pick = [&](std::vector<int> values) { return values[random.Below(values.size())]; };
  SoftwareStack software;
  software.recompute = pick({0, 1}) == 0 ? Recompute::kNone : Recompute::kFull;
  software.sharding = static_cast<Sharding>(pick({0, 1}));
  ModelSpec model = SmallVlm();
  model.encoders[0].frozen = pick({0, 0, 1}) == 1;
  const ClusterSpec cluster = A100Nodes(4);
  CostModel cost(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), software);
  const int microbatches = pick({1, 2, 5, 8});
  Layout layout;
  if (pick({0, 1}) == 0) {
    const int pp = pick({1, 2, 4});
    layout =
        BuildLayout(HomogeneousDegrees{pick({1, 2}), pp, pick({1, 2, 3}), pp > 1 ? pick({1, pp - 1}) : 0, microbatches},
                    model, cluster);
  } else {
    layout = BuildLayout(SeparateDegrees{{{pick({1, 2}), pick({1, 2}), pick({2, 4})}},
                                         {pick({1, 2}), pick({1, 2, 3}), pick({1, 2, 4})},
                                         microbatches,
                                         pick({0, 1}) == 0 ? Communicator::kHub : Communicator::kDirect},
                         model, cluster);
  }
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(pick({0, 1}) == 0 ? "1f1b" : "gpipe"), layout);
  const auto batch = UnevenSamples(64, seed);
  const auto batcher = Plugin<BatchScheduler>(pick({0, 1}) == 0 ? "random" : "lpt-2d");
  const BatchPlan plan = batcher->Schedule(MakeBatchProblem(cost, layout, batch), random);
  return {std::move(cost), layout, orders, batch, plan, "seed " + std::to_string(seed) + ": " + layout.name};
}

TEST(RandomJobs, KeepEveryPromiseOfAStep) {
  const auto replay = MakeReplayEngine();
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const RandomJob job = MakeRandomJob(seed);
    SCOPED_TRACE(job.text);
    ASSERT_EQ(WhyInvalid(job.plan, job.layout, 64), "");
    const Step step = SimulateStep({job.cost, job.layout, job.orders}, job.plan, job.batch, *replay);
    for (const auto& queue : step.graph.queues) {
      for (std::size_t i = 1; i < queue.size(); ++i) {
        ASSERT_LE(step.times.end[static_cast<std::size_t>(queue[i - 1])],
                  step.times.start[static_cast<std::size_t>(queue[i])]);
      }
    }
    for (std::size_t i = 0; i < step.graph.operations.size(); ++i) {
      for (const std::int32_t one : step.graph.DependenciesOf(i)) {
        const auto needed = static_cast<std::size_t>(one);
        ASSERT_LE(step.times.end[needed], step.times.start[i]);
      }
    }
    const StepMetrics metrics = MeasureStep({job.cost, job.layout, job.orders}, step, *MakeReplayEngine());
    EXPECT_NEAR(metrics.idle.sum(), metrics.idle_fraction, 1e-9);
    EXPECT_GE(metrics.idle_fraction, 0);
    EXPECT_GE(metrics.idle.bubble, -1e-12);
    EXPECT_GE(metrics.idle.data_parallel_wait, -1e-12);
    EXPECT_GE(metrics.idle.communication(), -1e-12);
    EXPECT_GE(metrics.hardware_flops, metrics.model_flops);
  }
}

TEST(RandomJobs, EnginesAgreeWhenLinksAreFree) {
  const auto names = EngineNames();
  if (std::find(names.begin(), names.end(), "simgrid") == names.end()) GTEST_SKIP() << "built without SimGrid";
  const auto replay = MakeReplayEngine();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RandomJob job = MakeRandomJob(seed);
    SCOPED_TRACE(job.text);
    Step step = SimulateStep({job.cost, job.layout, job.orders}, job.plan, job.batch, *replay);
    // Next to no bytes: what remains are latencies, which do not contend.
    Communications light;
    for (int number = 0; number < static_cast<int>(step.graph.communications.size()); ++number) {
      Communication communication = step.graph.communications[number];
      for (Flow& flow : communication.flows) flow.bytes = Bytes(1e-3);
      light.Add(communication);
    }
    step.graph.communications = light;
    for (std::size_t i = 0; i < step.graph.operations.size(); ++i) {
      const int communication = step.graph.operations[i].communication;
      if (communication >= 0) step.graph.durations[i] = UncontendedTime(job.cost.cluster(), light[communication]);
    }
    const double expected = replay->Run(step.graph).makespan.value();
    const double simulated = MakeEngine("simgrid", job.cost.cluster())->Run(step.graph).makespan.value();
    EXPECT_NEAR(simulated / expected, 1.0, 1e-9);
  }
}

TEST(IdleByCause, EqualWorkOnOneStageHasNoneButCommunication) {
  const CostModel cost = SmallJob(1);
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 2, 0, 2}, SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const std::vector<SampleShape> batch(4, {{2}, 700, 20});
  const Step step = SimulateStep({cost, layout, orders}, {{{{0}, {1}}, {{2}, {3}}}}, batch, *MakeReplayEngine());
  const StepMetrics metrics = MeasureStep({cost, layout, orders}, step, *MakeReplayEngine());
  EXPECT_NEAR(metrics.idle.bubble, 0, 1e-12);
  EXPECT_NEAR(metrics.idle.imbalance, 0, 1e-12);
  EXPECT_NEAR(metrics.idle.data_parallel_wait, 0, 1e-12);
  EXPECT_GT(metrics.idle.communication(), 0);
}

/// Of a step without communication.
IdleByCause SilentIdle(const Job& job, const StepCosts& costs) {
  const auto replay = MakeReplayEngine();
  return SplitIdle(
      job, SimulateCosts(job, TinyWork(job.cost, job.layout), costs, *replay, {.communication = kNoCommunication}),
      *replay);
}

TEST(IdleByCause, EqualPipelineHasTheTextbookBubble) {
  // (p−1)/(m+p−1) of the step with equal costs: p = 2, m = 3 → 1/4, everything else nothing.
  const CostModel cost = SmallJob(1);
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 2, 1, 1, 3}, SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1.0, 2.0); });
  const IdleByCause idle = SilentIdle({cost, layout, orders}, costs);
  EXPECT_NEAR(idle.bubble, 0.25, 1e-12);
  EXPECT_NEAR(idle.imbalance, 0, 1e-12);
  EXPECT_NEAR(idle.data_parallel_wait, 0, 1e-12);
  EXPECT_NEAR(idle.communication(), 0, 1e-12);
}

TEST(IdleByCause, UncoupledHomogeneousReplicasEndAsThoughEachRanAlone) {
  // What lets one graph stand for all replicas of a homogeneous layout: each ends when it would end by itself.
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const RandomJob job = MakeRandomJob(seed);
    if (job.layout.joins()) continue;
    SCOPED_TRACE(job.text);
    const StepWork work = DivideWork(job.plan, job.layout, job.cost, job.batch);
    const StepCosts costs = PriceStep(job.cost, job.layout, work);
    const auto run = [&](int replica) {
      return BuildGraph({job.cost, job.layout, job.orders}, work, costs,
                        {.communication = kNoCommunication, .couple_replicas = false, .only_replica = replica});
    };
    const OperationGraph all = run(-1);
    const OperationTimes times = MakeReplayEngine()->Run(all);
    for (int r = 0; r < job.layout.llm_replicas(); ++r) {
      double end = 0;
      for (const Stage& stage : job.layout.stages) {
        if (stage.replica != r) continue;
        for (const int i : all.queues[static_cast<std::size_t>(stage.group)]) {
          end = std::max(end, times.end[static_cast<std::size_t>(i)].value());
        }
      }
      EXPECT_EQ(end, MakeReplayEngine()->Run(run(r)).makespan.value());
    }
  }
}

TEST(IdleByCause, UnequalReplicasWaitForEachOther) {
  // One stage, two replicas of 2 and 6 seconds: the first idles 4 of 6 seconds, 4/12 of all device time, all of it
  // waiting for the other replica.
  const CostModel cost = SmallJob(1);
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 2, 0, 1}, SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const StepCosts costs = HandMadeCosts(
      layout, [](const Stage& s, int) { return s.replica == 0 ? std::pair(1.0, 1.0) : std::pair(3.0, 3.0); });
  const IdleByCause idle = SilentIdle({cost, layout, orders}, costs);
  EXPECT_NEAR(idle.data_parallel_wait, 4.0 / 12.0, 1e-12);
  EXPECT_NEAR(idle.bubble + idle.imbalance, 0, 1e-12);
}

TEST(IdleByCause, SeparateReplicasOfUnequalLoadAreHandDerived) {
  // One encoder, two LLM replicas, one microbatch, no backward time. Encoder 2 s, LLM 1 and 5 s.
  //   a: every operation costs the mean, (2 + 1 + 5)/3 = 8/3: step 16/3, each of three devices idles 8/3: 8 in all.
  //   b: replica 0 alone: step 3, encoder idles 1, LLM 2; replica 1 alone: step 7, encoder 5, LLM 2. The encoder's idle
  //      time is the mean of 1 and 5: 3 + 2 + 2 = 7.
  //   c: step 7: encoder 5, LLM 6 and 2: 13.  d: the same without communication.
  const CostModel cost = SmallJob(1);
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 1}}, {1, 1, 2}, 1, Communicator::kHub}, SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const StepCosts costs = HandMadeCosts(layout, [](const Stage& s, int) {
    return std::pair(s.parts.front().module == 0 ? 2.0 : s.replica == 0 ? 1.0 : 5.0, 0.0);
  });
  const IdleByCause idle = SilentIdle({cost, layout, orders}, costs);
  EXPECT_NEAR(idle.bubble, 8.0 / 21, 1e-12);
  EXPECT_NEAR(idle.imbalance, -1.0 / 21, 1e-12);
  EXPECT_NEAR(idle.data_parallel_wait, 6.0 / 21, 1e-12);
  EXPECT_NEAR(idle.communication(), 0, 1e-12);
}

TEST(ZeroTiles, AnEncoderReplicaWithoutATileCostsNothingAndHoldsNobodyUp) {
  // Two samples of one tile over four encoder replicas: the last two have none.
  const CostModel cost = SmallJob(1);
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 2, 4}}, {1, 1, 2}, 1, Communicator::kHub}, SmallVlm(), A100Nodes(2));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const std::vector<SampleShape> batch(2, {{1}, 700, 20});
  const Step step = SimulateStep({cost, layout, orders}, {{{{0}}, {{1}}}}, batch, *MakeReplayEngine());
  const PartCost& idle = step.costs().stages[6][0];  // replica 3's first stage of two
  EXPECT_EQ(idle.forward.time.value(), 0);
  EXPECT_EQ(idle.backward.time.value(), 0);
  EXPECT_GT(step.costs().stages[0][0].forward.time.value(), 0);
  const StepMetrics metrics = MeasureStep({cost, layout, orders}, step, *MakeReplayEngine());
  EXPECT_NEAR(metrics.idle.sum(), metrics.idle_fraction, 1e-9);
}

TEST(PeakMemory, OneFOneBHoldsAsManyMicrobatchesAsStagesFollow) {
  // Four stages, eight equal microbatches: 1F1B holds 4, 3, 2, 1 of them, GPipe 8 everywhere (arXiv 2006.09503).
  SoftwareStack software;
  software.fragmentation = 0;
  const CostModel cost = SmallJob(1, software);
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 4, 1, 1, 8}, SmallVlm(), A100Nodes(1));
  const StepWork work = TinyWork(cost, layout);
  const auto use = [&](const char* schedule) {
    return PeakMemory({cost, layout, OrdersOf(*Plugin<PipelineSchedule>(schedule), layout)}, work);
  };
  const MemoryUse one_f_one_b = use("1f1b");
  const MemoryUse gpipe = use("gpipe");
  for (std::size_t s = 0; s < 4; ++s) {
    const ModulePart& part = layout.stages[s].parts.front();
    const SequenceBatch& batch = work[static_cast<std::size_t>(part.module)][0][0];
    const double one = cost.Activations(part, batch).value();
    const double transient = cost.Transient(part, batch).value();
    EXPECT_NEAR(one_f_one_b.stages[s].activations.value(), (4.0 - static_cast<double>(s)) * one + transient, 1.0);
    EXPECT_NEAR(gpipe.stages[s].activations.value(), 8.0 * one + transient, 1.0);
  }
}

TEST(PeakMemory, TooSmallADeviceNamesTheTermAndTheExcess) {
  ClusterSpec cluster = A100Nodes(1);
  cluster.only_node().gpu.memory = Bytes(2e9);
  const CostModel cost(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 1, 0, 1}, SmallVlm(), cluster);
  const MemoryUse use =
      PeakMemory({cost, layout, OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)}, TinyWork(cost, layout));
  EXPECT_FALSE(use.fits);
  EXPECT_NE(use.too_large.find("too much; the largest term is"), std::string::npos) << use.too_large;
}

TEST(Timeline, FileKeepsEveryEvent) {
  const RandomJob job = MakeRandomJob(7);
  const Step step = SimulateStep({job.cost, job.layout, job.orders}, job.plan, job.batch, *MakeReplayEngine());
  const Timeline timeline = MakeTimeline(step.graph, step.times);
  const Json json = TimelineToJson(timeline, job.layout, job.cost.model());
  const Timeline again = ReadTimeline(JsonReader(json, "timeline.json"));
  EXPECT_EQ(TimelineToJson(again, job.layout, job.cost.model()), json);
  EXPECT_EQ(timeline.makespan, step.times.makespan);
}

}  // namespace
}  // namespace dflop
