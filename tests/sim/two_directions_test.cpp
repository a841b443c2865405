// Chimera and DualPipe through a whole step: two replicas on one row of devices, in opposite directions.
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "policies/api/infeasible.hpp"
#include "policies/api/timed_orders.hpp"
#include "sim/build/deadlock.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/replica_classes.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/measure/drawn_devices.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/measure/timeline_hash.hpp"
#include "sim/measure/traffic.hpp"
#include "sim/plan/layout_check.hpp"
#include "sim/plan/training_check.hpp"
#include "tests/sim/random_step.hpp"

namespace dflop {
namespace {

ModelSpec LlmOf(int layers) {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  model.llm.shape.layers = layers;
  return model;
}

/// A layer a stage, `microbatches` each way.
struct BothWays {
  ModelSpec model;
  CostModel cost;
  std::unique_ptr<PipelineSchedule> schedule;
  Layout layout;
  std::vector<DeviceOrder> orders;

  BothWays(const std::string& spec, int devices, int microbatches, int rows = 1, SoftwareStack software = {})
      : model(LlmOf(devices)),
        cost(model, A100Nodes(4), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), std::move(software)),
        schedule(Plugin<PipelineSchedule>(spec)),
        layout(BuildLayout(
            HomogeneousDegrees{.tp = 1, .pp = devices, .dp = rows, .microbatches = microbatches, .directions = 2},
            model, A100Nodes(4))),
        orders(OrdersOf(*schedule, layout)) {}

