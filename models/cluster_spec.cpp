// Reading GPUs and clusters: built-in tables (models/data/gpus.json, clusters.json), inline objects, and files.
#include "models/cluster_spec.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "models/model_data.hpp"
#include "models/network/limits.hpp"
#include "models/referenced_file.hpp"
#include "traces/network_trace.hpp"

namespace dflop {
namespace {

constexpr int kMaxPerNode = 1024;
constexpr double kMaxPeak = 1e18;    // FLOP per second
constexpr double kMaxMemory = 1e15;  // bytes
constexpr double kMostSimpleHops = 100;
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

/// A domain is a part of a node, or nodes that it holds whole.
void CheckDomain(const JsonReader& json, const NodeSpec& node) {
  const int domain = node.domain();
  if (domain == node.gpus) return;
  const JsonReader where = json.Find("nvlink_domain").value_or(json);
  if (domain < node.gpus ? node.gpus % domain != 0 : domain % node.gpus != 0) {
    where.Fail("NVLink domains of " + std::to_string(domain) + " GPUs and nodes of " + std::to_string(node.gpus) +
               " do not divide each other");
  }
  if (domain < node.gpus && node.pcie_bandwidth <= BytesPerSecond(0)) {
    where.Fail("is smaller than the node, whose GPUs then need \"pcie_bytes_per_s\" between its domains");
  }
}

std::vector<std::string> NodeKeys() {
  return {"schema",
          "gpu",
          "gpus",
          "intra_node_bytes_per_s",
          "intra_node_latency_s",
          "intra_efficiency",
          "nics",
          "nic_bytes_per_s",
          "nic_latency_s",
          "nic_efficiency",
          "nic_simple_hops",
          "nic_ll128_efficiency",
          "nvlink_domain",
          "collectives",
          "pcie_bytes_per_s"};
}

/// Reads the keys that stand in `json` over `node`; with `partial` false all but the efficiencies must stand there.
void ReadNodeInto(const JsonReader& json, bool partial, NodeSpec& node,
                  const std::vector<std::string>& allowed = NodeKeys()) {
  json.AllowOnly(allowed);
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
  node.nic_ramp.simple_hops = json.NumberOr("nic_simple_hops", node.nic_ramp.simple_hops, 1, kMostSimpleHops);
  node.nic_ramp.ll128_efficiency = json.NumberOr("nic_ll128_efficiency", node.nic_ramp.ll128_efficiency, 0.001, 1);
  node.nvlink_domain = static_cast<int>(json.IntOr("nvlink_domain", node.nvlink_domain, 1, kMaxPerNode));
  node.pcie_bandwidth = BytesPerSecond(json.NumberOr("pcie_bytes_per_s", node.pcie_bandwidth.value(), 1, kMaxRate));
  CheckDomain(json, node);
  if (const auto law = json.Find("collectives")) node.law = ReadCollectiveLaw(*law);
}

ClusterSpec BuiltInCluster(const JsonReader& name) {
  const JsonReader row = Clusters().At(name.OneOf(BuiltInClusterNames()));
  NodeSpec node;
  ReadNodeInto(row.At("node"), false, node);
  const int nodes = static_cast<int>(row.IntOr("nodes", 1, 1, kMaxNodes));
  const FabricSpec fabric = row.Has("fabric") ? ReadFabric(row.At("fabric"), nodes) : FabricSpec{};
  return {name.String(), row.At("source").String(), {{.count = nodes, .node = node}}, fabric};
}

NodeSpec AssumedNode() {
  NodeSpec node;
  node.intra_efficiency = kAssumedIntraEfficiency;
  node.nic_efficiency = kAssumedNicEfficiency;
  return node;
}

/// A built-in cluster's node by name, or an inline or {"file": …} one.
NodeSpec ReadNode(const JsonReader& json) {
  if (json.IsString()) return BuiltInCluster(json).only_node();
  NodeSpec node = AssumedNode();
  if (json.Has("file")) {
    json.AllowOnly({"file"});
    const ReferencedFile file(json.At("file"), "dflop/node/1");
    ReadNodeInto(file.reader(), false, node);
  } else {
    ReadNodeInto(json, false, node);
  }
  return node;
}

/// Whole domains only: a rack of which half is missing would be another machine.
void CheckDomains(const JsonReader& json, const NodeKind& kind) {
  const int domain = kind.node.domain();
  if (kind.gpus() % domain == 0) return;
  json.Fail("has " + std::to_string(kind.gpus()) + " GPUs, which NVLink domains of " + std::to_string(domain) +
            " do not divide");
}

/// {"name": …, "count": …} with a "node", or with a node's keys beside them.
NodeKind ReadNodeKind(const JsonReader& json) {
  NodeKind kind;
  kind.name = json.At("name").String();
  kind.count = static_cast<int>(json.IntOr("count", 1, 1, kMaxNodes));
  if (json.Has("node")) {
    json.AllowOnly({"name", "count", "node"});
    kind.node = ReadNode(json.At("node"));
  } else {
    std::vector<std::string> keys = NodeKeys();
    keys.insert(keys.end(), {"name", "count"});
    kind.node = AssumedNode();
    ReadNodeInto(json, false, kind.node, keys);
  }
  CheckDomains(json, kind);
  return kind;
}

std::vector<NodeKind> ReadNodeKinds(const JsonReader& json) {
  std::vector<NodeKind> kinds;
  std::int64_t nodes = 0;
  for (const JsonReader& element : json.Elements()) {
    const NodeKind& kind = kinds.emplace_back(ReadNodeKind(element));
    const auto namesake =
        std::find_if(kinds.begin(), kinds.end(), [&](const NodeKind& k) { return k.name == kind.name; });
    if (&*namesake != &kinds.back()) element.At("name").Fail("is the name of another kind of nodes");
    nodes += kind.count;
  }
  if (kinds.empty()) json.Fail("is empty; a cluster has a kind of nodes");
  if (nodes > kMaxNodes) json.Fail("has " + std::to_string(nodes) + " nodes, more than " + std::to_string(kMaxNodes));
  return kinds;
}

/// {"file": …} of measured collectives, of all kinds of nodes: which of them took part they do not say.
void ReadMeasured(const JsonReader& json, std::vector<NodeKind>& kinds) {
  json.AllowOnly({"file", "system", "nccl_version", "dtype"});
  const JsonReader file = json.At("file");
  const NetworkImport import{.system = json.StringOr("system", ""),
                             .version = json.StringOr("nccl_version", ""),
                             .dtype = json.StringOr("dtype", "")};
  if (!std::filesystem::is_regular_file(file.String())) file.Fail("is no file");
  const NetworkTrace trace = ReadMeasuredCollectives(file.String(), import);
  const std::set<std::string> dtypes = DtypesOf(trace);
  if (dtypes.size() > 1) {
    file.Fail("holds several, choose one with \"dtype\": " + JoinNames({dtypes.begin(), dtypes.end()}));
  }
  const auto measured = std::make_shared<MeasuredCollectives>(file.String());
  for (const CollectiveRow& row : trace.rows) {
    const Json name = row.op;
    measured->Add(ReadCollectiveOp(JsonReader(name, file.String())), row.ranks, row.ranks_per_node, Bytes(row.bytes),
                  Seconds(row.seconds));
  }
  for (NodeKind& kind : kinds) kind.node.measured = measured;
}

void ReadSpeeds(const JsonReader& json, ClusterSpec& cluster) {
  std::set<std::int64_t> seen;
  for (const JsonReader& element : json.Elements()) {
    element.AllowOnly({"gpu", "speed"});
    const std::int64_t gpu = element.At("gpu").Int(0, cluster.gpus() - 1);
    if (!seen.insert(gpu).second) element.At("gpu").Fail("has a speed already");
    cluster.SetSpeed(static_cast<int>(gpu), element.At("speed").Number(0.01, 1));
  }
}

/// Only of switches that stand in a tree: on another fabric nobody is the root of all ways.
void ReadInSwitchReduction(const JsonReader& json, ClusterSpec& cluster) {
  const bool wanted = json.Bool();
  const FabricSpec& fabric = cluster.fabric_spec();
  const bool tree = std::holds_alternative<FullFabric>(fabric) || std::holds_alternative<FatTree>(fabric) ||
                    std::holds_alternative<RailFabric>(fabric);
  if (wanted && !tree) {
    json.Fail("is true on a fabric whose switches stand in no tree; full, fat-tree and rail fabrics may have it");
  }
  cluster.SetInSwitchReduction(wanted);
}

/// `nodes`: replaces the number that stands there.
ClusterSpec ReadClusterObject(const JsonReader& json, std::optional<int> nodes = {}) {
  json.AllowOnly({"schema", "name", "source", "nodes", "node", "node_kinds", "fabric", "network", "device_speed",
                  "in_switch_reduction"});
  json.CheckSchema("dflop/cluster/1", false);
  const auto own = json.Find("node");
  const auto several = json.Find("node_kinds");
  const bool built_in = json.Has("name") && Clusters().Has(json.At("name").String());
  std::string source = "given inline";
  std::vector<NodeKind> kinds(1);
  FabricSpec fabric;
  if (several) {
    if (own || json.Has("nodes") || nodes) json.Fail("\"node_kinds\" says what \"node\" and \"nodes\" would");
    kinds = ReadNodeKinds(*several);
  } else {
    NodeSpec& node = kinds.front().node;
    if (built_in || !own) {
      const ClusterSpec standard = BuiltInCluster(json.At("name"));
      source = standard.source();
      node = standard.only_node();
      kinds.front().count = standard.nodes();
      fabric = standard.fabric_spec();
    }
    if (built_in && own && own->IsObject() && !own->Has("file")) {
      ReadNodeInto(*own, true, node);
    } else if (own) {
      node = ReadNode(*own);
    }
    kinds.front().count = nodes ? *nodes : static_cast<int>(json.IntOr("nodes", kinds.front().count, 1, kMaxNodes));
    CheckDomains(json, kinds.front());
  }
  if (const auto network = json.Find("network")) ReadMeasured(*network, kinds);
  const std::string name = json.StringOr("name", "inline");
  source = json.StringOr("source", source);
  int all = 0;
  for (const NodeKind& kind : kinds) all += kind.count;
  if (const auto given = json.Find("fabric")) fabric = ReadFabric(*given, all);
  ClusterSpec cluster(name, source, std::move(kinds), std::move(fabric));
  if (const auto speeds = json.Find("device_speed")) ReadSpeeds(*speeds, cluster);
  if (const auto reduces = json.Find("in_switch_reduction")) ReadInSwitchReduction(*reduces, cluster);
  return cluster;
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

ClusterSpec::ClusterSpec(std::string name, std::string source, std::vector<NodeKind> kinds, FabricSpec fabric)
    : name_(std::move(name)), source_(std::move(source)), kinds_(std::move(kinds)), fabric_spec_(std::move(fabric)) {
  DFLOP_CHECK(!kinds_.empty(), "a cluster has a kind of nodes");
  BuildFabric();
}

double ClusterSpec::SlowestSpeed(int gpu, int count) const {
  double slowest = 1;
  for (auto slow = speeds_.lower_bound(gpu); slow != speeds_.end() && slow->first < gpu + count; ++slow) {
    slowest = std::min(slowest, slow->second);
  }
  return slowest;
}

void ClusterSpec::BuildFabric() {
  fabric_.reset();
  if (std::holds_alternative<FullFabric>(fabric_spec_)) return;
  std::vector<NodePorts> ports;
  for (const NodeKind& kind : kinds_) {
    for (int i = 0; i < kind.count; ++i) {
      const int first_nic = ports.empty() ? 0 : ports.back().first_nic + ports.back().nics;
      ports.push_back({kind.node.nics, kind.node.nic_rate(), first_nic});
    }
  }
  fabric_ = MakeFabric(fabric_spec_, ports);
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

Seconds ClusterSpec::latency(const Seat& source, const Seat& target) const {
  const NodeSpec& from = node_at(source);
  if (source.domain == target.domain || source.node == target.node) return from.message_latency();
  return std::max(from.law.launch, node_at(target).law.launch) + nic_hop(source, target);
}

Seconds ClusterSpec::nic_hop(const Seat& source, const Seat& target) const {
  const Seconds nics = std::max(node_at(source).nic_latency, node_at(target).nic_latency);
  return fabric_ ? fabric_->Latency(source.node, target.node, nics) : nics;
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
  BuildFabric();
}

int ClusterSpec::smallest_domain() const {
  int smallest = kinds_.front().node.domain();
  for (const NodeKind& kind : kinds_) smallest = std::min(smallest, kind.node.domain());
  return smallest;
}

KindId ClusterSpec::fastest_kind() const {
  const auto fastest = std::max_element(kinds_.begin(), kinds_.end(), [](const NodeKind& a, const NodeKind& b) {
    return a.node.gpu.peak < b.node.gpu.peak;
  });
  return KindId{static_cast<int>(fastest - kinds_.begin())};
}

ClusterSpec ClusterSpec::WithoutSlowLinks() const {
  ClusterSpec healthy = *this;
  healthy.slow_nvlinks_.clear();
  healthy.slow_nics_.clear();
  return healthy;
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
  std::optional<int> nodes;
  if (json.Has("nodes")) nodes = static_cast<int>(json.At("nodes").Int(1, kMaxNodes));
  return ReadClusterObject(file.reader(), nodes);
}

std::vector<std::string> BuiltInClusterNames() { return Clusters().Keys(); }
std::vector<std::string> BuiltInGpuNames() { return Gpus().Keys(); }
std::string ClusterSource(const std::string& name) { return Clusters().At(name).At("source").String(); }
std::string GpuSource(const std::string& name) { return Gpus().At(name).At("source").String(); }

Json ToJson(const NodeSpec& node) {
  Json own;
  own["gpu"] = GpuJson(node.gpu);
  own["gpus"] = node.gpus;
  if (node.nvlink_domain > 0) own["nvlink_domain"] = node.nvlink_domain;
  own["intra_node_bytes_per_s"] = node.intra_bandwidth.value();
  own["intra_node_latency_s"] = node.intra_latency.value();
  own["intra_efficiency"] = node.intra_efficiency;
  if (node.pcie_bandwidth > BytesPerSecond(0)) own["pcie_bytes_per_s"] = node.pcie_bandwidth.value();
  own["nics"] = node.nics;
  own["nic_bytes_per_s"] = node.nic_bandwidth.value();
  own["nic_latency_s"] = node.nic_latency.value();
  own["nic_efficiency"] = node.nic_efficiency;
  if (node.nic_ramp.simple_hops != 1) own["nic_simple_hops"] = node.nic_ramp.simple_hops;
  if (node.nic_ramp.ll128_efficiency != 1) own["nic_ll128_efficiency"] = node.nic_ramp.ll128_efficiency;
  if (node.law.fitted) own["collectives"] = ToJson(node.law);
  return own;
}

Json ToJson(const ClusterSpec& cluster) {
  Json json;
  json["name"] = cluster.name();
  json["source"] = cluster.source();
  if (cluster.kinds() == 1) {
    json["nodes"] = cluster.nodes();
    json["node"] = ToJson(cluster.only_node());
  } else {
    for (int k = 0; k < cluster.kinds(); ++k) {
      const NodeKind& kind = cluster.kind(KindId{k});
      Json one;
      one["name"] = kind.name;
      one["count"] = kind.count;
      one["node"] = ToJson(kind.node);
      json["node_kinds"].push_back(std::move(one));
    }
  }
  if (cluster.fabric() != nullptr) json["fabric"] = ToJson(cluster.fabric_spec());
  if (cluster.in_switch_reduction()) json["in_switch_reduction"] = true;
  for (int gpu = 0; cluster.has_slow_gpus() && gpu < cluster.gpus(); ++gpu) {
    const double speed = cluster.SlowestSpeed(gpu, 1);
    if (speed == 1) continue;
    Json one;
    one["gpu"] = gpu;
    one["speed"] = speed;
    json["device_speed"].push_back(std::move(one));
  }
  const auto& measured = cluster.node_of_kind(kFirstKind).measured;
  if (measured) json["network"]["file"] = measured->source();
  return json;
}

}  // namespace dflop
