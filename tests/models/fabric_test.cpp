// Fabrics by hand: which links a message takes, how fast they are, and what a description gets wrong.
#include "models/network/fabric.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/file.hpp"
#include "models/network/route.hpp"
#include "sim/build/collectives.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

/// "up leaf 1, …": what a way is made of, between the NICs.
std::string RouteText(const Fabric& fabric, Fabric::End from, Fabric::End to) {
  std::vector<Fabric::Link> route;
  fabric.AddRoute(from, to, route);
  std::string text;
  for (const Fabric::Link& link : route) {
    EXPECT_GE(link.id, 0);
    EXPECT_LT(link.id, fabric.links());
    text += (text.empty() ? "" : "; ") + fabric.NameOf(link.id);
  }
  return text;
}

double RateOf(const Fabric& fabric, Fabric::End from, Fabric::End to) {
  std::vector<Fabric::Link> route;
  fabric.AddRoute(from, to, route);
  EXPECT_FALSE(route.empty());
  double rate = route.front().rate.value();
  for (const Fabric::Link& link : route) rate = std::min(rate, link.rate.value());
  return rate;
}

/// `nodes` alike with so many NICs of 10 bytes/s.
std::vector<NodePorts> Nodes(int nodes, int nics) {
  std::vector<NodePorts> ports;
  ports.reserve(static_cast<std::size_t>(nodes));
  for (int n = 0; n < nodes; ++n) ports.push_back({nics, BytesPerSecond(10), n * nics});
  return ports;
}

TEST(Fabric, AFatTreeGoesUpAsFarAsItMustAndByTheDestination) {
  // Leaves of 2 nodes × 2 NICs: 4 ports, 2:1 leaves 2 up links of 10 bytes/s. NIC 1 of node 5 is the 11th: link 1.
  const auto tree = MakeFabric(FatTree{.nodes_per_leaf = 2, .oversubscription = {2}}, Nodes(8, 2));
  EXPECT_EQ(RouteText(*tree, {0, 0}, {1, 1}), "");
  EXPECT_EQ(RouteText(*tree, {0, 0}, {5, 1}), "leaf 0, up 1; leaf 2, down 1");
  EXPECT_EQ(RouteText(*tree, {1, 1}, {4, 0}), "leaf 0, up 0; leaf 2, down 0");
  EXPECT_EQ(RateOf(*tree, {0, 0}, {5, 1}), 10);
}

TEST(Fabric, ABundleOfLessThanOneLinkIsOneThinLink) {
  // Leaves of 2 nodes with a NIC each, 4:1: 20/4 = 5 bytes/s on the only up link.
  const auto tree = MakeFabric(FatTree{.nodes_per_leaf = 2, .oversubscription = {4}}, Nodes(4, 1));
  EXPECT_EQ(RateOf(*tree, {0, 0}, {2, 0}), 5);
}

TEST(Fabric, LevelsNarrowOneAfterTheOther) {
  // Leaves of 2 nodes, 2 leaves a pod: 2:1, then 2:1 again. A pod has 8 ports below and 8/4 = 2 links up.
  const auto tree = MakeFabric(
      FatTree{.nodes_per_leaf = 2, .oversubscription = {2, 2}, .switches_per_group = {2}, .switch_latency = Seconds(1)},
      Nodes(16, 2));
  EXPECT_EQ(RouteText(*tree, {0, 0}, {2, 1}), "leaf 0, up 1; leaf 1, down 1");
  EXPECT_EQ(RouteText(*tree, {0, 0}, {4, 1}),
            "leaf 0, up 1; level 1 switch 0, up 1; level 1 switch 1, down 1; leaf 2, down 1");
  EXPECT_EQ(tree->Latency(0, 1, Seconds(3)).value(), 3);
  EXPECT_EQ(tree->Latency(0, 2, Seconds(3)).value(), 4);
  EXPECT_EQ(tree->Latency(0, 4, Seconds(3)).value(), 5);
}

