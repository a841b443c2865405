// Reading GPUs and clusters: built-in tables (models/data/gpus.json, clusters.json), inline objects, and files.
#include "models/cluster_spec.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "models/model_data.hpp"
#include "models/referenced_file.hpp"

namespace dflop {
namespace {

constexpr int kMaxNodes = 131072;
constexpr int kMaxPerNode = 1024;
constexpr double kMaxRate = 1e15;     // bytes per second
constexpr double kMaxPeak = 1e18;     // FLOP per second
constexpr double kMaxMemory = 1e15;   // bytes
constexpr double kMaxLatency = 10.0;  // seconds
// What large messages reach of the nominal rate when an inline node does not say; a stated assumption, about what
// nccl-tests show on NVLink and on InfiniBand.
constexpr double kAssumedIntraEfficiency = 0.7;
constexpr double kAssumedNicEfficiency = 0.9;

JsonReader Gpus() {
  static const Json table = BuiltInJson("gpus.json");
  return {table, "built-in gpus.json"};
}

JsonReader Clusters() {
  static const Json table = BuiltInJson("clusters.json");
  return {table, "built-in clusters.json"};
}

GpuSpec ReadGpuObject(const JsonReader& json, const std::string& name) {
  json.AllowOnly({"schema", "name", "source", "peak_flops_per_s", "memory_bytes_per_s", "memory_bytes"});
  json.CheckSchema("dflop/gpu/1", false);
  GpuSpec gpu;
  gpu.name = name;
  gpu.source = json.StringOr("source", "given inline");
  gpu.peak = FlopsPerSecond(json.At("peak_flops_per_s").Number(1, kMaxPeak));
  gpu.memory_bandwidth = BytesPerSecond(json.At("memory_bytes_per_s").Number(1, kMaxRate));
  gpu.memory = Bytes(json.At("memory_bytes").Number(1, kMaxMemory));
  return gpu;
}

/// Reads the keys that stand in `json` over `node`; with `partial` false all but the efficiencies must stand there.
void ReadNodeInto(const JsonReader& json, bool partial, NodeSpec& node) {
  json.AllowOnly({"schema", "gpu", "gpus", "intra_node_bytes_per_s", "intra_node_latency_s", "intra_efficiency", "nics",
                  "nic_bytes_per_s", "nic_latency_s", "nic_efficiency"});
  const auto wanted = [&](const char* key) { return !partial || json.Has(key); };
  const auto number = [&](const char* key, double min, double max) { return json.At(key).Number(min, max); };
  if (wanted("gpu")) node.gpu = ReadGpu(json.At("gpu"));
  if (wanted("gpus")) node.gpus = static_cast<int>(json.At("gpus").Int(1, kMaxPerNode));
  if (wanted("nics")) node.nics = static_cast<int>(json.At("nics").Int(1, kMaxPerNode));
  if (wanted("intra_node_bytes_per_s")) {
    node.intra_bandwidth = BytesPerSecond(number("intra_node_bytes_per_s", 1, kMaxRate));
  }
  if (wanted("intra_node_latency_s")) node.intra_latency = Seconds(number("intra_node_latency_s", 0, kMaxLatency));
  if (wanted("nic_bytes_per_s")) node.nic_bandwidth = BytesPerSecond(number("nic_bytes_per_s", 1, kMaxRate));
  if (wanted("nic_latency_s")) node.nic_latency = Seconds(number("nic_latency_s", 0, kMaxLatency));
  node.intra_efficiency = json.NumberOr("intra_efficiency", node.intra_efficiency, 0.001, 1);
  node.nic_efficiency = json.NumberOr("nic_efficiency", node.nic_efficiency, 0.001, 1);
}

ClusterSpec BuiltInCluster(const JsonReader& name) {
  const JsonReader row = Clusters().At(name.OneOf(BuiltInClusterNames()));
  NodeSpec node;
  ReadNodeInto(row.At("node"), false, node);
  return {name.String(), row.At("source").String(), {{.node = node}}};
}

/// A built-in cluster's node by name, or an inline or {"file": …} one.
NodeSpec ReadNode(const JsonReader& json) {
  if (json.IsString()) return BuiltInCluster(json).only_node();
  NodeSpec node;
  node.intra_efficiency = kAssumedIntraEfficiency;
  node.nic_efficiency = kAssumedNicEfficiency;
  if (json.Has("file")) {
    json.AllowOnly({"file"});
    const ReferencedFile file(json.At("file"), "dflop/node/1");
    ReadNodeInto(file.reader(), false, node);
  } else {
    ReadNodeInto(json, false, node);
  }
  return node;
}

ClusterSpec ReadClusterObject(const JsonReader& json) {
  json.AllowOnly({"schema", "name", "source", "nodes", "node"});
  json.CheckSchema("dflop/cluster/1", false);
  const auto own = json.Find("node");
  const bool built_in = json.Has("name") && Clusters().Has(json.At("name").String());
  std::string source = "given inline";
  NodeSpec node;
  if (built_in || !own) {
    const ClusterSpec standard = BuiltInCluster(json.At("name"));
    source = standard.source();
    node = standard.only_node();
  }
  if (built_in && own && own->IsObject() && !own->Has("file")) {
    ReadNodeInto(*own, true, node);
  } else if (own) {
    node = ReadNode(*own);
  }
  const std::string name = json.StringOr("name", "inline");
  source = json.StringOr("source", source);
  return {name, source, {{.count = static_cast<int>(json.IntOr("nodes", 1, 1, kMaxNodes)), .node = node}}};
}

Json GpuJson(const GpuSpec& gpu) {
  Json json;
  json["name"] = gpu.name;
  json["source"] = gpu.source;
  json["peak_flops_per_s"] = gpu.peak.value();
  json["memory_bytes_per_s"] = gpu.memory_bandwidth.value();
  json["memory_bytes"] = gpu.memory.value();
  return json;
}

}  // namespace

ClusterSpec::ClusterSpec(std::string name, std::string source, std::vector<NodeKind> kinds)
    : name_(std::move(name)), source_(std::move(source)), kinds_(std::move(kinds)) {
  DFLOP_CHECK(!kinds_.empty(), "a cluster has a kind of nodes");
}

int ClusterSpec::nodes() const {
  int nodes = 0;
  for (const NodeKind& kind : kinds_) nodes += kind.count;
  return nodes;
}

int ClusterSpec::gpus() const {
  int gpus = 0;
  for (const NodeKind& kind : kinds_) gpus += kind.gpus();
  return gpus;
}

int ClusterSpec::nics() const {
  int nics = 0;
  for (const NodeKind& kind : kinds_) nics += kind.count * kind.node.nics;
  return nics;
}

Seconds ClusterSpec::latency(int source, int target) const {
  const NodeSpec& from = node_at(source);
  if (same_node(source, target)) return from.intra_latency;
  return std::max(from.nic_latency, node_at(target).nic_latency);
}

const NodeSpec& ClusterSpec::only_node() const {
  DFLOP_CHECK(kinds_.size() == 1, "one kind of nodes, where rules know no more");
  return kinds_.front().node;
}

NodeSpec& ClusterSpec::only_node() {
  DFLOP_CHECK(kinds_.size() == 1, "one kind of nodes to change");
  return kinds_.front().node;
}

void ClusterSpec::set_nodes(int nodes) {
  DFLOP_CHECK(kinds_.size() == 1, "a number of nodes says nothing about several kinds");
  kinds_.front().count = nodes;
}

Bytes ClusterSpec::smallest_memory() const {
  Bytes smallest = kinds_.front().node.gpu.memory;
  for (const NodeKind& kind : kinds_) smallest = std::min(smallest, kind.node.gpu.memory);
  return smallest;
}

GpuSpec ReadGpu(const JsonReader& json) {
  if (json.IsString()) {
    const std::string name = json.OneOf(BuiltInGpuNames());
    return ReadGpuObject(Gpus().At(name), name);
  }
  if (!json.Has("file")) return ReadGpuObject(json, json.StringOr("name", "inline"));
  json.AllowOnly({"file"});
  const ReferencedFile file(json.At("file"), "dflop/gpu/1");
  return ReadGpuObject(file.reader(), file.reader().StringOr("name", "inline"));
}

ClusterSpec ReadCluster(const JsonReader& json) {
  if (json.IsString()) return BuiltInCluster(json);
  if (!json.Has("file")) return ReadClusterObject(json);
  json.AllowOnly({"file", "nodes"});
  const ReferencedFile file(json.At("file"), "dflop/cluster/1");
  ClusterSpec cluster = ReadClusterObject(file.reader());
  cluster.set_nodes(static_cast<int>(json.IntOr("nodes", cluster.nodes(), 1, kMaxNodes)));
  return cluster;
}

std::vector<std::string> BuiltInClusterNames() { return Clusters().Keys(); }
std::vector<std::string> BuiltInGpuNames() { return Gpus().Keys(); }
std::string ClusterSource(const std::string& name) { return Clusters().At(name).At("source").String(); }
std::string GpuSource(const std::string& name) { return Gpus().At(name).At("source").String(); }

Json ToJson(const ClusterSpec& cluster) {
  const NodeSpec& node = cluster.only_node();
  Json json;
  json["name"] = cluster.name();
  json["source"] = cluster.source();
  json["nodes"] = cluster.nodes();
  Json& own = json["node"];
  own["gpu"] = GpuJson(node.gpu);
  own["gpus"] = node.gpus;
  own["intra_node_bytes_per_s"] = node.intra_bandwidth.value();
  own["intra_node_latency_s"] = node.intra_latency.value();
  own["intra_efficiency"] = node.intra_efficiency;
  own["nics"] = node.nics;
  own["nic_bytes_per_s"] = node.nic_bandwidth.value();
  own["nic_latency_s"] = node.nic_latency.value();
  own["nic_efficiency"] = node.nic_efficiency;
  return json;
}

}  // namespace dflop
