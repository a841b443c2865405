// Clusters whose nodes are of several kinds: how nodes, GPUs and NICs are numbered, how long a flow between two kinds
// lasts, and whose kernels price a part.
#include <gtest/gtest.h>

#include "sim/build/collectives.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

constexpr KindId kBig{0};
constexpr KindId kSmall{1};

/// Four GPUs with a NIC of 16 bytes/s each.
NodeSpec BigNode() {
  NodeSpec node;
  node.gpus = 4;
  node.nics = 4;
  node.intra_bandwidth = BytesPerSecond(64);
  node.intra_latency = Seconds(0.25);
  node.nic_bandwidth = BytesPerSecond(16);
  node.nic_latency = Seconds(1);
  node.gpu.memory = Bytes(80);
  return node;
}

/// Two GPUs that share one NIC of 4 bytes/s.
NodeSpec SmallNode() {
  NodeSpec node;
  node.gpus = 2;
  node.nics = 1;
  node.intra_bandwidth = BytesPerSecond(32);
  node.intra_latency = Seconds(0.5);
  node.nic_bandwidth = BytesPerSecond(4);
  node.nic_latency = Seconds(2);
  node.gpu.memory = Bytes(24);
  return node;
}

ClusterSpec Mixed(int big = 1, int small = 1) {
  return {"mixed", "", {{"big", big, BigNode()}, {"small", small, SmallNode()}}};
}

struct Numbers {
  KindId kind;
  int node, nic, nic_number;
  bool operator==(const Numbers&) const = default;
};

Numbers NumbersOf(const ClusterSpec& cluster, int gpu) {
  return {cluster.kind_of(gpu), cluster.node_of(gpu), cluster.nic_of(gpu), cluster.nic_number(gpu)};
}

TEST(NodeKinds, OneNodeOfEachIsNumberedKindAfterKind) {
  const ClusterSpec cluster = Mixed();
  EXPECT_EQ(cluster.kinds(), 2);
  EXPECT_EQ(cluster.nodes(), 2);
  EXPECT_EQ(cluster.gpus(), 6);
  EXPECT_EQ(cluster.nics(), 5);
  for (int gpu = 0; gpu < 4; ++gpu) EXPECT_EQ(NumbersOf(cluster, gpu), (Numbers{kBig, 0, gpu, gpu})) << gpu;
  for (int gpu = 4; gpu < 6; ++gpu) EXPECT_EQ(NumbersOf(cluster, gpu), (Numbers{kSmall, 1, 0, 4})) << gpu;
  EXPECT_TRUE(cluster.same_node(4, 5));
  EXPECT_FALSE(cluster.same_node(3, 4));
}

TEST(NodeKinds, SeveralNodesOfEachAreNumberedOn) {
  const ClusterSpec cluster = Mixed(2, 3);  // GPUs 0 to 7, then 8 to 13; NICs 0 to 7, then 8 to 10
  EXPECT_EQ(cluster.nodes(), 5);
  EXPECT_EQ(cluster.gpus(), 14);
  EXPECT_EQ(cluster.nics(), 11);
  EXPECT_EQ(NumbersOf(cluster, 7), (Numbers{kBig, 1, 3, 7}));
  EXPECT_EQ(NumbersOf(cluster, 8), (Numbers{kSmall, 2, 0, 8}));
  EXPECT_EQ(NumbersOf(cluster, 11), (Numbers{kSmall, 3, 0, 9}));
  EXPECT_EQ(NumbersOf(cluster, 13), (Numbers{kSmall, 4, 0, 10}));
  EXPECT_EQ(NumbersOf(cluster, 14), (Numbers{kSmall, 5, 0, 11}));  // one more than there are
}

TEST(NodeKinds, EqualKindsAreNumberedAsOne) {
  const ClusterSpec one("one", "", {{"big", 3, BigNode()}});
  const ClusterSpec two("two", "", {{"a", 1, BigNode()}, {"b", 2, BigNode()}});
  EXPECT_EQ(one.gpus(), two.gpus());
  for (int gpu = 0; gpu < one.gpus(); ++gpu) {
    EXPECT_EQ(one.node_of(gpu), two.node_of(gpu));
    EXPECT_EQ(one.nic_of(gpu), two.nic_of(gpu));
    EXPECT_EQ(one.nic_number(gpu), two.nic_number(gpu));
  }
}

TEST(NodeKinds, EveryGpuHasTheRatesOfItsNode) {
  const ClusterSpec cluster = Mixed();
  EXPECT_EQ(cluster.intra_rate(3).value(), 64);
  EXPECT_EQ(cluster.intra_rate(4).value(), 32);
  EXPECT_EQ(cluster.nic_rate(3).value(), 16);
  EXPECT_EQ(cluster.nic_rate(4).value(), 4);
  EXPECT_EQ(cluster.node_at(3).gpu.memory.value(), 80);
  EXPECT_EQ(cluster.node_of_kind(kSmall).gpu.memory.value(), 24);
  EXPECT_EQ(cluster.smallest_memory().value(), 24);
}

TEST(NodeKinds, WhoKnowsOneKindStopsAtTwo) {
  EXPECT_EQ(ClusterSpec("one", "", {{"big", 1, BigNode()}}).only_node().gpus, 4);
  EXPECT_DEATH(Mixed().only_node(), "one kind of nodes");
}

Seconds TimeOf(const ClusterSpec& cluster, const std::vector<Flow>& flows) {
  return UncontendedTime(cluster, {flows, Seconds(0)});
}