  Job job() const { return {cost, layout, orders}; }
  OperationGraph Silent(const StepCosts& costs) const {
    return BuildGraph(job(), TinyWork(cost, layout), costs, {.communication = kNoCommunication});
  }
};

/// A forward takes `forward`, either half of a backward `half`.
StepCosts AlikeCosts(const Layout& layout, double forward, double half) {
  StepCosts costs = HandMadeCosts(layout, [&](const Stage&, int) { return std::pair(forward, half); });
  for (auto& stage : costs.stages) {
    for (PartCost& part : stage) part.weight_gradient.time = Seconds(half);
  }
  return costs;
}

TEST(TwoDirections, ARowHoldsAReplicaEachWayAndCountsAsOne) {
  // pp 4, dp 2: groups 2d and 2d + 1 are device d of rows 0 and 1. Replicas 0 and 1 go down, 2 and 3 up: stage s of
  // replica 2 is on device 3 − s of row 0.
  const BothWays job("chimera", 4, 2, 2);
  const Layout& layout = job.layout;
  ASSERT_EQ(layout.stages.size(), 16u);
  std::vector<int> groups;
  for (const Stage& stage : layout.stages) groups.push_back(stage.group);
  EXPECT_EQ(groups, (std::vector<int>{0, 2, 4, 6, 1, 3, 5, 7, 6, 4, 2, 0, 7, 5, 3, 1}));
  EXPECT_EQ(layout.llm_replicas(), 4);
  EXPECT_EQ(layout.gpus_used(), 8);
  EXPECT_EQ(DegreesOf(layout).front(), (ModuleDegrees{.tp = 1, .pp = 4, .dp = 2}));
  EXPECT_EQ(DegreesOf(layout).front().gpus(), layout.gpus_used());
  EXPECT_EQ(layout.copies(layout.stages.front().parts.front()), 4);
  EXPECT_EQ(layout.name, "uniform tp1 pp4 dp2, in two directions, 4 microbatches");
  EXPECT_EQ(DevicePositions(layout), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(FindFault(layout, job.model, job.cost.cluster()).what, "");
}

TEST(TwoDirections, ReplicasCountTheirOwnMicrobatches) {
  // Chimera's slots of 2 devices, 2 microbatches: device 0 runs F0 down (slot 0), F1 up (1), BW1 up (2), BW0 down (3);
  // either is microbatch 0 of its replica. The other device mirrors it.
  const BothWays job("chimera", 2, 1);
  const auto kF = OpKind::kForward, kBW = OpKind::kBackward;
  EXPECT_EQ(job.orders[0], (DeviceOrder{{kF, 0, 0}, {kF, 0, 1}, {kBW, 0, 1}, {kBW, 0, 0}}));
  EXPECT_EQ(job.orders[1], (DeviceOrder{{kF, 0, 1}, {kF, 0, 0}, {kBW, 0, 0}, {kBW, 0, 1}}));
}

TEST(TwoDirections, ChimeraTakesTheSlotsOfItsPaperInBothEngines) {
  // As many microbatches N as devices D, a forward as long as a backward: 2N + D − 2 slots (arXiv 2107.06925), 10 for
  // 4 and 22 for 8; twice as many on 4 devices 2 · 8 + 4 − 2 = 18. Two rows take no longer.
  for (const auto& [devices, microbatches, slots] :
       std::vector<std::tuple<int, int, double>>{{4, 4, 10}, {8, 8, 22}, {4, 8, 18}}) {
    for (const int rows : {1, 2}) {
      const BothWays job("chimera", devices, microbatches / 2, rows);
      const OperationGraph graph = job.Silent(AlikeCosts(job.layout, 1, 0.5));
      EXPECT_DOUBLE_EQ(MakeReplayEngine()->Run(graph).makespan.value(), slots);
      if (!HasSimGridEngine()) continue;
      EXPECT_NEAR(MakeSimGridEngine(job.cost.cluster())->Run(graph).makespan.value(), slots, 1e-9);
    }
  }
}

TEST(TwoDirections, DualPipeIdlesByItsLawInBothEngines) {
  // F = B = W = 1, a pair .75 of its halves' 3 s: the device that idles most does for (p/2 − 1)(2.25 + 2 − 3) of p
  // devices, 1.25 s of 4 and 3.75 s of 8. Of two devices the pair is all there is, and nobody waits.
  for (const auto& [devices, idle] : std::vector<std::pair<int, double>>{{2, 0}, {4, 1.25}, {8, 3.75}}) {
    const BothWays job(R"({"name": "dualpipe", "overlap": 0.75})", devices, devices);
    const OperationGraph graph = job.Silent(AlikeCosts(job.layout, 1, 1));
    std::vector<OperationTimes> runs = {MakeReplayEngine()->Run(graph)};
    if (HasSimGridEngine()) runs.push_back(MakeSimGridEngine(job.cost.cluster())->Run(graph));
    for (const OperationTimes& times : runs) {
      double most = 0;
      for (int g = 0; g < graph.groups; ++g) {
        double busy = 0;
        for (const int i : graph.queues[Index(g)]) busy += graph.durations[Index(i)].value();
        most = std::max(most, times.makespan.value() - busy);
      }
      EXPECT_NEAR(most, idle, 1e-9) << devices;
    }
  }
}

TEST(TwoDirections, UnequalMicrobatchesRunWhenTheScheduleByItselfSaysSo) {
  using Place = std::tuple<OpKind, int, int>;  // kind, stage, microbatch
  for (const std::string spec : {"chimera", "dualpipe", R"({"name": "dualpipe", "overlap": 0.7})",
                                 R"({"name": "best", "of": ["chimera", "dualpipe"]})"}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const int devices = seed % 2 == 0 ? 4 : 2;
      const BothWays job(spec, devices, devices);
      RandomStream random(seed, "two directions");
      const auto draw = [&](const Stage&, int) { return std::pair(0.1 + random.Uniform(), 0.1 + random.Uniform()); };
      StepCosts costs = HandMadeCosts(job.layout, draw);
      ScheduleProblem problem = ShapeOf(*job.schedule, devices, 2 * devices);
      problem.times.resize(2 * Index(devices));
      // Stage d of the way down is stage d of the problem, that of the way up D + d; k goes (k mod 2)'s way.
      for (int s = 0; s < 2 * devices; ++s) {
        for (int k = 0; k < 2 * devices; ++k) {
          PartCost& part = costs.stages[Index(s)][Index(k / 2)];
          if (k % 2 == 0) part.weight_gradient.time = Seconds(0.1 + random.Uniform());
          problem.times[Index(s)].push_back({part.forward.time, part.backward.time, part.weight_gradient.time});
        }
      }
      const TimedOrders run = RunOrders(job.schedule->Orders(ShapeOf(*job.schedule, devices, 2 * devices)), problem);
      const OperationGraph graph = job.Silent(costs);
      const OperationTimes times = MakeReplayEngine()->Run(graph);
      std::map<Place, std::size_t> operation;
      for (std::size_t i = 0; i < graph.operations.size(); ++i) {
        const Operation& one = graph.operations[i];
        if (IsComputation(one.kind)) operation[{one.kind, one.stage, one.microbatch}] = i;
      }
      std::size_t compared = 0;
      const auto stages = problem.StagesOfDevices();
      for (std::size_t d = 0; d < run.devices.size(); ++d) {
        for (const TimedOp& one : run.devices[d]) {
          const int s = stages[d][Index(one.op.chunk)];
          const std::size_t i = operation.at({one.op.kind, s, one.op.microbatch / 2});
          EXPECT_NEAR(times.end[i].value(), one.end.value(), 1e-9) << spec << " " << seed;
          ++compared;
        }
      }
      EXPECT_EQ(compared, operation.size());
    }
  }
}

TEST(TwoDirections, ADeviceHoldsTheWeightsOfTwoStages) {
  // Two devices, 24 layers: either holds the embedding half and the head half, so both the same, and as much as the two
  // devices of one direction together; distributed, every stage's optimizer lies on two ranks.
  const ModelSpec model = LlmOf(24);
  for (const Sharding sharding : {Sharding::kNone, Sharding::kOptimizer}) {
    const CostModel cost(model, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), {.sharding = sharding});
    const auto uses = [&](int directions) {
      const Layout layout =
          BuildLayout(HomogeneousDegrees{.tp = 1, .pp = 2, .dp = 1, .microbatches = 2, .directions = directions}, model,
                      A100Nodes(1));
      const auto schedule = Plugin<PipelineSchedule>(directions == 2 ? "chimera" : "1f1b");
      return PeakMemory({cost, layout, OrdersOf(*schedule, layout)}, TinyWork(cost, layout));
    };
    const MemoryUse one = uses(1), two = uses(2);
    ASSERT_EQ(one.stages.size(), 2u);
    ASSERT_EQ(two.stages.size(), 2u);
    for (const StageMemoryUse& device : two.stages) {
      EXPECT_DOUBLE_EQ(device.weights.value(), (one.stages[0].weights + one.stages[1].weights).value());
      EXPECT_DOUBLE_EQ(device.gradients.value(), (one.stages[0].gradients + one.stages[1].gradients).value());
      const double ranks = sharding == Sharding::kNone ? 1 : 2;
      EXPECT_NEAR(device.optimizer.value() * ranks, (one.stages[0].optimizer + one.stages[1].optimizer).value(), 1);
    }
  }
}

