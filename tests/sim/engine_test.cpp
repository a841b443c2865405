// Claims on the two engines: hand-derived times, agreement where links do not contend, and what holds of any run.
#include "sim/engine/engine.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "sim/build/collectives.hpp"
#include "tests/sim/graph_builder.hpp"

namespace dflop {
namespace {

constexpr double kTiny = 1e-9;  // relative

double Start(const OperationTimes& times, int operation) { return times.start[std::size_t(operation)].value(); }
double End(const OperationTimes& times, int operation) { return times.end[std::size_t(operation)].value(); }

/// What both engines must do alike.
class BothEngines : public testing::TestWithParam<std::string> {
 protected:
  static OperationTimes Run(const GraphBuilder& builder) {
    return MakeEngine(GetParam(), builder.cluster())->Run(builder.graph());
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, BothEngines, testing::ValuesIn(EngineNames()),
                         [](const auto& instance) { return instance.param; });

TEST_P(BothEngines, EmptyGraphTakesNoTime) { EXPECT_EQ(Run(GraphBuilder(SmallCluster(1), 0)).makespan, Seconds(0)); }

TEST_P(BothEngines, ChainRunsOneAfterTheOther) {
  GraphBuilder builder(SmallCluster(1), 3);
  const int a = builder.Compute(0, 1);
  const int b = builder.Compute(1, 2, {a});
  const int c = builder.Compute(2, 3, {b});
  const OperationTimes times = Run(builder);
  EXPECT_DOUBLE_EQ(Start(times, a), 0);
  EXPECT_DOUBLE_EQ(Start(times, b), 1);
  EXPECT_DOUBLE_EQ(Start(times, c), 3);
  EXPECT_DOUBLE_EQ(times.makespan.value(), 6);
}

TEST_P(BothEngines, JoinWaitsForTheLatestDependency) {
  GraphBuilder builder(SmallCluster(1), 3);
  const int fast = builder.Compute(0, 1);
  const int slow = builder.Compute(1, 4);
  const int join = builder.Compute(2, 1, {fast, slow});
  EXPECT_DOUBLE_EQ(Start(Run(builder), join), 4);
}

TEST_P(BothEngines, QueueOrderHoldsEvenWhenALaterOperationIsReadyFirst) {
  GraphBuilder builder(SmallCluster(1), 2);
  const int slow = builder.Compute(1, 5);
  const int head = builder.Compute(0, 2, {slow});
  const int ready = builder.Compute(0, 1);  // has waited since 0, but stands behind `head`
  const OperationTimes times = Run(builder);
  EXPECT_DOUBLE_EQ(Start(times, head), 5);
  EXPECT_DOUBLE_EQ(Start(times, ready), 7);
}

TEST_P(BothEngines, OperationsOfNoTimeKeepTheirOrder) {
  GraphBuilder builder(SmallCluster(1), 1);
  int last = builder.Compute(0, 1);
  for (int i = 0; i < 100; ++i) last = builder.Compute(0, 0, {last});
  EXPECT_DOUBLE_EQ(End(Run(builder), last), 1);
}

TEST_P(BothEngines, LoneFlowTakesLatencyPlusBytesOverRate) {
  GraphBuilder builder(SmallCluster(2), 1);
  const int a = builder.Compute(0, 1);
  const int inside = builder.Send({0, 1, Bytes(12)}, 0.25, {a});        // 12 bytes at 8/s over NVLink
  const int between = builder.Send({1, 6, Bytes(3.5)}, 0.5, {inside});  // 3.5 bytes at 2/s over a NIC
  const OperationTimes times = Run(builder);
  EXPECT_NEAR(End(times, inside), 1 + 0.25 + 1.5, kTiny);
  EXPECT_NEAR(End(times, between), 2.75 + 0.5 + 1.75, kTiny);
}

TEST_P(BothEngines, MessageOfNothingOrToItselfTakesItsLatency) {
  GraphBuilder builder(SmallCluster(2), 1);
  const int nothing = builder.Send(Communication{{{0, 4, Bytes(0)}}, Seconds(2)}, Seconds(2));
  const int itself = builder.Send(Communication{{{3, 3, Bytes(100)}}, Seconds(1)}, Seconds(1), {nothing});
  const int flowless = builder.Send(Communication{{}, Seconds(0)}, Seconds(0), {itself});
  const int after = builder.Compute(0, 1, {flowless});
  const OperationTimes times = Run(builder);
  EXPECT_DOUBLE_EQ(End(times, nothing), 2);
  EXPECT_DOUBLE_EQ(Start(times, after), 3);
}

TEST_P(BothEngines, OppositeDirectionsDoNotContend) {
  GraphBuilder builder(SmallCluster(2), 0);
  const int there = builder.Send({0, 4, Bytes(4)}, 0);
  const int back = builder.Send({4, 0, Bytes(4)}, 0);
  const OperationTimes times = Run(builder);
  EXPECT_NEAR(End(times, there), 2, kTiny);
  EXPECT_NEAR(End(times, back), 2, kTiny);
}

TEST_P(BothEngines, MessagesOnOneQueueGoOneAtATime) {
  GraphBuilder builder(SmallCluster(2), 1);
  builder.Send({0, 4, Bytes(4)}, 0.5, {}, 0);
  const int second = builder.Send({0, 4, Bytes(4)}, 0.5, {}, 0);
  EXPECT_NEAR(End(Run(builder), second), 2 * 2.5, kTiny);
}

TEST_P(BothEngines, SecondRunIsBitIdentical) {
  ClusterSpec cluster;
  RandomStream random(7, "engine");
  const OperationGraph graph = RandomJob(random, 60, Links::kContended, &cluster);
  const auto engine = MakeEngine(GetParam(), cluster);
  const OperationTimes first = engine->Run(graph);
  engine->Run(RandomJob(random, 20, Links::kContended, &cluster));
  const OperationTimes again = engine->Run(graph);
  EXPECT_EQ(first.start, again.start);
  EXPECT_EQ(first.end, again.end);
}

TEST_P(BothEngines, DeadlockAbortsAndNamesTheFirstStuckOperation) {
  GraphBuilder builder(SmallCluster(1), 2);
  builder.Compute(1, 1);       // microbatch 0 runs
  builder.Compute(0, 1, {2});  // stands before the operation that it waits for
  builder.Compute(0, 1);
  EXPECT_DEATH(Run(builder), "deadlock.*forward of microbatch 1 on stage 0 in queue 0 can never start");
}

TEST_P(BothEngines, WriteNothingToTheTerminal) {
  GraphBuilder builder(SmallCluster(2), 0);
  builder.Send({0, 4, Bytes(4)}, 0.5);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Run(builder);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_P(BothEngines, AnswerForTheLargestCluster) {
  const ClusterSpec cluster = SmallCluster(131072);
  GraphBuilder builder(cluster, 0);
  const int far = builder.Send({0, cluster.gpus() - 1, Bytes(6)}, 1);
  EXPECT_NEAR(End(Run(builder), far), 1 + 3, kTiny);
}

TEST_P(BothEngines, FindAShortMessageAfterALongTime) {
  GraphBuilder builder(SmallCluster(2), 1);
  const int wait = builder.Compute(0, 1e6);
  const int message = builder.Send({0, 4, Bytes(2e-3)}, 1e-6, {wait});
  // The clock itself resolves 1e6 · 2⁻⁵² ≈ 2e-10 s.
  EXPECT_NEAR(End(Run(builder), message) - 1e6, 1e-3 + 1e-6, 1e-9);
}

TEST(Engines, UnknownNameSaysWhatThereIs) {
  try {
    MakeEngine("reply", SmallCluster(1));
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("\"reply\", this build has: replay"), std::string::npos) << error.what();
  }
}

TEST(Engines, BuildWithoutSimGridSaysWhatToInstall) {
  if (HasSimGridEngine()) GTEST_SKIP() << "this build has SimGrid";
  EXPECT_THROW(MakeEngine("simgrid", SmallCluster(1)), InputError);
}

/// What only flows know: sharing.
class SimGridEngine : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasSimGridEngine()) GTEST_SKIP() << "this build has no SimGrid";
  }
  static OperationTimes Run(const GraphBuilder& builder) {
    return MakeEngine("simgrid", builder.cluster())->Run(builder.graph());
  }
};