TEST(Fabric, RailsKeepEqualNicsOfAGroupTogether) {
  const auto rails = MakeFabric(RailFabric{.nodes_per_leaf = 4, .oversubscription = 2}, Nodes(8, 2));
  EXPECT_EQ(RouteText(*rails, {0, 1}, {3, 1}), "");
  // Leaf 1 is rail 1 of the first group; of 4 ports 2 links go up.
  EXPECT_EQ(RouteText(*rails, {0, 1}, {3, 0}), "rail leaf 1, up 1; rail leaf 0, down 1");
  EXPECT_EQ(RouteText(*rails, {0, 1}, {4, 1}), "rail leaf 1, up 0; rail leaf 3, down 0");
}

TEST(Fabric, ADragonflyTakesOneGlobalLink) {
  const auto dragonfly = MakeFabric(Dragonfly{.nodes_per_router = 1,
                                              .routers_per_group = 2,
                                              .local_rate = BytesPerSecond(7),
                                              .global_rate = BytesPerSecond(3)},
                                    Nodes(8, 1));
  EXPECT_EQ(RouteText(*dragonfly, {0, 0}, {1, 0}), "group 0, router 0 to 1");
  // Group 0 reaches group 3 over its router 3 mod 2 = 1; group 3 is entered at its router 0 mod 2 = 0.
  EXPECT_EQ(RouteText(*dragonfly, {0, 0}, {7, 0}),
            "group 0, router 0 to 1; group 0 to group 3; group 3, router 0 to 1");
  EXPECT_EQ(RouteText(*dragonfly, {1, 0}, {6, 0}), "group 0 to group 3");
  EXPECT_EQ(RateOf(*dragonfly, {0, 0}, {7, 0}), 3);
}

TEST(Fabric, ATorusGoesTheShorterWayRound) {
  const auto torus = MakeFabric(Torus{.dims = {3, 4}, .link_rate = BytesPerSecond(2)}, Nodes(12, 1));
  // Node 0 is (0, 0), node 11 (2, 3): one step back in both dimensions, the last one first.
  EXPECT_EQ(RouteText(*torus, {0, 0}, {11, 0}), "node 0, dimension 1 back; node 3, dimension 0 back");
  EXPECT_EQ(RouteText(*torus, {0, 0}, {2, 0}), "node 0, dimension 1 forward; node 1, dimension 1 forward");
  // Every pair: as many links as the sum of the shorter ways, none twice.
  for (int a = 0; a < 12; ++a) {
    for (int b = 0; b < 12; ++b) {
      std::vector<Fabric::Link> route;
      torus->AddRoute({a, 0}, {b, 0}, route);
      const int rows = std::abs(a / 4 - b / 4);
      const int columns = std::abs(a % 4 - b % 4);
      EXPECT_EQ(static_cast<int>(route.size()), std::min(rows, 3 - rows) + std::min(columns, 4 - columns));
      std::set<std::int64_t> different;
      for (const Fabric::Link& link : route) different.insert(link.id);
      EXPECT_EQ(different.size(), route.size());
    }
  }
}

ClusterSpec ClusterOf(const std::string& text) {
  const Json json = ParseJson(text, "cluster.json");
  return ReadCluster(JsonReader(json, "cluster.json"));
}

/// Two nodes of four GPUs with a NIC each of 2 bytes/s.
std::string Inline(int nodes, const std::string& more) {
  return R"({"name": "mine", "nodes": )" + std::to_string(nodes) +
         R"(, "node": {"gpu": "h100-sxm", "gpus": 4, "intra_node_bytes_per_s": 8, "intra_node_latency_s": 0,
         "intra_efficiency": 1, "nics": 4, "nic_bytes_per_s": 2, "nic_latency_s": 0, "nic_efficiency": 1)" +
         more + "}";
}

TEST(Fabric, ATableSaysWhatEveryPairOfNodesReaches) {
  const ClusterSpec far = ClusterOf(Inline(2, R"(}, "fabric": {"name": "table", "bytes_per_s": [[null, 2], [1, null]],
    "latency_s": [[0, 3], [4, 0]]})"));
  // 6 bytes: 3 s + 6/2 there, 4 s + 6/1 back.
  EXPECT_EQ(UncontendedTime(far, GroupTransfer(far, 0, 1, 4, 1, Bytes(6))).value(), 6);
  EXPECT_EQ(UncontendedTime(far, GroupTransfer(far, 4, 1, 0, 1, Bytes(6))).value(), 10);
}

