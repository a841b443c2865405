// Parameters that come and go unit by unit: a step of two layers on two replicas, by hand.
//
// Units are the layers, the first with the embedding and the last with the head. A pass over unit i waits for the
// all-gather g_i of its weights; r_i is the reduce-scatter of its gradients behind its backward. Forward takes f a
// unit, backward b.
#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "sim/build/graph_builder.hpp"
#include "sim/build/shard_groups.hpp"
#include "sim/engine/engine.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

class TwoLayers {
 public:
  explicit TwoLayers(SoftwareStack software, int replicas = 2, int microbatches = 1)
      : priced_(GptModel(1024, 2, 16, 1000), Sharded(std::move(software))),
        layout_(BuildLayout(HomogeneousDegrees{.dp = replicas, .microbatches = microbatches}, priced_.cost.model(),
                            TestCluster())),
        work_(TinyWork(priced_.cost, layout_)),
        costs_(PriceStep(priced_.cost, layout_, work_)) {
    for (auto& stage : costs_.units) {
      for (auto& microbatch : stage) microbatch.assign(2, {.forward = 0.5, .backward = 0.5, .weight_gradient = 0.5});
    }
    for (Seconds& optimizer : costs_.optimizer) optimizer = Seconds(0);
    // Backward in one operation: forward, backward, again for the next microbatch.
    for (int group = 0; group < replicas; ++group) {
      orders_.emplace_back();
      for (int k = 0; k < microbatches; ++k) {
        orders_.back().push_back({OpKind::kForward, k, 0});
        orders_.back().push_back({OpKind::kBackward, k, 0});
      }
    }
  }

  /// Seconds of a whole stage's forward and backward of one replica.
  void Set(int replica, double forward, double backward) {
    for (PartCost& cost : costs_.stages[Index(replica)]) {
      cost.forward.time = Seconds(forward);
      cost.backward.time = Seconds(backward);
      cost.weight_gradient.time = Seconds(0);
    }
  }

  OperationGraph Graph() const { return BuildGraph({priced_.cost, layout_, orders_}, work_, costs_); }
  double Makespan() const { return MakeReplayEngine()->Run(Graph()).makespan.value(); }
  /// Durations of a kind in the order of the graph.
  std::vector<double> Of(OpKind kind) const {
    const OperationGraph graph = Graph();
    std::vector<double> seconds;
    for (std::size_t i = 0; i < graph.operations.size(); ++i) {
      if (graph.operations[i].kind == kind) seconds.push_back(graph.durations[i].value());
    }
    return seconds;
  }

 private:
  static SoftwareStack Sharded(SoftwareStack software) {
    software.sharding = Sharding::kParameters;
    return software;
  }
  Priced priced_;
  Layout layout_;
  StepWork work_;
  StepCosts costs_;
  std::vector<DeviceOrder> orders_;
};

constexpr double kForward = 0.010, kBackward = 0.020;  // of a unit: long beside gathers of about 0.15 ms

void SetBoth(TwoLayers& step) {
  for (const int replica : {0, 1}) step.Set(replica, 2 * kForward, 2 * kBackward);
}

TEST(ParameterStreams, WithoutPrefetchEveryGatherAndReductionButOneIsExposed) {
  SoftwareStack software;
  software.prefetch = 0;
  TwoLayers step(software);
  SetBoth(step);
  // g0 f g1 f g1 b r1 g0 b r0: the stream has one thing after the other, and each computation waits for it.
  const std::vector<double> g = step.Of(OpKind::kParameterGather), r = step.Of(OpKind::kGradientReduction);
  ASSERT_EQ(g.size(), 4u);
  ASSERT_EQ(r.size(), 2u);
  EXPECT_NEAR(step.Makespan(), g[0] + g[1] + g[2] + g[3] + 2 * kForward + 2 * kBackward + r[0] + r[1], 1e-12);
}

TEST(ParameterStreams, WithPrefetchTheFirstGatherAndTheLastReductionAre) {
  TwoLayers step({});
  SetBoth(step);
  const std::vector<double> g = step.Of(OpKind::kParameterGather), r = step.Of(OpKind::kGradientReduction);
  EXPECT_NEAR(step.Makespan(), g[0] + 2 * kForward + 2 * kBackward + r[1], 1e-12);
}

TEST(ParameterStreams, WhereGathersAreLongTheStreamIsTheStep) {
  // Computation takes nothing: four gathers, and the first reduction before the last gather.
  TwoLayers step({});
  for (const int replica : {0, 1}) step.Set(replica, 0, 0);
  const std::vector<double> g = step.Of(OpKind::kParameterGather), r = step.Of(OpKind::kGradientReduction);
  EXPECT_NEAR(step.Makespan(), g[0] + g[1] + g[2] + g[3] + r[0] + r[1], 1e-12);
}