TEST(TwoDirections, GradientsAreSummedOverBothCopiesOfAllRows) {
  // A ring over n ranks moves 2 (n − 1) G of every stage's G bytes; n is 2 of one row, 6 of three.
  for (const int rows : {1, 3}) {
    const BothWays job("chimera", 4, 2, rows);
    double expected = 0;
    for (int s = 0; s < 4; ++s) {
      expected += 2 * (2 * rows - 1) * job.cost.GradientBytes(job.layout.stages[Index(s)].parts.front()).value();
    }
    const StepWork work = TinyWork(job.cost, job.layout);
    const OperationGraph graph = BuildGraph(job.job(), work, PriceStep(job.cost, job.layout, work));
    double moved = 0;
    std::size_t reductions = 0;
    for (const Operation& one : graph.operations) {
      if (one.kind != OpKind::kGradientReduction || one.communication < 0) continue;
      const double factor = graph.communications.factor(one.communication);
      for (const Flow& flow : graph.communications.FlowsOf(graph.communications.way(one.communication))) {
        moved += flow.bytes.value() * factor;
      }
      ++reductions;
    }
    EXPECT_EQ(reductions, 4u);
    EXPECT_NEAR(moved, expected, 1e-9 * expected);
  }
}

TEST(TwoDirections, CollectivesOfTheStepsEndTakeTurnsOnTheDevicesThatTheyShare) {
  // Stages s and 3 − s are summed over the same two devices: one after the other, the one whose gradients are complete
  // first where reductions overlap with backwards. Those of the later stages are (chimera's last backward of stage s is
  // in slot 2D − 1 − s + 2i).
  for (const bool overlaps : {false, true}) {
    const BothWays job("chimera", 4, 2, 1, {.overlap_gradients = overlaps});
    const StepWork work = TinyWork(job.cost, job.layout);
    const OperationGraph graph = BuildGraph(job.job(), work, AlikeCosts(job.layout, 1, 0.5));
    const OperationTimes times = MakeReplayEngine()->Run(graph);
    std::map<int, std::pair<Seconds, Seconds>> spans;  // by stage
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      if (graph.operations[i].kind != OpKind::kGradientReduction) continue;
      spans[graph.operations[i].stage] = {times.start[i], times.end[i]};
    }
    ASSERT_EQ(spans.size(), 4u);
    for (const int s : {0, 1}) {
      const auto &early = spans.at(s), &late = spans.at(3 - s);
      EXPECT_TRUE(early.second <= late.first || late.second <= early.first) << s;
      if (overlaps) {
        EXPECT_LT(late.first, early.first) << s;
      }
    }
  }
}

