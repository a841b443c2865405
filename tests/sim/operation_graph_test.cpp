// Dependencies of a step that no makespan of a whole pipeline pins down.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/build/graph_builder.hpp"
#include "sim/engine/longest_path.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

std::vector<int> Find(const OperationGraph& graph, OpKind kind, int stage, int microbatch = -1) {
  std::vector<int> found;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (operation.kind == kind && operation.stage == stage && operation.microbatch == microbatch) {
      found.push_back(static_cast<int>(i));
    }
  }
  return found;
}

bool WaitsFor(const OperationGraph& graph, int waiting, int needed) {
  const auto row = graph.dependencies.begin();
  return std::find(row + graph.dependency_begin[Index(waiting)], row + graph.dependency_begin[Index(waiting) + 1],
                   needed) != row + graph.dependency_begin[Index(waiting) + 1];
}

TEST(SplitBackward, AnInputGradientPaysForItselfAndTheWeightGradientWaitsForIt) {
  // One stage, two microbatches: forward 1 s, input gradient 2 s, weight gradient 4 s, in an order by hand.
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 1, 0, 2}, SmallVlm(), A100Nodes(1));
  StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1.0, 2.0); });
  for (PartCost& part : costs.stages[0]) part.weight_gradient.time = Seconds(4);
  const DeviceOrder whole = {
      {OpKind::kForward, 0}, {OpKind::kBackward, 0}, {OpKind::kForward, 1}, {OpKind::kBackward, 1}};
  const DeviceOrder split = {{OpKind::kForward, 0},       {OpKind::kForward, 1},        {OpKind::kBackwardInput, 0},
                             {OpKind::kBackwardInput, 1}, {OpKind::kBackwardWeight, 1}, {OpKind::kBackwardWeight, 0}};
  const auto build = [&](const DeviceOrder& order) {
    return BuildGraph({cost, layout, {order}}, TinyWork(cost, layout), costs, {.communication = kNoCommunication});
  };
  const OperationGraph one = build(whole);
  EXPECT_EQ(one.durations[Index(Find(one, OpKind::kBackward, 0, 0).front())].value(), 6);
  const OperationGraph two = build(split);
  for (const int k : {0, 1}) {
    const int backward = Find(two, OpKind::kBackwardInput, 0, k).front();
    const int weight = Find(two, OpKind::kBackwardWeight, 0, k).front();
    EXPECT_EQ(two.durations[Index(backward)].value(), 2);
    EXPECT_EQ(two.durations[Index(weight)].value(), 4);
    EXPECT_TRUE(WaitsFor(two, weight, backward));
    EXPECT_TRUE(WaitsFor(two, backward, Find(two, OpKind::kForward, 0, k).front()));
  }
}

/// Two replicas of an interleaved pipeline: two stages, each with gradients of its own, on every device.
struct SharedDevices {
  CostModel cost;
  Layout layout;
  OperationGraph graph;
  OperationTimes times;

  explicit SharedDevices(const SoftwareStack& software = {}) : cost(SmallJob(1, software)) {
    ModelSpec model = SmallVlm();
    model.encoders.clear();
    cost = CostModel(model, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), software);
    layout =
        BuildLayout(HomogeneousDegrees{.tp = 1, .pp = 2, .dp = 2, .microbatches = 2, .chunks = 2}, model, A100Nodes(1));
    const StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1e-3, 2e-3); });
    const auto schedule = Plugin<PipelineSchedule>(R"({"name": "interleaved", "chunks": 2})");
    graph = BuildGraph({cost, layout, OrdersOf(*schedule, layout)}, TinyWork(cost, layout), costs);
    times = MakeReplayEngine()->Run(graph);
  }

  /// Start and end of every operation of this kind that the devices of stage `s` take part in.
  std::vector<std::pair<double, double>> Spans(OpKind kind, int s) const {
    std::vector<std::pair<double, double>> spans;
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      if (operation.kind != kind || operation.stage < 0) continue;
      if (layout.stages[Index(operation.stage)].group != layout.stages[Index(s)].group) continue;
      spans.emplace_back(times.start[i].value(), times.end[i].value());
    }
    std::sort(spans.begin(), spans.end());
    return spans;
  }
};

TEST(StepEnd, StagesOnOneDeviceReduceOneAfterTheOther) {
  SoftwareStack software;
  software.sharding = Sharding::kOptimizer;
  const SharedDevices step(software);
  for (const OpKind kind : {OpKind::kGradientReduction, OpKind::kParameterGather}) {
    for (const int s : {0, 1}) {
      const auto spans = step.Spans(kind, s);
      ASSERT_EQ(spans.size(), 2u);
      EXPECT_GT(spans[0].second, spans[0].first);
      EXPECT_GE(spans[1].first, spans[0].second);
    }
  }
}

TEST(StepEnd, AnOptimizerStepWaitsForTheGradientsOfEveryStageOfItsDevice) {
  const SharedDevices step;
  for (const int s : {0, 1}) {
    const auto reductions = step.Spans(OpKind::kGradientReduction, s);
    const auto optimizers = step.Spans(OpKind::kOptimizerStep, s);
    ASSERT_EQ(reductions.size(), 2u);
    ASSERT_EQ(optimizers.size(), 2u);
    EXPECT_GE(optimizers[0].first, reductions[1].second);
  }
}

TEST(LongestPath, UndoGivesAnOperationThatWasSetTwiceItsFirstDuration) {
  const SharedDevices step;
  LongestPath path(step.graph);
  const Seconds before = path.makespan();
  const int operation = step.graph.queues[0].front();
  const Seconds duration = path.DurationOf(operation);
  path.Set(operation, duration + Seconds(5));
  path.Set(operation, duration + Seconds(7));
  EXPECT_NEAR(path.Sweep().value(), before.value() + 7, 1e-9);
  path.Undo();
  EXPECT_EQ(path.DurationOf(operation), duration);
  EXPECT_EQ(path.makespan(), before);
  path.Set(operation, duration);
  EXPECT_EQ(path.Sweep(), before);
}

}  // namespace
}  // namespace dflop