TEST(Fabric, FlowsOfOneMessageShareAThinUpLink) {
  // Four NICs of 2 bytes/s below every leaf of one node; 4:1 leaves one up link of 2 bytes/s for all four flows.
  const ClusterSpec thin = ClusterOf(Inline(2, R"(}, "fabric": {"name": "fat-tree", "nodes_per_leaf": 1,
    "oversubscription": 4})"));
  EXPECT_EQ(UncontendedTime(thin, GroupTransfer(thin, 0, 4, 4, 4, Bytes(8))).value(), 4);
  EXPECT_EQ(UncontendedTime(thin, GroupTransfer(thin, 0, 1, 4, 1, Bytes(8))).value(), 4);
}

TEST(NvLinkDomain, MaySpanNodesOrDivideThem) {
  const ClusterSpec rack = ClusterOf(Inline(4, R"(, "nvlink_domain": 8})"));
  EXPECT_TRUE(rack.same_domain(3, 4));
  EXPECT_FALSE(rack.same_domain(7, 8));
  EXPECT_EQ(UncontendedTime(rack, GroupTransfer(rack, 3, 1, 4, 1, Bytes(8))).value(), 1);  // NVLink, 8 bytes/s
  EXPECT_EQ(UncontendedTime(rack, GroupTransfer(rack, 7, 1, 8, 1, Bytes(8))).value(), 4);  // NICs, 2 bytes/s
  const ClusterSpec pairs = ClusterOf(Inline(2, R"(, "nvlink_domain": 2, "pcie_bytes_per_s": 1})"));
  EXPECT_EQ(UncontendedTime(pairs, GroupTransfer(pairs, 0, 1, 1, 1, Bytes(8))).value(), 1);
  EXPECT_EQ(UncontendedTime(pairs, GroupTransfer(pairs, 1, 1, 2, 1, Bytes(8))).value(), 8);  // PCIe inside the node
  EXPECT_EQ(UncontendedTime(pairs, GroupTransfer(pairs, 3, 1, 4, 1, Bytes(8))).value(), 8);  // and before the NIC
}

TEST(ClusterSpec, SlowPortsCarryLess) {
  ClusterSpec cluster = ClusterOf(Inline(2, "}"));
  cluster.SlowNic(5, 4);  // of GPU 5
  cluster.SlowNvLink(2, 2);
  EXPECT_EQ(cluster.nic_rate(5).value(), 0.5);
  EXPECT_EQ(cluster.nic_rate(4).value(), 2);
  EXPECT_EQ(cluster.intra_rate(2).value(), 4);
  EXPECT_EQ(UncontendedTime(cluster, GroupTransfer(cluster, 0, 1, 5, 1, Bytes(8))).value(), 16);
}

TEST(ClusterSpec, KindsOfNodesStandBesideEachOther) {
  const ClusterSpec mixed = ClusterOf(R"({"name": "mixed", "node_kinds": [
    {"name": "old", "count": 2, "node": "dgx-a100"},
    {"name": "new", "gpu": "h100-sxm", "gpus": 4, "intra_node_bytes_per_s": 450e9, "intra_node_latency_s": 2e-6,
     "nics": 4, "nic_bytes_per_s": 50e9, "nic_latency_s": 5e-6}]})");
  EXPECT_EQ(mixed.nodes(), 3);
  EXPECT_EQ(mixed.gpus(), 20);
  EXPECT_EQ(mixed.node_at(16).gpu.name, "h100-sxm");
  EXPECT_EQ(mixed.smallest_domain(), 4);
  EXPECT_EQ(static_cast<int>(mixed.fastest_kind()), 1);
  const Json printed = ToJson(mixed);
  EXPECT_EQ(ToJson(ReadCluster(JsonReader(printed, "printed"))).Dump(), printed.Dump());
}