/// Random costs of a model with or without encoders, two directions, uneven samples.
RandomStep RandomBothWays(std::uint64_t seed) {
  RandomStep step = RandomStepMaker(seed).Make();
  RandomStream random(seed, "random both ways");
  const auto pick = [&](const std::vector<int>& values) { return values[random.Below(values.size())]; };
  step.software.sharding = static_cast<Sharding>(pick({0, 1}));
  step.software.encoder_sharding.reset();
  step.software.reduce_every_microbatch.reset();
  if (!step.software.shards()) step.software.overlap_parameters = false;
  HomogeneousDegrees degrees{.tp = pick({1, 2}), .pp = pick({2, 4}), .dp = pick({1, 2, 3, 4}), .directions = 2};
  degrees.encoder_stages = step.model.encoders.empty() ? 0 : 1 + static_cast<int>(random.Below(Index(degrees.pp - 1)));
  step.pipeline = random.Below(2) == 0 ? "chimera" : R"({"name": "dualpipe", "overlap": 0.8})";
  degrees.microbatches = degrees.pp * pick({1, 2}) / (step.pipeline == "chimera" ? 2 : 1);
  step.layout = BuildLayout(degrees, step.model, step.cluster);
  step.orders = OrdersOf(*Plugin<PipelineSchedule>(step.pipeline), step.layout);
  step.batch.clear();
  const int replicas = step.layout.llm_replicas(), microbatches = step.layout.microbatches;
  step.plan = {};
  step.plan.buckets.assign(Index(replicas), std::vector<std::vector<int>>(Index(microbatches)));
  for (int i = 0; i < 2 * replicas * microbatches; ++i) {
    SampleShape sample{{}, 20 + static_cast<int>(random.Below(600)), 10};
    for (std::size_t e = 0; e < step.model.encoders.size(); ++e) {
      sample.tiles.push_back(1 + static_cast<int>(random.Below(6)));
      sample.llm_tokens += 200 * sample.tiles.back();
    }
    step.batch.push_back(std::move(sample));
    const int bucket = i < replicas * microbatches ? i : static_cast<int>(random.Below(Index(replicas * microbatches)));
    step.plan.buckets[Index(bucket % replicas)][Index(bucket / replicas)].push_back(i);
  }
  return step;
}