TEST(NodeKinds, AFlowBetweenKindsLastsAsItsSlowerNic) {
  const ClusterSpec cluster = Mixed();
  // 32 bytes: 2 s through a big node's NIC, 8 s through a small one's; and the longer of the latencies of 1 s and 2 s.
  EXPECT_EQ(TimeOf(cluster, {{0, 4, Bytes(32)}}).value(), 8);
  EXPECT_EQ(TimeOf(cluster, {{4, 0, Bytes(32)}}).value(), 8);
  EXPECT_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 0, 1, 4, 1, Bytes(32))).value(), 10);
  EXPECT_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 4, 1, 0, 1, Bytes(32))).value(), 10);
  // From two NICs into the one that both GPUs share: 16 s.
  EXPECT_EQ(TimeOf(cluster, {{0, 4, Bytes(32)}, {1, 5, Bytes(32)}}).value(), 16);
  // Inside a node its own NVLink counts: 32/64 s and 32/32 s.
  EXPECT_EQ(TimeOf(cluster, {{0, 1, Bytes(32)}}).value(), 0.5);
  EXPECT_EQ(TimeOf(cluster, {{4, 5, Bytes(32)}}).value(), 1);
  EXPECT_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 4, 1, 5, 1, Bytes(32))).value(), 1.5);
}

TEST(NodeKinds, NicsAreToldApartOverAllKinds) {
  // The last big node's last NIC and every small node's: each carries one flow of 32 bytes of its own.
  const ClusterSpec cluster = Mixed(2, 3);
  EXPECT_EQ(TimeOf(cluster, {{0, 8, Bytes(32)}, {7, 10, Bytes(32)}, {6, 12, Bytes(32)}}).value(), 8);
  // So many flows that a table of all ports adds them up: 100 times 3 into each small node.
  std::vector<Flow> many;
  many.reserve(300);
  for (int i = 0; i < 300; ++i) many.push_back({i % 8, 8 + 2 * (i % 3), Bytes(4)});
  EXPECT_EQ(TimeOf(cluster, many).value(), 100);
}

TEST(NodeKinds, ARingLastsAsItsSlowestLink) {
  // Two replicas, one on either kind: 2·(2 − 1)/2 of 32 bytes either way through the small node's NIC, 8 s, and two
  // rounds of its 2 s.
  const ClusterSpec cluster = Mixed();
  const std::vector<int> gpus = {0, 4};
  EXPECT_EQ(
      UncontendedTime(cluster, Collective(cluster, CollectiveOp::kAllReduce, gpus, 1, Bytes(32)).communication).value(),
      12);
}

/// The test kernels on a GPU that needs `factor` times as long.
class Slower final : public FakeKernelCosts {
 public:
  explicit Slower(double factor) : factor_(factor) {}
  KernelCost Gemm(double m, double n, double k, Pass pass) const override {
    return Times(FakeKernelCosts::Gemm(m, n, k, pass));
  }
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override {
    return Times(FakeKernelCosts::Attention(shape, pass));
  }
  KernelCost MemoryBound(Bytes bytes) const override { return Times(FakeKernelCosts::MemoryBound(bytes)); }

 private:
  KernelCost Times(KernelCost cost) const { return {cost.time * factor_, cost.extrapolated}; }
  double factor_;
};

TEST(NodeKinds, APartIsPricedByTheKindItLiesOn) {
  const ModelSpec model = GptModel(64, 2, 4, 1000);
  const auto fast = std::make_shared<FakeKernelCosts>();
  const CostModel cost(model, Mixed(), {fast, std::make_shared<Slower>(4)}, SoftwareStack{});
  const SequenceBatch batch = LlmBatch({128}, Packing::kPacked);
  const ModulePart whole = WholeModule(model, 0);
  const PartCost big = cost.Part(whole, batch, kBig);
  const PartCost small = cost.Part(whole, batch, kSmall);
  EXPECT_EQ(small.forward.time.value(), 4 * big.forward.time.value());
  EXPECT_EQ(small.backward.time.value(), 4 * big.backward.time.value());
  EXPECT_EQ(small.weight_gradient.time.value(), 4 * big.weight_gradient.time.value());
  EXPECT_EQ(small.model_flops.value(), big.model_flops.value());
  EXPECT_EQ(cost.OptimizerStep(whole, 1, kSmall).value(), 4 * cost.OptimizerStep(whole, 1, kBig).value());
  EXPECT_EQ(cost.Part(whole, batch).forward.time.value(), big.forward.time.value());  // nothing said: the first kind
}

TEST(NodeKinds, TensorParallelismUsesTheLinksOfTheKind) {
  const ModelSpec model = GptModel(64, 2, 4, 1000);
  const auto kernels = std::make_shared<FakeKernelCosts>();
  const CostModel cost(model, Mixed(), {kernels, kernels}, SoftwareStack{});
  const SequenceBatch batch = LlmBatch({128}, Packing::kPacked);
  // Two all-reduces of 128·64·2 = 16384 bytes over two ranks, each 2·(16384/2/rate + latency).
  const auto communication = [&](KindId kind) {
    return cost.Part(LayersOnly(0, 1, 2), batch, kind).forward.tensor_parallel_communication.value();
  };
  EXPECT_EQ(communication(kBig), 2 * 2 * (8192 / 64.0 + 0.25));
  EXPECT_EQ(communication(kSmall), 2 * 2 * (8192 / 32.0 + 0.5));
}

TEST(NodeKinds, EveryKindNeedsKernelCosts) {
  EXPECT_DEATH(Priced(GptModel(64, 2, 4, 1000), {}, Mixed()), "kernel costs for every kind");
}

}  // namespace
}  // namespace dflop