TEST(Fabric, PrintsWhatItReads) {
  for (const std::string fabric :
       {R"({"name": "fat-tree", "nodes_per_leaf": 2, "oversubscription": [2, 1.5], "switches_per_group": [2]})",
        R"({"name": "rail", "nodes_per_leaf": 2, "oversubscription": 2, "switch_latency_s": 1e-6})",
        R"({"name": "dragonfly", "nodes_per_router": 1, "routers_per_group": 2, "local_bytes_per_s": 1e9,
            "global_bytes_per_s": 2e9})",
        R"({"name": "torus", "dims": [2, 2], "link_bytes_per_s": 1e9})"}) {
    const Json printed = ToJson(ClusterOf(Inline(4, "}, \"fabric\": " + fabric)));
    EXPECT_NE(printed.find("fabric"), nullptr);
    EXPECT_EQ(ToJson(ReadCluster(JsonReader(printed, "printed"))).Dump(), printed.Dump());
  }
}

TEST(Fabric, EveryMistakeNamesItsPlace) {
  const auto fabric = [](const std::string& text) { return Inline(4, "}, \"fabric\": " + text); };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {fabric("\"fat-tree\""), "/fabric"},
      {fabric("\"clos\""), "/fabric"},
      {fabric(R"({"name": "fat-tree"})"), "/fabric"},
      {fabric(R"({"name": "fat-tree", "nodes_per_leaf": 0})"), "/fabric/nodes_per_leaf"},
      {fabric(R"({"name": "fat-tree", "nodes_per_leaf": 2, "oversubscription": 0.5})"), "/fabric/oversubscription"},
      {fabric(R"({"name": "fat-tree", "nodes_per_leaf": 2, "oversubscription": [2, 2]})"), "/fabric"},
      {fabric(R"({"name": "fat-tree", "nodes_per_leaf": 2, "radix": 2})"), "/fabric/radix"},
      {fabric(R"({"name": "torus", "dims": [2, 3], "link_bytes_per_s": 1})"), "/fabric/dims"},
      {fabric(R"({"name": "torus", "dims": [2, 2], "link_bytes_per_s": 0})"), "/fabric/link_bytes_per_s"},
      {fabric(R"({"name": "table", "bytes_per_s": [[0, 1], [1, 0]]})"), "/fabric/bytes_per_s"},
      {Inline(2, R"(}, "fabric": {"name": "table", "bytes_per_s": [[0, null], [1, 0]]})"), "/fabric/bytes_per_s/0/1"},
      {Inline(2, R"(}, "fabric": {"name": "table", "bytes_per_s": [[0, 0], [1, 0]]})"), "/fabric/bytes_per_s/0/1"},
      {Inline(3, R"(, "nvlink_domain": 8})"), ""},
      {Inline(4, R"(, "nvlink_domain": 6})"), "/node/nvlink_domain"},
      {Inline(4, R"(, "nvlink_domain": 2})"), "/node/nvlink_domain"},
      {R"({"name": "x", "node_kinds": []})", "/node_kinds"},
      {R"({"name": "x", "nodes": 2, "node_kinds": [{"name": "a", "node": "dgx-a100"}]})", ""},
      {R"({"name": "x", "node_kinds": [{"node": "dgx-a100"}]})", "/node_kinds/0"},
      {R"({"name": "x", "node_kinds": [{"name": "a", "count": 0, "node": "dgx-a100"}]})", "/node_kinds/0/count"},
      {R"({"name": "x", "node_kinds": [{"name": "a", "node": "dgx-a100"}, {"name": "a", "node": "dgx-h100"}]})",
       "/node_kinds/1/name"},
      {R"({"name": "x", "node_kinds": [{"name": "a", "node": "dgx-a100", "gpus": 4}]})", "/node_kinds/0/gpus"},
  };
  for (const auto& [text, pointer] : cases) {
    const std::string bad = text;
    const std::string error = ErrorOf([&] { ClusterOf(bad); });
    EXPECT_EQ(error.substr(0, pointer.size() + 2), pointer + ": ") << text << "\n" << error;
  }
}

}  // namespace
}  // namespace dflop