/// Rows beyond the first `different` repeat the samples of earlier ones, either way.
RandomStep WithRepeatedRows(RandomStep step, int different) {
  const int rows = step.layout.rows();
  for (int r = 0; r < step.layout.llm_replicas(); ++r) {
    if (r % rows < different) continue;
    for (std::size_t k = 0; k < Index(step.layout.microbatches); ++k) {
      std::vector<int>& bucket = step.plan.buckets[Index(r)][k];
      bucket.clear();
      for (const int sample : step.plan.buckets[Index(r - different)][k]) {
        bucket.push_back(static_cast<int>(step.batch.size()));
        step.batch.push_back(SampleShape(step.batch[Index(sample)]));
      }
    }
  }
  return step;
}

TEST(TwoDirections, RandomJobsKeepEveryDeviceInOrderAndAddTheirIdleTimeUp) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const RandomStep step = RandomBothWays(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + step.layout.name);
    const CostModel cost(step.model, step.cluster, std::make_shared<FakeKernelCosts>(), step.software);
    const Job job{cost, step.layout, step.orders};
    ASSERT_EQ(FindFault(step.layout, step.model, step.cluster).what, "");
    ASSERT_EQ(WhyNotTrained(cost, step.layout), "");
    const auto replay = MakeReplayEngine();
    const Step ran = SimulateStep(job, step.plan, step.batch, *replay, {.fold = true});
    for (int g = 0; g < ran.graph.groups; ++g) {
      const std::vector<int>& queue = ran.graph.queues[Index(g)];
      Seconds busy{0};
      for (std::size_t i = 0; i < queue.size(); ++i) {
        busy += ran.graph.durations[Index(queue[i])];
        if (i > 0) {
          EXPECT_GE(ran.times.start[Index(queue[i])], ran.times.end[Index(queue[i - 1])]);
        }
      }
      EXPECT_GE(ran.times.makespan.value(), busy.value() * (1 - 1e-12));
    }
    const StepMetrics metrics = MeasureStep(job, ran, *replay);
    const IdleByCause& idle = metrics.idle;
    const double sum = idle.bubble + idle.imbalance + idle.data_parallel_wait + idle.by_kind.encoder_llm +
                       idle.by_kind.stage + idle.by_kind.gradients + idle.by_kind.parameters;
    EXPECT_NEAR(sum, metrics.idle_fraction, 1e-9);
    EXPECT_EQ(idle.by_kind.encoder_llm, 0);
    if (step.layout.rows() == 1) {
      EXPECT_NEAR(idle.data_parallel_wait, 0, 1e-9);  // nobody beside the row to wait for
    }
  }
}

