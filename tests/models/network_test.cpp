// Flows and collectives against closed forms, and all-reduce against measured NCCL tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "base/random.hpp"
#include "models/network/node_collectives.hpp"
#include "sim/build/collectives.hpp"
#include "test_paths.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

// The test cluster: 4 nodes of 8 GPUs and 8 NICs; NVLink 100 GB/s and 1 µs, NIC 10 GB/s and 5 µs, efficiency 1.

TEST(Network, OneMessageTakesLatencyPlusBytesOverRate) {
  const ClusterSpec cluster = TestCluster();
  // 1 GB: inside a node 1e9/100e9 = 10 ms; between nodes 1e9/10e9 = 100 ms.
  EXPECT_DOUBLE_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 0, 1, 7, 1, Bytes(1e9))).value(), 0.010001);
  EXPECT_DOUBLE_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 7, 1, 8, 1, Bytes(1e9))).value(), 0.100005);
  EXPECT_DOUBLE_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 3, 1, 3, 1, Bytes(1e9))).value(), 0);
}

TEST(Network, LanesDivideAMessage) {
  const ClusterSpec cluster = TestCluster();
  const Communication even = GroupTransfer(cluster, 0, 4, 8, 4, Bytes(4e9));
  ASSERT_EQ(even.flows.size(), 4u);
  EXPECT_EQ(even.flows[3].target_gpu, 11);
  EXPECT_NEAR(UncontendedTime(cluster, even).value(), 0.1 + 5e-6, 1e-12);
  // Two senders, four receivers: each sender's NIC carries two of the four lanes.
  const Communication uneven = GroupTransfer(cluster, 0, 2, 8, 4, Bytes(4e9));
  ASSERT_EQ(uneven.flows.size(), 4u);
  EXPECT_EQ(uneven.flows[2].source_gpu, 0);
  EXPECT_NEAR(UncontendedTime(cluster, uneven).value(), 0.2 + 5e-6, 1e-12);
}

TEST(Network, SharedNicsAreShared) {
  ClusterSpec cluster = TestCluster();
  cluster.only_node().nics = 2;  // GPUs 0 and 2 use NIC 0, GPUs 1 and 3 NIC 1
  EXPECT_NEAR(UncontendedTime(cluster, GroupTransfer(cluster, 0, 4, 8, 4, Bytes(4e9))).value(), 0.2 + 5e-6, 1e-12);
}

TEST(Network, AHubIsAsSlowAsItsOneNic) {
  const ClusterSpec cluster = TestCluster();
  Communication hub;
  for (int target = 8; target < 12; ++target) hub.flows.push_back({0, target, Bytes(1e9)});
  EXPECT_NEAR(UncontendedTime(cluster, hub).value(), 0.4, 1e-12);  // 4 GB leave through one NIC of 10 GB/s
}

TEST(Network, EfficiencyScalesTheRate) {
  ClusterSpec cluster = TestCluster();
  cluster.only_node().intra_efficiency = 0.5;
  EXPECT_NEAR(UncontendedTime(cluster, GroupTransfer(cluster, 0, 1, 1, 1, Bytes(1e9))).value(), 0.02 + 1e-6, 1e-12);
}

TEST(Network, IntraNodeAllReduceIsTheRingFormula) {
  const ClusterSpec cluster = TestCluster();
  // 4 ranks: 2·3/4 of 1 GB at 100 GB/s = 15 ms, and 6 latencies of 1 µs.
  EXPECT_NEAR(IntraNodeAllReduce(cluster.only_node(), 4, Bytes(1e9)).value(), 0.015006, 1e-12);
  EXPECT_EQ(IntraNodeAllReduce(cluster.only_node(), 1, Bytes(1e9)).value(), 0);
}

/// First GPUs of `per_node` groups on each of `nodes` nodes.
std::vector<int> Groups(int nodes, int per_node, int group_size) {
  std::vector<int> groups;
  for (int node = 0; node < nodes; ++node) {
    for (int i = 0; i < per_node; ++i) groups.push_back(8 * node + i * group_size);
  }
  return groups;
}

