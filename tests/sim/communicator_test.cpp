// Messages of a step between stages, between encoders and LLM, and between tied embeddings.
#include "sim/build/communicator.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/build/collectives.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/stage_way.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

double TransferTime(const SoftwareStack& software, bool sequence_parallel) {
  const Priced priced(GptModel(1024, 4, 16, 1000), software);
  const Communication transfer =
      StageWay(priced.cost, DeviceGroup{0, 4}, DeviceGroup{8, 4}, Mesh{.tp = 4, .sequence_parallel = sequence_parallel})
          .Spelled(Bytes(4e6));
  return UncontendedTime(TestCluster(), transfer).value();
}

TEST(StageWay, ScatteredTensorsAreGatheredByTheirReceivers) {
  // 4 ranks send 1 MB each over a NIC of 10 GB/s: 100 µs and 5 µs latency. Then 3 rounds of an all-gather over NVLink
  // at 100 GB/s: 3 MB a rank, 30 µs, and 3 latencies of 1 µs.
  EXPECT_NEAR(TransferTime({}, false), 138e-6, 1e-12);
}

TEST(StageWay, UnscatteredEveryRankSendsItsCopy) {
  SoftwareStack software;
  software.scatter_transfers = false;
  EXPECT_NEAR(TransferTime(software, false), 405e-6, 1e-12);
}

TEST(StageWay, SequenceParallelRanksHaveAndWantTheirShareOnly) {
  SoftwareStack software;
  EXPECT_NEAR(TransferTime(software, true), 105e-6, 1e-12);
  software.scatter_transfers = false;
  EXPECT_NEAR(TransferTime(software, true), 105e-6, 1e-12);
}

/// The step's end of a text model over two stages, two replicas and two ranks; forward and backward take no time.
struct StepEnd {
  explicit StepEnd(bool tied) : cost(MakeModel(tied), TestCluster(), std::make_shared<FakeKernelCosts>(), {}) {
    const Layout layout = BuildLayout(HomogeneousDegrees{2, 2, 2, 0, 1}, cost.model(), cost.cluster());
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    const StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(0.0, 0.0); });
    graph = BuildGraph({cost, layout, orders}, DivideWork({{{{0}}, {{1}}}}, layout, cost, {{{}, 10, 10}, {{}, 10, 10}}),
                       costs);
  }
  static ModelSpec MakeModel(bool tied) {
    ModelSpec model = GptModel(1024, 4, 16, 51200);
    model.llm.tied_embeddings = tied;
    return model;
  }
  std::vector<std::size_t> Reductions(bool between_stages) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      const Operation& operation = graph.operations[i];
      const bool wanted = operation.kind == OpKind::kGradientReduction && (operation.to_stage >= 0) == between_stages;
      if (wanted) found.push_back(i);
    }
    return found;
  }
  CostModel cost;
  OperationGraph graph;
};

TEST(TiedEmbeddings, FirstAndLastStageAddUpTheirGradients) {
  // Every replica's two copies: 4 bytes × 51,200 × 1,024 / 2 ranks = 104.8576 MB a rank, over both stages in one node:
  // 2·(2−1)/2 of it at 100 GB/s and 2 latencies of 1 µs.
  const StepEnd end(true);
  const auto tied = end.Reductions(true);
  ASSERT_EQ(tied.size(), 2u);
  for (const std::size_t i : tied) EXPECT_NEAR(end.graph.durations[i].value(), 1.048576e-3 + 2e-6, 1e-12);
}

TEST(TiedEmbeddings, AddUpAfterTheReplicasAndBeforeTheOptimizer) {
  const StepEnd end(true);
  const OperationTimes times = MakeReplayEngine()->Run(end.graph);
  double reduced = 0;
  double added = 0;
  for (std::size_t i = 0; i < times.end.size(); ++i) {
    const Operation& operation = end.graph.operations[i];
    if (operation.kind == OpKind::kGradientReduction) {
      (operation.to_stage >= 0 ? added : reduced) =
          std::max(operation.to_stage >= 0 ? added : reduced, times.end[i].value());
    }
  }
  EXPECT_NEAR(added, reduced + 1.050576e-3, 1e-12);
  EXPECT_NEAR(times.makespan.value(), added, 1e-12);
}

TEST(TiedEmbeddings, UntiedOrOnOneStageHaveNothingToAdd) {
  EXPECT_TRUE(StepEnd(false).Reductions(true).empty());
  const Priced priced(StepEnd::MakeModel(true));
  const Layout layout = BuildLayout(HomogeneousDegrees{2, 1, 2, 0, 1}, priced.cost.model(), TestCluster());
  EXPECT_TRUE(TiedEmbeddingReduction(priced.cost, layout, 0, 0).flows.empty());
}

TEST(BucketedRing, MovesTheWeightsOfTheGradientsThatWereReduced) {
  // 2 bytes a parameter against 4, over the same rings; norms and biases are whole on every rank.
  SoftwareStack software;
  software.sharding = Sharding::kOptimizer;
  const Priced priced(GptModel(1024, 4, 16, 51200), software);
  const Layout layout = BuildLayout(HomogeneousDegrees{2, 1, 4, 0, 1}, priced.cost.model(), TestCluster());
  const std::vector<int> replicas = {0, 1, 2, 3};
  const Communication reduction = BucketedRing::OfGradients(priced.cost, layout, replicas).Of({}).front();
  const Communication gather = BucketedRing::OfParameters(priced.cost, layout, replicas).Of({}).front();
  ASSERT_EQ(gather.flows.size(), reduction.flows.size());
  for (std::size_t i = 0; i < gather.flows.size(); ++i) {
    EXPECT_DOUBLE_EQ(gather.flows[i].bytes.value(), reduction.flows[i].bytes.value() / 2);
  }
}