TEST(TwoDirections, EqualRowsAreSimulatedOnceToTheLastBit) {
  int folded_away = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const RandomStep random = RandomBothWays(seed);
    if (random.layout.rows() == 1) continue;
    const RandomStep step = WithRepeatedRows(random, random.layout.rows() > 2 && seed % 2 == 0 ? 2 : 1);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + step.layout.name);
    const CostModel cost(step.model, step.cluster, std::make_shared<FakeKernelCosts>(), step.software);
    const Job job{cost, step.layout, step.orders};
    const auto replay = MakeReplayEngine();
    const Step all = SimulateStep(job, step.plan, step.batch, *replay, {.fold = false});
    const Step folded = SimulateStep(job, step.plan, step.batch, *replay, {.fold = true});
    EXPECT_EQ(folded.times.makespan, all.times.makespan);
    const TimelineHash hash(step.layout);
    EXPECT_EQ(hash.Classes(folded.graph, folded.times), hash.Classes(all.graph, all.times));
    EXPECT_EQ(OperationsToldApart(folded.graph, step.layout), all.graph.operations.size());
    const StepMetrics one = MeasureStep(job, folded, *replay), every = MeasureStep(job, all, *replay);
    EXPECT_EQ(one.idle_fraction, every.idle_fraction);
    EXPECT_EQ(one.idle.bubble, every.idle.bubble);
    EXPECT_EQ(one.idle.imbalance, every.idle.imbalance);
    EXPECT_EQ(one.model_flops, every.model_flops);
    EXPECT_EQ(PeakMemory(job, folded.work, folded.classes).peak, PeakMemory(job, all.work).peak);
    for (std::size_t of = 0; of < 4; ++of) {
      const StepTraffic few = TrafficOf(job, folded), many = TrafficOf(job, all);
      for (std::size_t kind = 0; kind < 4; ++kind) {
        EXPECT_NEAR(few.bytes[of][kind].value(), many.bytes[of][kind].value(), 1e-9 * many.bytes[of][kind].value());
      }
    }
    folded_away += folded.classes.empty() ? 0 : 1;
  }
  EXPECT_GT(folded_away, 10) << "too few of them had rows to fold";
}

TEST(TwoDirections, ClassesAreOfRowsAndOfOneDirection) {
  const BothWays job("chimera", 4, 2, 3);
  StepWork work = TinyWork(job.cost, job.layout);
  const auto members = [&] {
    std::vector<std::vector<int>> all;
    for (const ReplicaClass& one : ReplicaClassesOf(job.cost, job.layout, work)) all.push_back(one.replicas);
    return all;
  };
  // On nodes of 8 GPUs only devices 0 to 7 are near: rows 0 and 1 of 3 have their third device there, row 2 has not.
  const auto before = members();
  EXPECT_EQ(before.size() % 2, 0u);
  work.sequences.back()[4][1] = LlmBatch({500}, Packing::kPacked);  // the way up of row 1: its way down differs too
  const std::vector<std::vector<int>> after = members();
  EXPECT_NE(std::find(after.begin(), after.end(), std::vector<int>{1}), after.end());
  EXPECT_NE(std::find(after.begin(), after.end(), std::vector<int>{4}), after.end());
}

TEST(TwoDirections, ASampleOfTheDevicesIsWholeRowsAndHasTheLastOfThem) {
  // 8 rows of 2 devices; at most 4 devices are drawn: those of the row that the step waits for longest, the first, and
  // no others. The way up of row 5 alone makes it the slowest.
  const BothWays job("chimera", 2, 2, 8);
  StepWork work = TinyWork(job.cost, job.layout);
  StepCosts costs = PriceStep(job.cost, job.layout, work);
  for (std::size_t s = 0; s < costs.stages.size(); ++s) {
    if (job.layout.stages[s].replica != 8 + 5) continue;
    for (PartCost& part : costs.stages[s]) part.forward.time *= 3.0;
  }
  const Step step = SimulateCosts(job.job(), std::move(work), std::move(costs), *MakeReplayEngine(), {});
  const std::vector<bool> drawn = DrawnGroups(job.job(), step, TraceDetail::kSample, 4);
  std::vector<int> groups;
  for (std::size_t g = 0; g < drawn.size(); ++g) {
    if (drawn[g]) groups.push_back(static_cast<int>(g));
  }
  EXPECT_EQ(groups, (std::vector<int>{0, 5, 8, 13}));
}

TEST(TwoDirections, APlanFileHoldsThemAndOneOfOneDirectionSaysNothing) {
  const BothWays job("dualpipe", 4, 4, 2);
  const Json json = ToJson(job.layout);
  EXPECT_EQ(json.find("directions")->number(), 2);
  const Layout read = ReadLayout(JsonReader(json, "layout"));
  EXPECT_EQ(read.directions, 2);
  EXPECT_EQ(read.replicas, job.layout.replicas);
  EXPECT_EQ(OrdersOf(*job.schedule, read), job.orders);
  EXPECT_EQ(ToJson(read), json);
  EXPECT_EQ(ToJson(BuildLayout(HomogeneousDegrees{1, 2, 1, 1, 4}, SmallVlm(), A100Nodes(1))).find("directions"),
            nullptr);
}