TEST(ParameterStreams, GathersMoveTheWeightsOfTheirUnit) {
  // Layers 12·h² + 13·h each; the vocabulary of 1,000 is padded to 1,024 rows; the final norm has 2·h. Two ranks: one
  // hop of half the bytes over NVLink at 100 GB/s and 1 µs.
  const double h = 1024, layer = 12 * h * h + 13 * h;
  const std::vector<double> g = TwoLayers({}).Of(OpKind::kParameterGather);
  EXPECT_NEAR(g[0], (layer + 1024 * h) * 2 / 2 / 100e9 + 1e-6, 1e-12);
  EXPECT_NEAR(g[1], (layer + 1024 * h + 2 * h) * 2 / 2 / 100e9 + 1e-6, 1e-12);
  EXPECT_NEAR(g[2], g[1], 1e-15);
  EXPECT_NEAR(g[3], g[0], 1e-15);
  const std::vector<double> r = TwoLayers({}).Of(OpKind::kGradientReduction);
  EXPECT_NEAR(r[0], (layer + 1024 * h + 2 * h) * 4 / 2 / 100e9 + 1e-6, 1e-12);
}

TEST(ParameterStreams, WeightsThatAreKeptAreGatheredOnce) {
  SoftwareStack software;
  software.reshard_after_forward = false;
  EXPECT_EQ(TwoLayers(software, 2, 3).Of(OpKind::kParameterGather).size(), 2u * 3);
  EXPECT_EQ(TwoLayers({}, 2, 3).Of(OpKind::kParameterGather).size(), 4u * 3);
}

TEST(ParameterStreams, GradientsAreReducedEveryMicrobatchOrOnce) {
  SoftwareStack software;
  EXPECT_EQ(TwoLayers(software, 2, 3).Of(OpKind::kGradientReduction).size(), 2u * 3);
  software.reduce_every_microbatch = false;
  EXPECT_EQ(TwoLayers(software, 2, 3).Of(OpKind::kGradientReduction).size(), 2u);
}

TEST(ParameterStreams, ReplicasOfAShardGroupRunInStep) {
  // One replica is slow in forward, the other in backward. Without prefetch each unit begins when both have ended the
  // one before: a step of whole sharding lasts the sum of the slower ones; two shard groups meet at reductions alone.
  SoftwareStack software;
  software.prefetch = 0;
  TwoLayers together(software);
  together.Set(0, 2 * kForward, 2 * kBackward);
  together.Set(1, 2 * kBackward, 2 * kForward);
  const std::vector<double> g = together.Of(OpKind::kParameterGather), r = together.Of(OpKind::kGradientReduction);
  EXPECT_NEAR(together.Makespan(), g[0] + g[1] + g[2] + g[3] + 4 * kBackward + r[0] + r[1], 1e-12);
  software.shard_group = 1;
  software.reduce_every_microbatch = false;
  TwoLayers apart(software);
  apart.Set(0, 2 * kForward, 2 * kBackward);
  apart.Set(1, 2 * kBackward, 2 * kForward);
  EXPECT_TRUE(apart.Of(OpKind::kParameterGather).empty());
  EXPECT_LT(apart.Makespan(), 2 * kForward + 2 * kBackward + 0.002);
}

TEST(ShardGroups, HybridShardingReducesInsideAndAddsUpBetweenGroups) {
  // Eight replicas of one GPU on two nodes of four, shards over the four of a node. Of S bytes the reduce-scatter moves
  // 3/4·S over every NVLink, and the all-reduce of a quarter over two ranks S/4 over every NIC, instead of 7/8·S.
  NodeSpec node = TestCluster().only_node();
  node.gpus = node.nics = 4;
  const ClusterSpec cluster("two", "", {{.count = 2, .node = node}});
  const ModelSpec model = GptModel(1024, 2, 16, 1000);
  const Layout layout = BuildLayout(HomogeneousDegrees{.dp = 8}, model, cluster);
  const ShardGroups groups(cluster, layout, {0, 1, 2, 3, 4, 5, 6, 7}, 4);
  ASSERT_TRUE(groups.several());
  const auto sent_between_nodes = [&](const Communication& communication) {
    std::map<int, double> bytes;
    for (const Flow& flow : communication.flows) {
      if (!cluster.same_node(flow.source_gpu, flow.target_gpu)) bytes[flow.source_gpu] += flow.bytes.value();
    }
    return bytes;
  };
  constexpr double kBytes = 1e9;
  const Communication inside = groups.Inside(CollectiveOp::kReduceScatter, Bytes(kBytes));
  EXPECT_TRUE(sent_between_nodes(inside).empty());
  std::map<int, double> sent;
  for (const Flow& flow : inside.flows) sent[flow.source_gpu] += flow.bytes.value();
  ASSERT_EQ(sent.size(), 8u);
  for (const auto& [gpu, bytes] : sent) EXPECT_NEAR(bytes, 0.75 * kBytes, 1) << gpu;
  const std::map<int, double> across = sent_between_nodes(groups.Across(Bytes(kBytes)));
  ASSERT_EQ(across.size(), 8u);
  for (const auto& [gpu, bytes] : across) EXPECT_NEAR(bytes, kBytes / 4, 1) << gpu;
  EXPECT_FALSE(ShardGroups(cluster, layout, {0, 1, 2, 3, 4, 5, 6, 7}, 8).several());
}

}  // namespace
}  // namespace dflop
