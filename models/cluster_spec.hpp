// The machine: GPUs in nodes of one or several kinds, NVLink inside a domain, NICs and a fabric between nodes.
// Bandwidths are per GPU or NIC and direction.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"
#include "models/network/collective_law.hpp"
#include "models/network/fabric.hpp"
#include "models/network/measured_collectives.hpp"

namespace dflop {

struct GpuSpec {
  std::string name;
  std::string source;
  FlopsPerSecond peak{0};  ///< dense bf16/fp16 tensor-core peak
  BytesPerSecond memory_bandwidth{0};
  Bytes memory{0};
};

struct NodeSpec {
  GpuSpec gpu;
  int gpus = 8;
  BytesPerSecond intra_bandwidth{0};  ///< NVLink, nominal, per GPU and direction
  Seconds intra_latency{0};
  int nics = 8;
  BytesPerSecond nic_bandwidth{0};
  Seconds nic_latency{0};
  /// Share of the nominal link rate that large messages reach (fit to measured collectives; see the data file).
  double intra_efficiency = 1.0;
  double nic_efficiency = 1.0;
  NicRamp nic_ramp{};
  /// GPUs that NVLink joins: 0: those of the node; fewer (pairs), or those of several nodes (a rack).
  int nvlink_domain = 0;
  /// Between a GPU and what is not NVLink: NICs, GPUs of its node outside its domain. 0: as fast as these.
  BytesPerSecond pcie_bandwidth{0};
  CollectiveLaw law{};
  /// Of this machine; null: the law alone.
  std::shared_ptr<const MeasuredCollectives> measured{};

  /// Of a message inside the node, its launch included.
  Seconds message_latency() const { return law.launch + (law.pair < Seconds(0) ? intra_latency : law.pair); }
  int domain() const { return nvlink_domain > 0 ? nvlink_domain : gpus; }
  BytesPerSecond intra_rate() const { return intra_bandwidth * intra_efficiency; }
  BytesPerSecond nic_rate() const { return nic_bandwidth * nic_efficiency; }
};

/// Nodes that are alike.
struct NodeKind {
  std::string name{};  ///< tells kinds of one cluster apart; may be empty where there is one
  int count = 1;
  NodeSpec node{};

  int gpus() const { return count * node.gpus; }
};

/// Which of its cluster's kinds; no plain int, which the numbers beside it (replicas, GPUs) could be taken for.
enum class KindId : int {};
inline constexpr KindId kFirstKind{0};

/// Nodes are numbered kind after kind, GPUs and NICs node after node. A GPU past the last counts as one more of the
/// last kind: whether a layout wants too many is another question than where they would stand.
class ClusterSpec {
 public:
  ClusterSpec() : ClusterSpec("", "", {NodeKind{}}) {}
  /// At least one kind.
  ClusterSpec(std::string name, std::string source, std::vector<NodeKind> kinds, FabricSpec fabric = {});

  const std::string& name() const { return name_; }
  const std::string& source() const { return source_; }

  int kinds() const { return static_cast<int>(kinds_.size()); }
  int nodes() const;
  int gpus() const;
  int nics() const;

  /// Where a GPU is; all that follows asks for it, and who asks more than once of a GPU should ask for the seat.
  struct Seat {
    std::size_t kind;
    int node;
    int nic;        ///< of its node
    int first_nic;  ///< of its node, over all nodes
    int domain;     ///< of NVLink, over all nodes

    int nic_number() const { return first_nic + nic; }
  };
  /// One division in most clusters (a NIC for every GPU, one domain a node) after a search over the few kinds, which is
  /// none where there is one: collectives ask for every flow.
  Seat SeatOf(int gpu) const {
    std::size_t kind = 0;
    int nodes = 0;
    int nics = 0;
    int domains = 0;
    for (; kind + 1 < kinds_.size() && gpu >= kinds_[kind].gpus(); ++kind) {
      gpu -= kinds_[kind].gpus();
      nodes += kinds_[kind].count;
      domains += kinds_[kind].gpus() / kinds_[kind].node.domain();
      nics += kinds_[kind].count * kinds_[kind].node.nics;
    }
    const NodeSpec& node = kinds_[kind].node;
    const int before = gpu / node.gpus;
    const int place = gpu - before * node.gpus;
    const int domain = node.domain();
    return {kind, nodes + before, place < node.nics ? place : place % node.nics, nics + before * node.nics,
            domains + (domain == node.gpus ? before : gpu / domain)};
  }

  KindId kind_of(int gpu) const { return KindId{static_cast<int>(SeatOf(gpu).kind)}; }
  int node_of(int gpu) const { return SeatOf(gpu).node; }
  /// The NIC of its node that a GPU uses; GPUs share NICs in turn where there are fewer.
  int nic_of(int gpu) const { return SeatOf(gpu).nic; }
  /// The same NIC counted over all nodes.
  int nic_number(int gpu) const { return SeatOf(gpu).nic_number(); }
  bool same_node(int a, int b) const { return node_of(a) == node_of(b); }
  /// NVLink domains, counted as nodes are.
  int domain_of(int gpu) const { return SeatOf(gpu).domain; }
  /// NVLink joins them.
  bool same_domain(int a, int b) const { return domain_of(a) == domain_of(b); }
  /// GPUs of the smallest domain of all kinds: a tensor-parallel group of so many may lie anywhere.
  int smallest_domain() const;