TEST(TwoDirections, SharedDevicesOfOtherReplicasAreFaults) {
  const BothWays job("chimera", 4, 2, 2);
  const auto fault = [&](const std::function<void(Layout&)>& change) {
    Layout layout = job.layout;
    change(layout);
    const LayoutFault found = FindFault(layout, job.model, job.cost.cluster());
    return found.pointer + " " + found.what;
  };
  EXPECT_NE(fault([](Layout& l) { l.directions = 1; }).find("/stages/8/group is a device of replica 0"),
            std::string::npos);
  EXPECT_NE(fault([](Layout& l) { l.directions = 3; }).find("/directions is neither 1 nor 2"), std::string::npos);
  // Down again instead of up.
  const auto down_again = [](Layout& l) {
    for (std::size_t s = 0; s < 8; ++s) l.stages[8 + s].group = l.stages[s].group;
  };
  EXPECT_NE(fault(down_again).find("/stages/8 begins replica 2, which does not pass"), std::string::npos);
  EXPECT_NE(fault([](Layout& l) { std::swap(l.stages[8].group, l.stages[12].group); }).find("is a device of replica"),
            std::string::npos);
}

std::string RefusalOf(const std::string& spec, const Layout& layout) {
  try {
    OrdersOf(*Plugin<PipelineSchedule>(spec), layout);
  } catch (const Infeasible& error) {
    return error.what();
  }
  return "";
}

TEST(TwoDirections, WhatDoesNotFitTogetherSaysWhy) {
  const BothWays job("chimera", 4, 2);
  EXPECT_NE(RefusalOf("1f1b", job.layout).find("has two in opposite directions"), std::string::npos);
  EXPECT_NE(RefusalOf("zb-v", job.layout).find("has two in opposite directions"), std::string::npos);
  const Layout one =
      BuildLayout(HomogeneousDegrees{.tp = 1, .pp = 4, .dp = 1, .microbatches = 4}, job.model, A100Nodes(1));
  EXPECT_NE(RefusalOf("chimera", one).find("a uniform layout can have two"), std::string::npos);
  const auto odd = [&](const HomogeneousDegrees& degrees) { return WhyImpossible(degrees, LlmOf(12), A100Nodes(1)); };
  EXPECT_NE(odd({.tp = 1, .pp = 3, .dp = 1, .directions = 2}).find("not pp 3; nearest that do: 2 or 4"),
            std::string::npos);
  EXPECT_NE(odd({.tp = 1, .pp = 1, .dp = 1, .directions = 2}).find("nearest that do: 2"), std::string::npos);
  for (const Sharding sharding : {Sharding::kGradients, Sharding::kParameters}) {
    const CostModel cost(job.model, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu),
                         {.sharding = sharding});
    EXPECT_NE(WhyNotTrained(cost, job.layout).find("set software.sharding to zero1 or none"), std::string::npos);
  }
}

TEST(TwoDirections, MessagesThatBlockEndUnderChimeraAndNameTheirCircleUnderDualPipe) {
  // Chimera's slots put what meets at one time between the same two operations of either end, down and up alike. In
  // DualPipe a device that has sent its pair's results waits for a neighbour that first wants the other way's.
  for (const int devices : {2, 4, 8}) {
    const auto stuck = [&](const char* spec) {
      return WhyDeadlocked(BothWays(spec, devices, devices, 1, {.blocking_sends = true}).job());
    };
    EXPECT_EQ(stuck("chimera"), "") << devices;
    EXPECT_NE(stuck("dualpipe").find("each waits for the next"), std::string::npos) << devices;
  }
}

}  // namespace
}  // namespace dflop
