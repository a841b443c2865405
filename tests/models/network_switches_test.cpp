// All-reduces that the switches between nodes add up, and networks that reach their rate late, by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>

#include "base/index.hpp"
#include "base/statistics.hpp"
#include "models/calibration/reference_collectives.hpp"
#include "models/network/span_collectives.hpp"
#include "sim/build/lone_collective.hpp"
#include "test_paths.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

constexpr double kOneGiB = 1073741824;

/// Nodes of 8 GPUs and NICs: NVLink 1 TB/s and 1 us a hop, NICs 10 GB/s and 5 us; a fitted law without NVLink's switch.
ClusterSpec SwitchedNodes(int nodes, double nvlink = 1e12) {
  ClusterSpec cluster = TestCluster();
  cluster.set_nodes(nodes);
  NodeSpec& node = cluster.only_node();
  node.intra_bandwidth = BytesPerSecond(nvlink);
  node.law.fitted = true;
  node.law.launch = Seconds(5e-6);
  node.law.ll128 = Seconds(1e-6);
  node.law.ll128_efficiency = 0.5;
  node.law.simple = Seconds(20e-6);
  node.law.simple_step = Seconds(3e-6);
  node.law.copy = BytesPerSecond(500e9);
  node.law.pair = Seconds(8e-6);
  return cluster;
}

ClusterSpec WithSharp(ClusterSpec cluster) {
  cluster.SetInSwitchReduction(true);
  return cluster;
}

std::vector<int> AllGpus(const ClusterSpec& cluster) {
  std::vector<int> gpus(Index(cluster.gpus()));
  std::iota(gpus.begin(), gpus.end(), 0);
  return gpus;
}

PricedCommunication Reduced(const ClusterSpec& cluster, double bytes, CollectiveOp op = CollectiveOp::kAllReduce) {
  return Collective(cluster, op, AllGpus(cluster), 1, Bytes(bytes));
}

double SecondsOf(const ClusterSpec& cluster, const PricedCommunication& priced) {
  return UncontendedTime(cluster, priced.communication).value();
}

// Launch 5 us and Simple's 20; two steps of 3 us in the node, two hops of 5 us to the switches and back: 41 us. A NIC
// carries 1/8 of the bytes, 13.4 ms, which NVLink's 1.75 times the bytes at 1 TB/s, 1.9 ms, do not reach.
TEST(InSwitchReduction, ALargeAllReduceSendsItsBytesOnceOnAnyNumberOfNodes) {
  const double once = kOneGiB / 8 / 10e9;
  for (const int nodes : {3, 16}) {
    const ClusterSpec cluster = WithSharp(SwitchedNodes(nodes));
    const PricedCommunication priced = Reduced(cluster, kOneGiB);
    EXPECT_EQ(priced.algorithm, "SHARP") << nodes;
    EXPECT_NEAR(SecondsOf(cluster, priced), 41e-6 + once, 1e-9) << nodes;
  }
  // Without it a tree of 16 nodes sends them twice, by LL128 after 5 + 1 + 14 + 8·5 = 60 us.
  const ClusterSpec plain = SwitchedNodes(16);
  EXPECT_EQ(Reduced(plain, kOneGiB).algorithm, "tree LL128");
  EXPECT_NEAR(SecondsOf(plain, Reduced(plain, kOneGiB)), 60e-6 + 2 * once, 1e-9);
  // Two nodes' trees send them once too, after 5 + 1 + 14 + 2·5 = 30 us: that is quicker, and chosen.
  const ClusterSpec two = WithSharp(SwitchedNodes(2));
  EXPECT_EQ(Reduced(two, kOneGiB).algorithm, "tree LL128");
  EXPECT_NEAR(SecondsOf(two, Reduced(two, kOneGiB)), 30e-6 + once, 1e-9);
}

// Where NVLink binds: 1.75 GiB at 100 GB/s, and a rank's own sixteenth copied at 500 GB/s.
TEST(InSwitchReduction, WaitsForNvLinkInsideTheNode) {
  const ClusterSpec cluster = WithSharp(SwitchedNodes(2, 100e9));
  EXPECT_NEAR(SecondsOf(cluster, Reduced(cluster, kOneGiB)), 41e-6 + 1.75 * kOneGiB / 100e9 + kOneGiB / 16 / 500e9,
              1e-9);
}

