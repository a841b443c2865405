// Built-in, inline and filed clusters, and the place that each mistake is told at.
#include "models/cluster_spec.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

ClusterSpec ClusterFrom(const std::string& text) {
  const Json json = ParseJson(text, "cluster.json");
  return ReadCluster(JsonReader(json, "cluster.json"));
}

const char* const kInline = R"({"name": "my-cluster", "nodes": 2, "node": {"gpu": "h100-sxm", "gpus": 8,
  "intra_node_bytes_per_s": 450e9, "intra_node_latency_s": 2e-6, "nics": 4, "nic_bytes_per_s": 50e9,
  "nic_latency_s": 5e-6}})";

std::string Changed(const std::string& from, const std::string& to) {
  std::string text = kInline;
  const std::size_t place = text.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  return text.replace(place, from.size(), to);
}

TEST(ClusterSpec, EveryBuiltInReadsAndHasASource) {
  for (const std::string& name : BuiltInClusterNames()) {
    const bool rack = name == "gb200-nvl72";
    const ClusterSpec cluster = ClusterFrom(R"({"name": ")" + name + R"(", "nodes": )" + (rack ? "36}" : "3}"));
    EXPECT_EQ(cluster.gpus(), rack ? 144 : 3 * (name == "cpu-node" ? 2 : 8)) << name;
    EXPECT_FALSE(ClusterSource(name).empty());
  }
  for (const std::string& name : BuiltInGpuNames()) EXPECT_FALSE(GpuSource(name).empty());
  EXPECT_EQ(BuiltInGpuNames(),
            (std::vector<std::string>{"a100-sxm-40gb", "a100-sxm-80gb", "h100-sxm", "h100-hbm2e-500w", "h200-sxm",
                                      "b200-sxm", "gb200", "cpu-core"}));
}

TEST(ClusterSpec, SeleneNodesHaveTwiceTheNetworkOfThePaper) {
  const ClusterSpec selene = ClusterFrom(R"({"name": "dgx-a100", "nodes": 16})");
  const ClusterSpec paper = ClusterFrom("\"hgx-a100-800g\"");
  EXPECT_DOUBLE_EQ(selene.only_node().nic_bandwidth.value() * selene.only_node().nics, 200e9);  // 8 × 200 Gb/s
  EXPECT_DOUBLE_EQ(paper.only_node().nic_bandwidth.value() * paper.only_node().nics, 100e9);    // 800 Gb/s
  EXPECT_DOUBLE_EQ(selene.only_node().gpu.peak.value(), 312e12);
  EXPECT_EQ(paper.nodes(), 1);
}

TEST(ClusterSpec, ABuiltInMayDifferInSingleKeys) {
  const ClusterSpec plain = ClusterFrom("\"dgx-h100\"");
  const ClusterSpec slow =
      ClusterFrom(R"({"name": "dgx-h100", "nodes": 4, "node": {"nic_bytes_per_s": 1e9, "gpu": "h200-sxm"}})");
  EXPECT_DOUBLE_EQ(slow.only_node().nic_bandwidth.value(), 1e9);
  EXPECT_EQ(slow.only_node().gpu.name, "h200-sxm");
  EXPECT_DOUBLE_EQ(slow.only_node().intra_bandwidth.value(), plain.only_node().intra_bandwidth.value());
  EXPECT_EQ(slow.nodes(), 4);
}

TEST(ClusterSpec, InlineNodesAssumeTheirEfficiencies) {
  const ClusterSpec cluster = ClusterFrom(kInline);
  EXPECT_DOUBLE_EQ(cluster.only_node().intra_efficiency, 0.7);
  EXPECT_DOUBLE_EQ(cluster.only_node().nic_efficiency, 0.9);
  EXPECT_DOUBLE_EQ(cluster.only_node().nic_rate().value(), 45e9);
  EXPECT_EQ(cluster.nic_of(13), 1);  // GPU 5 of its node, four NICs
}

TEST(ClusterSpec, ANodeMayBeThatOfABuiltInCluster) {
  const ClusterSpec cluster = ClusterFrom(R"({"name": "mine", "nodes": 2, "node": "dgx-b200"})");
  EXPECT_EQ(cluster.only_node().gpu.name, "b200-sxm");
  EXPECT_EQ(cluster.name(), "mine");
}

TEST(ClusterSpec, AFileMayHaveAnotherNumberOfNodes) {
  const std::string path = std::string(testing::TempDir()) + "cluster_spec_test.json";
  std::string text = kInline;
  WriteFile(path, text.insert(1, R"("schema": "dflop/cluster/1", )"));
  EXPECT_EQ(ClusterFrom(R"({"file": ")" + path + "\"}").nodes(), 2);
  EXPECT_EQ(ClusterFrom(R"({"file": ")" + path + R"(", "nodes": 64})").nodes(), 64);
}

TEST(ClusterSpec, PrintsWhatItReads) {
  for (const std::string& text : {std::string(kInline), std::string("\"dgx-b200\"")}) {
    const Json printed = ToJson(ClusterFrom(text));
    EXPECT_EQ(ToJson(ReadCluster(JsonReader(printed, "printed"))).Dump(), printed.Dump());
  }
}

TEST(ClusterSpec, EveryMistakeNamesItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\"dgx-a1000\"", ""},
      {R"({"name": "dgx-a1000", "nodes": 2})", "/name"},
      {R"({"nodes": 2})", ""},
      {R"({"name": "dgx-a100", "nodes": 0})", "/nodes"},
      {R"({"name": "dgx-a100", "nodes": 131073})", "/nodes"},
      {R"({"name": "dgx-a100", "nodes": 1.5})", "/nodes"},
      {R"({"name": "dgx-a100", "node": {"nic": 1}})", "/node/nic"},
      {R"({"file": "nowhere.json"})", "/file"},
      {Changed("\"gpus\": 8,", ""), "/node"},
      {Changed("\"gpus\": 8", "\"gpus\": 0"), "/node/gpus"},
      {Changed("\"nics\": 4", "\"nics\": 0"), "/node/nics"},
      {Changed("450e9", "2e15"), "/node/intra_node_bytes_per_s"},
      {Changed("50e9, ", "50e9, \"nic_efficiency\": 1.5, "), "/node/nic_efficiency"},
      {Changed("2e-6", "11"), "/node/intra_node_latency_s"},
      {Changed("5e-6", "-1"), "/node/nic_latency_s"},
      {Changed("\"h100-sxm\"", "\"h100\""), "/node/gpu"},
      {Changed("\"h100-sxm\"", R"({"name": "x", "peak_flops_per_s": 1e12, "memory_bytes_per_s": 1e12})"), "/node/gpu"},
  };
  for (const auto& [text, pointer] : cases) {
    const std::string bad = text;
    const std::string error = ErrorOf([&] { ClusterFrom(bad); });
    EXPECT_EQ(error.substr(0, pointer.size() + 2), pointer + ": ") << text << "\n" << error;
  }
}

}  // namespace
}  // namespace dflop