TEST_F(SimGridEngine, TwoFlowsThroughOneNicTakeTwiceAsLongAndReplayDoesNotSeeIt) {
  GraphBuilder builder(SmallCluster(3), 0);
  const int one = builder.Send({0, 4, Bytes(4)}, 0.5);  // GPUs 0 and 2 share a NIC of their node
  const int two = builder.Send({2, 8, Bytes(4)}, 0.5);
  const OperationTimes shared = Run(builder);
  EXPECT_NEAR(End(shared, one), 0.5 + 4, kTiny);
  EXPECT_NEAR(End(shared, two), 0.5 + 4, kTiny);
  const OperationTimes alone = MakeReplayEngine()->Run(builder.graph());
  EXPECT_DOUBLE_EQ(End(alone, one), 0.5 + 2);
  EXPECT_DOUBLE_EQ(End(alone, two), 0.5 + 2);
}

TEST_F(SimGridEngine, FlowsThroughDifferentNicsOfANodeDoNotContend) {
  GraphBuilder builder(SmallCluster(3), 0);
  const int one = builder.Send({0, 4, Bytes(4)}, 0.5);
  const int two = builder.Send({1, 9, Bytes(4)}, 0.5);
  const OperationTimes times = Run(builder);
  EXPECT_NEAR(End(times, one), 2.5, kTiny);
  EXPECT_NEAR(End(times, two), 2.5, kTiny);
}