  const NodeSpec& node_at(int gpu) const { return node_at(SeatOf(gpu)); }
  const NodeSpec& node_at(const Seat& seat) const { return kinds_[seat.kind].node; }
  const NodeKind& kind(KindId kind) const { return kinds_[static_cast<std::size_t>(kind)]; }
  const NodeSpec& node_of_kind(KindId kind) const { return kinds_[static_cast<std::size_t>(kind)].node; }
  BytesPerSecond intra_rate(int gpu) const { return Slowed(node_at(gpu).intra_rate(), slow_nvlinks_, gpu); }
  BytesPerSecond nic_rate(int gpu) const { return nic_rate(SeatOf(gpu)); }
  BytesPerSecond nic_rate(const Seat& seat) const {
    return Slowed(node_at(seat).nic_rate(), slow_nics_, seat.nic_number());
  }
  /// One GPU's NVLinks, or one NIC (counted over all nodes), carry `factor` times less than they did.
  void SlowNvLink(int gpu, double factor) { slow_nvlinks_.try_emplace(gpu, 1).first->second *= factor; }
  void SlowNic(int nic_number, double factor) { slow_nics_.try_emplace(nic_number, 1).first->second *= factor; }
  /// One GPU computes at this share of its kind's rates (0 < share ≤ 1), and whoever works with it waits for it:
  /// planners know it, as they know kinds of nodes.
  void SetSpeed(int gpu, double share) { speeds_[gpu] = share; }
  bool has_slow_gpus() const { return !speeds_.empty(); }
  /// Of the slowest of `count` GPUs from `gpu` on.
  double SlowestSpeed(int gpu, int count) const;
  bool has_slow_links() const { return !slow_nvlinks_.empty() || !slow_nics_.empty(); }
  /// With every link as fast as its kind's.
  ClusterSpec WithoutSlowLinks() const;

  /// The switches between nodes add up all-reduces (SHARP).
  bool in_switch_reduction() const { return in_switch_reduction_; }
  void SetInSwitchReduction(bool has) { in_switch_reduction_ = has; }

  const FabricSpec& fabric_spec() const { return fabric_spec_; }
  /// Between the NICs; null where it is full.
  const Fabric* fabric() const { return fabric_.get(); }
  /// Of a message from one GPU to another, its launch included; between nodes of two kinds that of the slower end.
  Seconds latency(int source, int target) const { return latency(SeatOf(source), SeatOf(target)); }
  Seconds latency(const Seat& source, const Seat& target) const;
  /// The same without the launch, of a step of a collective over NICs.
  Seconds nic_hop(int source, int target) const { return nic_hop(SeatOf(source), SeatOf(target)); }
  Seconds nic_hop(const Seat& source, const Seat& target) const;

  /// Of the GPUs with the highest peak: what runs there runs nowhere faster, as far as searches look ahead.
  KindId fastest_kind() const;
  /// The node of a cluster that has one kind, for rules and searches that know no more; aborts where there are several.
  const NodeSpec& only_node() const;
  NodeSpec& only_node();
  /// As many nodes of the only kind.
  void set_nodes(int nodes);
  /// Of a GPU: what fits into it fits wherever it comes to lie.
  Bytes smallest_memory() const;

 private:
  static BytesPerSecond Slowed(BytesPerSecond rate, const std::map<int, double>& slow, int place) {
    if (slow.empty()) return rate;
    const auto found = slow.find(place);
    return found == slow.end() ? rate : rate / found->second;
  }
  void BuildFabric();

  std::string name_;
  std::string source_;
  std::vector<NodeKind> kinds_;
  FabricSpec fabric_spec_;
  bool in_switch_reduction_ = false;
  std::shared_ptr<const Fabric> fabric_;
  std::map<int, double> speeds_;        ///< by GPU, of those that are slower than their kind
  std::map<int, double> slow_nvlinks_;  ///< by GPU
  std::map<int, double> slow_nics_;     ///< by NIC over all nodes
};

/// A built-in name (one node); {"name": built-in, "nodes": n, "node": {keys that differ}}; inline with a whole "node"
/// (an object, {"file": …} or the name of a built-in cluster whose node it is), or with "node_kinds" [{"name", "count",
/// "node" or its keys}…]; or {"file": …, "nodes": n}. All but the first may have a "fabric", a "network" {"file": …}
/// whose measured collectives go before the law, "device_speed" [{"gpu", "speed"}…] of GPUs slower than their kind, and
/// "in_switch_reduction": true where full, fat-tree or rail fabrics are of switches that add up all-reduces.
ClusterSpec ReadCluster(const JsonReader& json);
GpuSpec ReadGpu(const JsonReader& json);  ///< a built-in name, inline, or {"file": …}
std::vector<std::string> BuiltInClusterNames();
std::vector<std::string> BuiltInGpuNames();
/// One line on where a built-in's figures come from.
std::string ClusterSource(const std::string& name);
std::string GpuSource(const std::string& name);

Json ToJson(const ClusterSpec& cluster);
Json ToJson(const NodeSpec& node);

}  // namespace dflop