TEST(Network, RingAllReduceMeetsItsClosedForm) {
  // n replicas, k per node: every rank sends 2(n−1)/n of its bytes. A node's k NICs of one rank index share what leaves
  // the node, 1/k each; (k−1)/k of it goes over NVLink, all of it when there is one node only.
  const ClusterSpec cluster = TestCluster();
  RandomStream random(11, "ring");
  for (int round = 0; round < 200; ++round) {
    const int nodes = 1 + static_cast<int>(random.Below(4));
    const int size = 1 << random.Below(3);
    const int per_node = 1 + static_cast<int>(random.Below(static_cast<std::uint64_t>(8 / size)));
    const double bytes = 1e6 * (1 + static_cast<double>(random.Below(1000)));
    const int n = nodes * per_node;
    const std::vector<int> groups = Groups(nodes, per_node, size);
    const double k = per_node;
    const double volume = 2.0 * (n - 1) / n * bytes;
    const double nic = nodes > 1 ? volume / k / 10e9 : 0;
    const double nvlink = (nodes > 1 ? (k - 1) / k : 1) * volume / 100e9;
    // 2(N − 1) of its rounds wait for NICs, the others for NVLink.
    const double latency = 2.0 * (nodes - 1) * 5e-6 + 2.0 * (n - nodes) * 1e-6;
    const Communication ring = Collective(cluster, CollectiveOp::kAllReduce, groups, size, Bytes(bytes)).communication;
    const double expected = n > 1 ? std::max(nic, nvlink) + latency : 0;
    EXPECT_NEAR(UncontendedTime(cluster, ring).value(), expected, 1e-9 * expected)
        << nodes << " nodes, " << per_node << " a node, size " << size;
    const Communication half =
        Collective(cluster, CollectiveOp::kReduceScatter, groups, size, Bytes(bytes)).communication;
    EXPECT_NEAR(UncontendedTime(cluster, half).value(), expected / 2, 1e-9 * expected);
  }
}

TEST(Network, RingAllReduceLetsEveryRankSendAndReceiveTheSame) {
  // Also where nodes hold unequal numbers of replicas: 3 on node 0, 1 on node 1, 2 on node 2, given out of order.
  const ClusterSpec cluster = TestCluster();
  const std::vector<int> groups = {0, 8, 2, 16, 4, 18};
  const Communication ring = Collective(cluster, CollectiveOp::kAllReduce, groups, 2, Bytes(6e6)).communication;
  std::map<int, double> sent;
  std::map<int, double> received;
  for (const Flow& flow : ring.flows) {
    sent[flow.source_gpu] += flow.bytes.value();
    received[flow.target_gpu] += flow.bytes.value();
    EXPECT_EQ(flow.source_gpu % 2, flow.target_gpu % 2);  // rank i talks to rank i
  }
  ASSERT_EQ(sent.size(), 12u);
  for (const auto& [gpu, bytes] : sent) EXPECT_NEAR(bytes, 2.0 * 5 / 6 * 6e6, 1e-3) << gpu;
  for (const auto& [gpu, bytes] : received) EXPECT_NEAR(bytes, 2.0 * 5 / 6 * 6e6, 1e-3) << gpu;
}

struct NcclRow {
  std::string system, op, dtype;
  int gpus = 0;
  double bytes = 0, seconds = 0;
};

std::vector<NcclRow> ReadNccl(const std::string& path) {
  std::ifstream file(path);
  std::vector<NcclRow> rows;
  std::string line;
  std::getline(file, line);  // system,nccl_version,op,dtype,num_gpus,size_bytes,latency_ms,algbw_GBps,busbw_GBps
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::vector<std::string> row;
    for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
    rows.push_back({row[0], row[2], row[3], std::stoi(row[4]), std::stod(row[5]), std::stod(row[6]) * 1e-3});
  }
  return rows;
}