TEST_F(SimGridEngine, NvLinkAndNicOfOneGpuDoNotContend) {
  GraphBuilder builder(SmallCluster(2), 0);
  const int inside = builder.Send({0, 1, Bytes(16)}, 0);
  const int between = builder.Send({0, 4, Bytes(4)}, 0);
  const OperationTimes times = Run(builder);
  EXPECT_NEAR(End(times, inside), 2, kTiny);
  EXPECT_NEAR(End(times, between), 2, kTiny);
}

// SimGrid's own model would give the flow of ten times the latency a tenth of the link. Here the first flow is alone
// from 0.1 to 1 s (1.8 of 4 bytes); then both get 1 byte/s; the first ends at 3.2 s, when the second has 1.8 bytes left
// and the link to itself: 3.2 + 0.9.
TEST_F(SimGridEngine, FlowsOfDifferentLatencyShareEqually) {
  GraphBuilder builder(SmallCluster(3), 0);
  const int near = builder.Send({0, 4, Bytes(4)}, 0.1);
  const int far = builder.Send({0, 8, Bytes(4)}, 1.0);
  const OperationTimes times = Run(builder);
  EXPECT_NEAR(End(times, near), 3.2, kTiny);
  EXPECT_NEAR(End(times, far), 4.1, kTiny);
}

// Three flows leave GPU 0 at 8/3 bytes/s each. The one from GPU 1 into GPU 2 meets one of them there and takes the rest
// of that link, 16/3: 8 bytes in 1.5 s, while the three need 3 s.
TEST_F(SimGridEngine, FlowTakesWhatAFlowHeldUpElsewhereLeaves) {
  GraphBuilder builder(SmallCluster(1), 0);
  std::vector<int> held_up;
  for (const int target : {1, 2, 3}) held_up.push_back(builder.Send({0, target, Bytes(8)}, 0));
  const int free = builder.Send({1, 2, Bytes(8)}, 0);
  const OperationTimes times = Run(builder);
  EXPECT_NEAR(End(times, free), 1.5, kTiny);
  for (const int flow : held_up) EXPECT_NEAR(End(times, flow), 3, kTiny);
}

// The smallest unit beside 10¹⁵ bytes is 2⁻¹³ bytes: 6e-5 s at 2 bytes/s.
TEST_F(SimGridEngine, FlowTooSmallToCountBesideAHugeOneStillArrives) {
  GraphBuilder builder(SmallCluster(2), 0);
  builder.Send({0, 4, Bytes(1e15)}, 0);
  const int speck = builder.Send({1, 5, Bytes(1e-15)}, 1);
  EXPECT_NEAR(End(Run(builder), speck), 1, 1e-4);
}

TEST_F(SimGridEngine, FlowsOfOneCommunicationShareLinksAndTheLastOneEndsIt) {
  GraphBuilder builder(SmallCluster(1), 1);
  const Communication both{{{0, 1, Bytes(4)}, {0, 2, Bytes(8)}}, Seconds(1)};
  const int transfer = builder.Send(both, Seconds(1 + 12.0 / 8));
  const int after = builder.Compute(0, 1, {transfer});
  EXPECT_NEAR(Start(Run(builder), after), 1 + 12.0 / 8, kTiny);
}

// Unequal numbers of replicas a node too: what flows make of a collective alone is what its closed form says.
TEST_F(SimGridEngine, ALoneRingAllReduceTakesItsClosedForm) {
  const std::vector<std::vector<int>> placements = {{0, 2}, {0, 4}, {0, 2, 4, 6}, {0, 2, 4, 6, 8, 10}, {0, 2, 4, 8}};
  for (const std::vector<int>& groups : placements) {
    GraphBuilder builder(SmallCluster(3), 0);
    const Communication ring =
        Collective(builder.cluster(), CollectiveOp::kAllReduce, groups, 2, Bytes(12)).communication;
    const Seconds closed = UncontendedTime(builder.cluster(), ring);
    const int reduction = builder.Send(ring, closed);
    EXPECT_NEAR(End(Run(builder), reduction), closed.value(), 1e-9 * closed.value()) << groups.size() << " replicas";
  }
}

