// Claims on the order of a sweep and on replays that leave communications out.
#include "sim/graph/sweep_order.hpp"

#include <gtest/gtest.h>

#include "sim/engine/replay.hpp"
#include "tests/sim/graph_builder.hpp"

namespace dflop {
namespace {

TEST(SweepOrder, VisitsEveryOperationOnceAndAfterAllThatItWaitsFor) {
  RandomStream random(7, "sweep");
  for (int job = 0; job < 50; ++job) {
    ClusterSpec cluster = SmallCluster(1);
    const OperationGraph graph = dflop::RandomJob(random, 60, Links::kSerialised, &cluster);
    const SweepOrder order(graph);
    std::vector<int> place(graph.operations.size(), -1);
    for (std::size_t p = 0; p < order.operations().size(); ++p) {
      int& at = place[static_cast<std::size_t>(order.operations()[p])];
      EXPECT_EQ(at, -1) << "visited twice";
      at = static_cast<int>(p);
    }
    ASSERT_EQ(order.operations().size(), graph.operations.size());
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      for (const std::int32_t needed : graph.DependenciesOf(i)) {
        EXPECT_LT(place[static_cast<std::size_t>(needed)], place[i]);
      }
    }
    for (const std::vector<int>& queue : graph.queues) {
      for (std::size_t i = 1; i < queue.size(); ++i) {
        EXPECT_LT(place[static_cast<std::size_t>(queue[i - 1])], place[static_cast<std::size_t>(queue[i])]);
        EXPECT_EQ(order.Before(static_cast<std::size_t>(queue[i])), queue[i - 1]);
      }
    }
  }
}

TEST(SweepOrderDeathTest, NamesAnOperationOfACircle) {
  OperationGraph graph;
  graph.operations = {{.stage = 0, .microbatch = 3, .queue = 0}, {.stage = 1, .microbatch = 4, .queue = 0}};
  graph.durations.assign(2, Seconds(1));
  graph.queues = {{0, 1}};
  graph.groups = 1;
  graph.dependency_begin = {0, 1, 1};
  graph.dependencies = {1};
  EXPECT_DEATH(SweepOrder{graph}, "forward of microbatch 3 on stage 0");
}

TEST(SilentReplay, TakesNoTimeForWhatIsSilentAndKeepsItsMeetingPoints) {
  // 2 s on one device, a message of 1 + 4/8 s, 3 s on the other: 6.5 s, silently 5.
  GraphBuilder builder(SmallCluster(1), 2);
  const int first = builder.Compute(0, 2);
  const int sent = builder.Send(Flow{0, 1, Bytes(4)}, 1, {first});
  builder.Compute(1, 3, {sent});
  SilentKinds transfers;
  transfers.Add(OpKind::kTransfer);
  for (const std::string& name : EngineNames()) {
    const auto engine = MakeEngine(name, builder.cluster());
    const OperationGraph graph = builder.graph();
    EXPECT_NEAR(engine->Run(graph, SweepOrder(graph), {}).makespan.value(), 6.5, 1e-9) << name;
    EXPECT_NEAR(engine->Run(graph, SweepOrder(graph), transfers).makespan.value(), 5, 1e-9) << name;
  }
}

TEST(SilentReplay, FreesWhatOnlyASilentReductionBetweenTiedEmbeddingsHeldUp) {
  GraphBuilder builder(SmallCluster(1), 2);
  builder.Compute(0, 2);
  const int slow = builder.Compute(1, 9);
  const int tied = builder.Send(Flow{0, 1, Bytes(4)}, 1, {slow});
  builder.Compute(0, 1, {tied});
  OperationGraph graph = builder.graph();
  graph.operations[static_cast<std::size_t>(tied)].kind = OpKind::kGradientReduction;
  graph.operations[static_cast<std::size_t>(tied)].to_stage = 1;
  SilentKinds gradients;
  gradients.Add(OpKind::kGradientReduction);
  for (const std::string& name : EngineNames()) {
    const OperationTimes times = MakeEngine(name, builder.cluster())->Run(graph, SweepOrder(graph), gradients);
    EXPECT_NEAR(times.end.back().value(), 3, 1e-9) << name;
    EXPECT_NEAR(times.makespan.value(), 9, 1e-9) << name;
  }
}

}  // namespace
}  // namespace dflop