CollectiveOp OpOf(const std::string& name) {
  if (name == "all_gather") return CollectiveOp::kAllGather;
  if (name == "reduce_scatter") return CollectiveOp::kReduceScatter;
  return name == "alltoall" ? CollectiveOp::kAllToAll : CollectiveOp::kAllReduce;
}

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

TEST(Network, BuiltInNodesTakeAsLongAsMeasured) {
  const std::string path = DFLOP_SHARED_DIR "/reference-data/aiconfigurator/nccl_intra_node.csv";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data";
  const std::vector<NcclRow> rows = ReadNccl(path);
  for (const auto& [name, system] : std::map<std::string, std::string>{
           {"dgx-a100", "a100_sxm"}, {"dgx-h100", "h100_sxm"}, {"dgx-h200", "h200_sxm"}, {"dgx-b200", "b200_sxm"}}) {
    const Json json = name;
    const ClusterSpec cluster = ReadCluster(JsonReader(json, ""));
    std::vector<double> large, medium;
    for (const NcclRow& row : rows) {
      if (row.system != system || row.dtype != "half" || row.bytes < 65536) continue;
      const double predicted =
          NodeCollective(cluster.only_node(), OpOf(row.op), row.gpus, Bytes(row.bytes)).time.value();
      medium.push_back(std::abs(predicted / row.seconds - 1));
      if (row.bytes >= 1 << 20) large.push_back(medium.back());
    }
    ASSERT_GE(large.size(), 100u) << name;
    EXPECT_LE(Quantile(large, 0.5), 0.10) << name;
    EXPECT_LE(Quantile(large, 0.9), 0.30) << name;
    EXPECT_LE(Quantile(medium, 0.5), 0.15) << name;
  }
}

/// A law with all that hardware and software may have.
CollectiveLaw FullLaw() {
  CollectiveLaw law;
  law.fitted = true;
  law.launch = Seconds(5e-6);
  law.ll128 = Seconds(1e-6);
  law.ll128_efficiency = 0.5;
  law.simple = Seconds(20e-6);
  law.simple_step = Seconds(3e-6);
  law.copy = BytesPerSecond(500e9);
  law.pair = Seconds(8e-6);
  law.nvls = Seconds(50e-6);
  law.nvls_efficiency = 0.9;
  return law;
}

TEST(CollectiveLaw, EachProtocolTakesItsClosedForm) {
  NodeSpec node = TestCluster().only_node();  // 100 GB/s and 1 us a hop
  node.law = FullLaw();
  const auto price = [&](CollectiveOp op, int ranks, double bytes) {
    return NodeCollective(node, op, ranks, Bytes(bytes));
  };
  // All-gather over 4: 3 steps, 3/4 of the bytes sent, 1/4 copied.
  // 1 kB by LL: 5 + 3·1 us + 750 B at 4 GB/s.
  const CollectivePrice small = price(CollectiveOp::kAllGather, 4, 1e3);
  EXPECT_EQ(small.algorithm, "ring LL");
  EXPECT_NEAR(small.time.value(), 8.1875e-6, 1e-12);
  // 1 MB by LL128: 5 + 1 + 3 us + 0.75 MB at 50 GB/s + 0.25 MB at 500 GB/s = 9 + 15.5 us.
  const CollectivePrice medium = price(CollectiveOp::kAllGather, 4, 1e6);
  EXPECT_EQ(medium.algorithm, "ring LL128");
  EXPECT_NEAR(medium.time.value(), 24.5e-6, 1e-12);
  // 1 GB by Simple: 5 + 20 + 3·3 us + 7.5 ms + 0.5 ms.
  const CollectivePrice large = price(CollectiveOp::kAllGather, 4, 1e9);
  EXPECT_EQ(large.algorithm, "ring Simple");
  EXPECT_NEAR(large.time.value(), 34e-6 + 8e-3, 1e-12);
  // All-reduce of 1 GB over 4 in the switch: 5 + 50 us + 1.25 GB at 90 GB/s; a ring would send 1.5 GB.
  const CollectivePrice reduced = price(CollectiveOp::kAllReduce, 4, 1e9);
  EXPECT_EQ(reduced.algorithm, "NVLS");
  EXPECT_NEAR(reduced.time.value(), 55e-6 + 1.25 / 90, 1e-9);
  EXPECT_NE(price(CollectiveOp::kAllReduce, 2, 1e9).algorithm, "NVLS");  // two ranks need no switch
  // A message of 1 GB: 5 + 8 us + 10 ms.
  EXPECT_NEAR(price(CollectiveOp::kSend, 2, 1e9).time.value(), 10.013e-3, 1e-12);
}