/// "replay with …" in every failure of a random job.
std::string HowToReplay(const char* test, int job) {
  return "job " + std::to_string(job) + "; replay with: dflop_tests --gtest_filter=" + test;
}

TEST_F(SimGridEngine, AgreesWithReplayOn200RandomJobsWithoutContention) {
  double worst = 0;
  for (int job = 0; job < 200; ++job) {
    SCOPED_TRACE(HowToReplay("SimGridEngine.AgreesWithReplayOn200RandomJobsWithoutContention", job));
    RandomStream random(static_cast<std::uint64_t>(job), "engine agreement");
    ClusterSpec cluster;
    const int operations = 5 + static_cast<int>(random.Below(80));
    const OperationGraph graph = RandomJob(random, operations, job % 2 ? Links::kOwn : Links::kSerialised, &cluster);
    const OperationTimes expected = MakeReplayEngine()->Run(graph);
    const OperationTimes actual = MakeEngine("simgrid", cluster)->Run(graph);
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      worst = std::max(worst, std::abs(actual.end[i] / expected.end[i] - 1));
      ASSERT_NEAR(actual.start[i].value(), expected.start[i].value(), kTiny * expected.start[i].value()) << i;
      ASSERT_NEAR(actual.end[i].value(), expected.end[i].value(), kTiny * expected.end[i].value()) << i;
    }
  }
  RecordProperty("worst_relative_difference", ShortestNumber(worst));
}

TEST_F(SimGridEngine, ContentionNeverMakesAnythingEarlierThanReplay) {
  int later = 0;
  for (int job = 0; job < 50; ++job) {
    SCOPED_TRACE(HowToReplay("SimGridEngine.ContentionNeverMakesAnythingEarlierThanReplay", job));
    RandomStream random(static_cast<std::uint64_t>(job), "engine contention");
    ClusterSpec cluster;
    const OperationGraph graph = RandomJob(random, 60, Links::kContended, &cluster);
    const OperationTimes alone = MakeReplayEngine()->Run(graph);
    const OperationTimes shared = MakeEngine("simgrid", cluster)->Run(graph);
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      ASSERT_GE(shared.end[i].value(), alone.end[i].value() * (1 - kTiny)) << i;
    }
    if (shared.makespan > alone.makespan * 1.001) ++later;
  }
  EXPECT_GT(later, 10) << "the jobs hardly contend and test nothing";
}

void ExpectLawfulRun(const OperationGraph& graph, const OperationTimes& times) {
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    ASSERT_LE(times.end[i], times.makespan);
    if (graph.operations[i].communication < 0) {
      ASSERT_NEAR((times.end[i] - times.start[i]).value(), graph.durations[i].value(), kTiny * times.makespan.value());
    }
    for (const std::int32_t needed : graph.DependenciesOf(i)) {
      ASSERT_GE(times.start[i], times.end[std::size_t(needed)]) << "operation " << i;
    }
  }
  for (const std::vector<int>& queue : graph.queues) {
    Seconds work(0);
    for (std::size_t k = 0; k < queue.size(); ++k) {
      const auto i = static_cast<std::size_t>(queue[k]);
      work += graph.durations[i];
      const Seconds free_from = k == 0 ? Seconds(0) : times.end[std::size_t(queue[k - 1])];
      ASSERT_GE(times.start[i], free_from) << "overlap in a queue";
    }
    ASSERT_GE(times.makespan.value(), work.value() * (1 - kTiny)) << "less than the longest queue's work";
  }
}

TEST_P(BothEngines, RandomJobsKeepOrdersAndDependencies) {
  for (int job = 0; job < 60; ++job) {
    SCOPED_TRACE(HowToReplay("*RandomJobsKeepOrdersAndDependencies*", job));
    RandomStream random(static_cast<std::uint64_t>(job), "engine laws");
    ClusterSpec cluster;
    const OperationGraph graph = RandomJob(random, 60, static_cast<Links>(job % 3), &cluster);
    ExpectLawfulRun(graph, MakeEngine(GetParam(), cluster)->Run(graph));
  }
}

}  // namespace
}  // namespace dflop