// 64 KiB: 41 us and 8 KiB at 10 GB/s, 0.82 us. A tree of 16 nodes takes 60 us by LL128 before any byte; one of two
// nodes 5 + 1 + 14 + 2·5 = 30 us, and is taken.
TEST(InSwitchReduction, ASmallAllReduceGainsWhereTreesAreDeep) {
  const double bytes = 65536.0 / 8 / 10e9;
  const ClusterSpec many = WithSharp(SwitchedNodes(16));
  EXPECT_EQ(Reduced(many, 65536).algorithm, "SHARP");
  EXPECT_NEAR(SecondsOf(many, Reduced(many, 65536)), 41e-6 + bytes, 1e-10);
  const ClusterSpec two = WithSharp(SwitchedNodes(2));
  EXPECT_EQ(Reduced(two, 65536).algorithm, "tree LL128");
  EXPECT_NEAR(SecondsOf(two, Reduced(two, 65536)), 30e-6 + bytes, 1e-10);
}

// NVLink's switch sends 9/8 of the bytes at 900 GB/s in place of 14/8 at 1 TB/s; NICs bind either way.
TEST(InSwitchReduction, BothSortsOfSwitchesWorkTogether) {
  ClusterSpec cluster = WithSharp(SwitchedNodes(16));
  cluster.only_node().law.nvls = Seconds(50e-6);
  cluster.only_node().law.nvls_efficiency = 0.9;
  const PricedCommunication priced = Reduced(cluster, kOneGiB);
  EXPECT_EQ(priced.algorithm, "NVLS and SHARP");
  EXPECT_NEAR(SecondsOf(cluster, priced), 41e-6 + kOneGiB / 8 / 10e9, 1e-9);
}

// Leaves of eight nodes: ways over the spine climb one level of 2 us, up and down again.
TEST(InSwitchReduction, LatencyGrowsWithLevelsNotWithRanks) {
  const auto seconds = [](int nodes) {
    const NodeSpec node = SwitchedNodes(1).only_node();
    const ClusterSpec cluster =
        WithSharp(ClusterSpec("tree", "", {{.count = nodes, .node = node}},
                              FatTree{.nodes_per_leaf = 8, .oversubscription = {1}, .switch_latency = Seconds(2e-6)}));
    return SecondsOf(cluster, Reduced(cluster, 64));
  };
  EXPECT_NEAR(seconds(8), 41e-6, 1e-8);
  EXPECT_NEAR(seconds(16), 41e-6 + 2 * 2e-6, 1e-8);
  EXPECT_NEAR(seconds(64), seconds(16), 1e-8);
}

TEST(InSwitchReduction, ANicCarriesWhatItsGpusShareIs) {
  const ClusterSpec cluster = WithSharp(SwitchedNodes(16));
  std::map<int, double> sent;
  const PricedCommunication priced = Reduced(cluster, kOneGiB);
  for (const Flow& flow : priced.communication.flows) {
    if (!cluster.same_node(flow.source_gpu, flow.target_gpu)) sent[flow.source_gpu] += flow.bytes.value();
  }
  ASSERT_EQ(sent.size(), 128u);
  for (const auto& [gpu, bytes] : sent) EXPECT_NEAR(bytes, kOneGiB / 8, 1) << gpu;
}

TEST(InSwitchReduction, IsOfAllReducesAlone) {
  for (const CollectiveOp op : {CollectiveOp::kAllGather, CollectiveOp::kReduceScatter, CollectiveOp::kAllToAll}) {
    const ClusterSpec plain = SwitchedNodes(4);
    const ClusterSpec sharp = WithSharp(plain);
    EXPECT_EQ(SecondsOf(sharp, Reduced(sharp, kOneGiB, op)), SecondsOf(plain, Reduced(plain, kOneGiB, op)));
  }
}

TEST(InSwitchReduction, IsAWordOfTheCluster) {
  const auto cluster = [](const std::string& words) {
    const Json json = ParseJson(R"({"name": "dgx-h100", "nodes": 4)" + words + "}", "cluster");
    return ReadCluster({json, "cluster"});
  };
  EXPECT_FALSE(cluster("").in_switch_reduction());
  EXPECT_EQ(ToJson(cluster("")).find("in_switch_reduction"), nullptr);
  const Json written = ToJson(cluster(R"(, "in_switch_reduction": true)"));
  EXPECT_TRUE(ReadCluster({written, "written"}).in_switch_reduction());
  const std::string torus = R"(, "fabric": {"name": "torus", "dims": [2, 2], "link_bytes_per_s": 1e10},)";
  ExpectError(ErrorOf([&] { cluster(torus + R"("in_switch_reduction": true)"); }), "/in_switch_reduction: ");
  ExpectError(ErrorOf([&] { cluster(torus + R"("in_switch_reduction": true)"); }), "full, fat-tree and rail");
  EXPECT_FALSE(cluster(torus + R"("in_switch_reduction": false)").in_switch_reduction());
  ExpectError(ErrorOf([&] { cluster(R"(, "in_switch_reduction": 1)"); }), "/in_switch_reduction: ");
}