TEST(CollectiveLaw, ATreeBetweenTwoNodesSendsHalfAsMuch) {
  ClusterSpec cluster = TestCluster();
  cluster.only_node().law = FullLaw();
  std::vector<int> gpus(16);
  std::iota(gpus.begin(), gpus.end(), 0);
  const PricedCommunication priced = Collective(cluster, CollectiveOp::kAllReduce, gpus, 1, Bytes(1.6e9));
  EXPECT_EQ(priced.algorithm, "tree Simple");
  // Eight NICs of 10 GB/s carry 1.6 GB: 20 ms; 5 + 20 us, 14 steps of 3 us in a node and 2 over NICs of 5 us.
  EXPECT_NEAR(UncontendedTime(cluster, priced.communication).value(), 20e-3 + 25e-6 + 42e-6 + 10e-6, 1e-9);
}

TEST(CollectiveLaw, NothingGetsQuickerWhereALinkGetsSlowerOrBytesMore) {
  RandomStream random(5, "law");
  for (int job = 0; job < 500; ++job) {
    const auto factor = [&] { return 1 + 9 * random.Uniform(); };
    ClusterSpec cluster = TestCluster();
    if (job % 3 != 0) cluster.only_node().law = FullLaw();
    if (job % 7 == 0) cluster.only_node().nic_ramp = {.simple_hops = 4, .ll128_efficiency = 0.3};
    cluster.SetInSwitchReduction(job % 5 == 0);
    const int ranks = 2 + static_cast<int>(random.Below(31));
    std::vector<int> gpus;
    gpus.reserve(static_cast<std::size_t>(ranks));
    const int step = ranks <= 4 ? static_cast<int>(1 + random.Below(8)) : 1;
    for (int i = 0; i < ranks; ++i) gpus.push_back(i * step);
    const auto op = static_cast<CollectiveOp>(random.Below(6));
    const double bytes = random.LogNormal(1e6, 3);
    const auto time = [&](const ClusterSpec& on, double size) {
      return UncontendedTime(on, Collective(on, op, gpus, 1, Bytes(size)).communication).value();
    };
    const double plain = time(cluster, bytes) * (1 - 1e-12);
    EXPECT_GE(time(cluster, bytes * factor()), plain) << job;
    ClusterSpec slower = cluster;
    NodeSpec& node = slower.only_node();
    switch (random.Below(5)) {
      case 0:
        node.intra_bandwidth /= factor();
        break;
      case 1:
        node.nic_bandwidth /= factor();
        break;
      case 2:
        node.intra_latency *= factor();
        break;
      case 3:
        node.nic_latency *= factor();
        break;
      default:
        node.law.launch += Seconds(1e-6);
        break;
    }
    EXPECT_GE(time(slower, bytes), plain) << job << ", " << NameOf(op);
  }
}

TEST(Network, ManyFlowsAddUpOnTheirPortsAsFewDo) {
  // One byte from GPU 0 to each of 80 other nodes' eight GPUs: 640 flows through the NIC of GPU 0, whose rate counts.
  ClusterSpec cluster = TestCluster();
  cluster.set_nodes(81);
  Communication communication;
  for (int gpu = 8; gpu < cluster.gpus(); ++gpu) communication.flows.push_back({0, gpu, Bytes(1)});
  EXPECT_NEAR(UncontendedTime(cluster, communication).value(), 640 / 10e9, 1e-15);
}

}  // namespace
}  // namespace dflop