TEST(BucketedRing, CutsWhatItMovesIntoBucketsAndARest) {
  const Priced plain(GptModel(1024, 4, 16, 1000));
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 2, 0, 1}, plain.cost.model(), TestCluster());
  const double all = plain.cost.GradientBytes(layout.stages[0].parts[0]).value();
  const auto cut = [&](double bucket_bytes) {
    const Priced priced(plain.cost.model(), {.overlap_gradients = true, .bucket_bytes = bucket_bytes});
    return BucketedRing::OfGradients(priced.cost, layout, {0, 1}).buckets();
  };
  EXPECT_EQ(BucketedRing::OfGradients(plain.cost, layout, {0, 1}).buckets().size(), 1u) << "not overlapped";
  EXPECT_EQ(cut(2 * all).size(), 1u);
  const auto thirds = cut(0.4 * all);
  ASSERT_EQ(thirds.size(), 3u);
  EXPECT_NEAR(thirds[0].end, 0.4, 1e-12);
  EXPECT_NEAR(thirds[1].begin, 0.4, 1e-12);
  EXPECT_NEAR(thirds[1].end, 0.8, 1e-12);
  EXPECT_EQ(thirds[2].end, 1);
  EXPECT_NEAR(thirds[2].size, 0.2, 1e-12);
  EXPECT_EQ(cut(1).size(), std::size_t{kMostBuckets});
}

/// Two LLM replicas with 9 and 1 tiles but equally many LLM tokens.
OperationGraph TwoReplicas(const CostModel& cost, const Layout& layout) {
  const StepWork work = DivideWork({{{{0}}, {{1}}}}, layout, cost, {{{9}, 1000, 10}, {{1}, 1000, 10}});
  return BuildGraph({cost, layout, OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)}, work,
                    PriceStep(cost, layout, work));
}

TEST(Hub, SendsEveryReplicaTheOutputOfItsOwnTiles) {
  // 729 tokens × 1,024 values × 2 bytes a tile, before any pooling.
  const CostModel cost = SmallJob(1);
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 1}}, {1, 1, 2}, 1, Communicator::kHub}, SmallVlm(), A100Nodes(1));
  std::vector<double> sent;
  const Communications communications = TwoReplicas(cost, layout).communications;
  for (int number = 0; number < static_cast<int>(communications.size()); ++number) {
    const Communication communication = communications[number];
    if (communication.flows.size() == 1 && communication.flows[0].source_gpu == 0) {
      sent.push_back(communication.flows[0].bytes.value());
    }
  }
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_DOUBLE_EQ(sent[0], 9 * 729 * 1024 * 2.0);
  EXPECT_DOUBLE_EQ(sent[1], 1 * 729 * 1024 * 2.0);
}

TEST(Hub, EveryEncoderHasOneOfItsOwn) {
  // The rank that gathers one encoder's output does not hold up the rank that gathers the other's.
  ModelSpec model = SmallVlm();
  model.encoders.push_back(model.encoders[0]);
  const ClusterSpec cluster = A100Nodes(1);
  const CostModel cost(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 1}, {1, 1, 1}}, {1, 1, 2}, 1, Communicator::kHub}, model, cluster);
  const StepWork work = DivideWork({{{{0}}, {{1}}}}, layout, cost, {{{9, 9}, 1000, 10}, {{1, 1}, 1000, 10}});
  const OperationGraph graph = BuildGraph({cost, layout, OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout)}, work,
                                          PriceStep(cost, layout, work));
  const OperationTimes times = MakeReplayEngine()->Run(graph);
  std::vector<double> starts;  // of the messages to the first LLM replica, stage 2 after one stage of either encoder
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (operation.kind == OpKind::kTransfer && operation.to_stage == 2) starts.push_back(times.start[i].value());
  }
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts[0], starts[1]);
}

TEST(Hub, HandsGradientsOnToTheRanksOfAGroup) {
  // 8 MB from an LLM rank to the hub over NVLink at 100 GB/s: 80 µs and 1 µs latency, and 80 µs more to the hub's
  // peers.
  const Priced priced(SmallVlm());
  const auto time = [&](int encoder_ranks) {
    const Layout layout = BuildLayout(SeparateDegrees{{{encoder_ranks, 1, 1}}, {1, 1, 1}, 1, Communicator::kHub},
                                      SmallVlm(), TestCluster());
    return UncontendedTime(TestCluster(), Communicate(priced.cost, layout).Return(0, 0, Bytes(8e6))).value();
  };
  EXPECT_NEAR(time(1), 81e-6, 1e-12);
  EXPECT_NEAR(time(2), 161e-6, 1e-12);
}

TEST(Direct, RanksGatherTheSharesThatTheyReceive) {
  // Four lanes side by side at 100 GB/s, 2 MB each: 20 µs and 1 µs latency; then an all-gather of 6 MB a rank, 3
  // rounds.
  const Priced priced(SmallVlm());
  const Layout layout =
      BuildLayout(SeparateDegrees{{{4, 1, 1}}, {4, 1, 1}, 1, Communicator::kDirect}, SmallVlm(), TestCluster());
  const Communicate join(priced.cost, layout);
  for (const Communication& message : {join.Send(0, 0, Bytes(8e6)), join.Return(0, 0, Bytes(8e6))}) {
    EXPECT_NEAR(UncontendedTime(TestCluster(), message).value(), (20 + 1 + 60 + 3) * 1e-6, 1e-12);
  }
}

}  // namespace
}  // namespace dflop