// Two nodes, NVLink 100 GB/s; a step of Simple takes four hops and LL128 a quarter of the NICs' rate.
// 1.6 MB by LL128's tree: 5 + 1 + 14 + 2·5 us; NVLink 1.75·1.6 MB at 50 GB/s and 0.1 MB copied at 500 GB/s, 56.2 us;
// NICs 0.2 MB at 10 GB/s, 20 us, at a quarter of that 80 us.
// 16 MB by Simple's: 5 + 20 + 14·3 + 2·5 us, or 2·4·5; NVLink 280 and 2 us, NICs 200 us.
TEST(NicRamp, LengthensWhatLiesBetweenLatencyAndRate) {
  ClusterSpec cluster = SwitchedNodes(2, 100e9);
  EXPECT_NEAR(SecondsOf(cluster, Reduced(cluster, 1.6e6)), 30e-6 + 56.2e-6, 1e-10);
  EXPECT_NEAR(SecondsOf(cluster, Reduced(cluster, 16e6)), 77e-6 + 282e-6, 1e-10);
  cluster.only_node().nic_ramp = {.simple_hops = 4, .ll128_efficiency = 0.25};
  EXPECT_EQ(Reduced(cluster, 1.6e6).algorithm, "tree LL128");
  EXPECT_NEAR(SecondsOf(cluster, Reduced(cluster, 1.6e6)), 30e-6 + 80e-6, 1e-10);
  EXPECT_EQ(Reduced(cluster, 16e6).algorithm, "tree Simple");
  EXPECT_NEAR(SecondsOf(cluster, Reduced(cluster, 16e6)), 107e-6 + 282e-6, 1e-10);
}

// What nobody knows the GPUs of is priced alike: 8 ranks a domain, two domains, an all-gather by Simple's ring.
TEST(NicRamp, IsThatOfSpansToo) {
  ClusterSpec cluster = SwitchedNodes(2, 100e9);
  cluster.only_node().nic_ramp = {.simple_hops = 4, .ll128_efficiency = 0.25};
  const CollectivePrice span = SpanCollective(cluster.only_node(), CollectiveOp::kAllGather, {16, 8, 8}, Bytes(160e6));
  EXPECT_NEAR(span.time.value(), SecondsOf(cluster, Reduced(cluster, 160e6, CollectiveOp::kAllGather)), 1e-10);
}

TEST(NicRamp, IsReadWrittenAndBounded) {
  const auto cluster = [](const std::string& words) {
    const Json json = ParseJson(R"({"name": "dgx-h100", "node": {)" + words + "}}", "cluster");
    return ReadCluster({json, "cluster"});
  };
  const ClusterSpec given = cluster(R"("nic_simple_hops": 4, "nic_ll128_efficiency": 0.25)");
  EXPECT_EQ(given.only_node().nic_ramp.simple_hops, 4);
  const Json written = ToJson(given);
  EXPECT_EQ(ReadCluster({written, "written"}).only_node().nic_ramp.ll128_efficiency, 0.25);
  EXPECT_EQ(ToJson(cluster("").only_node()).find("nic_simple_hops"), nullptr);
  ExpectError(ErrorOf([&] { cluster(R"("nic_simple_hops": 0.5)"); }), "/node/nic_simple_hops: ");
  ExpectError(ErrorOf([&] { cluster(R"("nic_ll128_efficiency": 1.5)"); }), "/node/nic_ll128_efficiency: ");
}

// What p4de nodes took from 1 MiB up, which the ramp of the built-in node was fitted to with another log's.
TEST(NicRamp, BringsTheBuiltInP4dNodesToTheirLog) {
  const std::string folder = DFLOP_SHARED_DIR "/reference-data";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no reference data";
  const Json name = "hgx-a100-p4d";
  ClusterSpec cluster = ReadCluster({name, "built-in"});
  cluster.set_nodes(2);
  const auto median_error = [&] {
    std::vector<double> errors;
    for (const MeasuredCollective& row : LoadCollectivesBetweenNodes(folder)) {
      if (row.table != "p4de" || row.bytes < Bytes(1 << 20)) continue;
      const Seconds predicted = TimeOf(cluster, {row.op, row.ranks, row.ranks_per_node, row.bytes}).time;
      errors.push_back(std::abs(predicted / row.time - 1));
    }
    return Quantile(errors, 0.5);
  };
  EXPECT_LT(median_error(), 0.05);
  cluster.only_node().nic_ramp = {};
  EXPECT_GT(median_error(), 0.15);
}

}  // namespace
}  // namespace dflop
