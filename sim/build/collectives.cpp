// Messages and collectives as flows over NVLinks and NICs.
#include "sim/build/collectives.hpp"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"

namespace dflop {
namespace {

/// One direction of one port: what a flow occupies at either end.
struct Port {
  std::int64_t id = 0;
  BytesPerSecond rate{0};
  double seconds = 0;  ///< that the bytes need at this rate
};

/// Numbers every port: NVLink out and in of each GPU first, then out and in of each NIC.
std::int64_t NvLinkPort(int gpu, int direction) { return 2 * std::int64_t{gpu} + direction; }
std::int64_t NicPort(const ClusterSpec& cluster, int gpu, int direction) {
  return 2 * (std::int64_t{cluster.gpus()} + cluster.nic_number(gpu)) + direction;
}

void AddPorts(const ClusterSpec& cluster, const Flow& flow, std::vector<Port>& ports) {
  if (flow.source_gpu == flow.target_gpu) return;  // stays in the GPU's own memory
  if (cluster.same_node(flow.source_gpu, flow.target_gpu)) {
    const BytesPerSecond rate = cluster.intra_rate(flow.source_gpu);
    const double seconds = (flow.bytes / rate).value();
    ports.push_back({NvLinkPort(flow.source_gpu, 0), rate, seconds});
    ports.push_back({NvLinkPort(flow.target_gpu, 1), rate, seconds});
  } else {
    const auto add = [&](int gpu, int direction) {
      const BytesPerSecond rate = cluster.nic_rate(gpu);
      ports.push_back({NicPort(cluster, gpu, direction), rate, (flow.bytes / rate).value()});
    };
    add(flow.source_gpu, 0);
    add(flow.target_gpu, 1);
  }
}

// From here on a table of all ports is faster than sorting those in use.
constexpr std::size_t kManyPorts = 512;

/// Both add up a port's seconds in the order of the flows, so they agree to the last bit.
double BusiestBySorting(std::vector<Port>& ports) {
  std::stable_sort(ports.begin(), ports.end(), [](const Port& a, const Port& b) { return a.id < b.id; });
  double busiest = 0;
  double sum = 0;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    sum = i > 0 && ports[i].id == ports[i - 1].id ? sum + ports[i].seconds : ports[i].seconds;
    busiest = std::max(busiest, sum);
  }
  return busiest;
}
double BusiestByTable(const ClusterSpec& cluster, const std::vector<Port>& ports) {
  std::vector<double> sums(static_cast<std::size_t>(2 * (std::int64_t{cluster.gpus()} + cluster.nics())));
  double busiest = 0;
  for (const Port& port : ports) busiest = std::max(busiest, sums[static_cast<std::size_t>(port.id)] += port.seconds);
  return busiest;
}

/// The latency of the slowest hop among the flows; one between nodes counts as slower than any inside a node.
Seconds HopLatency(const ClusterSpec& cluster, const std::vector<Flow>& flows) {
  bool leaves_node = false;
  Seconds slowest{0};
  for (const Flow& flow : flows) {
    const bool inside = cluster.same_node(flow.source_gpu, flow.target_gpu);
    if (inside && leaves_node) continue;
    const Seconds hop = cluster.latency(flow.source_gpu, flow.target_gpu);
    slowest = inside || leaves_node ? std::max(slowest, hop) : hop;
    leaves_node = !inside;
  }
  return slowest;
}

/// Joins flows between the same two GPUs, so that an engine has fewer to share links among.
void Merge(std::vector<Flow>& flows) {
  const auto key = [](const Flow& flow) { return std::pair(flow.source_gpu, flow.target_gpu); };
  std::stable_sort(flows.begin(), flows.end(), [&](const Flow& a, const Flow& b) { return key(a) < key(b); });
  std::size_t kept = 0;
  for (const Flow& flow : flows) {
    if (kept > 0 && key(flows[kept - 1]) == key(flow)) {
      flows[kept - 1].bytes += flow.bytes;
    } else {
      flows[kept++] = flow;
    }
  }
  flows.resize(kept);
}

/// The groups by node, nodes in order of first appearance.
std::vector<std::vector<int>> ByNode(const ClusterSpec& cluster, std::span<const int> group_gpus) {
  std::vector<std::vector<int>> nodes;
  std::unordered_map<int, std::size_t> place;  // by node
  for (const int gpu : group_gpus) {
    const auto [entry, is_new] = place.try_emplace(cluster.node_of(gpu), nodes.size());
    if (is_new) nodes.emplace_back();
    nodes[entry->second].push_back(gpu);
  }
  return nodes;
}

/// The `rotation`-th ring: every node's members in turn, beginning with a different one, so that each ring enters and
/// leaves a node through other NICs.
std::vector<int> RotatedRing(const std::vector<std::vector<int>>& nodes, std::size_t rotation) {
  std::vector<int> ring;
  for (const std::vector<int>& node : nodes) {
    for (std::size_t i = 0; i < node.size(); ++i) ring.push_back(node[(i + rotation) % node.size()]);
  }
  return ring;
}

}  // namespace

Seconds UncontendedTime(const ClusterSpec& cluster, const Communication& communication) {
  std::vector<Port> ports;
  ports.reserve(2 * communication.flows.size());
  for (const Flow& flow : communication.flows) AddPorts(cluster, flow, ports);
  const double busiest = ports.size() < kManyPorts ? BusiestBySorting(ports) : BusiestByTable(cluster, ports);
  return communication.latency + Seconds(busiest);
}

BusiestPort::BusiestPort(const ClusterSpec& cluster, const std::vector<Flow>& flows) {
  std::vector<Port> ports;
  ports.reserve(2 * flows.size());
  for (const Flow& flow : flows) AddPorts(cluster, flow, ports);
  std::stable_sort(ports.begin(), ports.end(), [](const Port& a, const Port& b) { return a.id < b.id; });
  for (std::size_t i = 0; i < ports.size();) {
    std::size_t end = i;
    while (end < ports.size() && ports[end].id == ports[i].id) ++end;
    const std::pair load(static_cast<int>(end - i), ports[i].rate);
    if (std::find(loads_.begin(), loads_.end(), load) == loads_.end()) loads_.push_back(load);
    i = end;
  }
}

Seconds BusiestPort::Time(Bytes bytes_per_flow) const {
  Seconds busiest{0};
  for (const auto& [flows, rate] : loads_) {
    const Seconds one = bytes_per_flow / rate;
    Seconds all = one;
    for (int i = 1; i < flows; ++i) all += one;
    busiest = std::max(busiest, all);
  }
  return busiest;
}

Communication GroupTransfer(const ClusterSpec& cluster, int source_gpu, int source_size, int target_gpu,
                            int target_size, Bytes bytes) {
  DFLOP_CHECK(source_size > 0 && target_size > 0, "both groups have ranks");
  const int lanes = std::max(source_size, target_size);
  Communication communication;
  for (int lane = 0; lane < lanes; ++lane) {
    const Flow flow{source_gpu + lane % source_size, target_gpu + lane % target_size, bytes / lanes};
    if (flow.source_gpu != flow.target_gpu) communication.flows.push_back(flow);
  }
  if (!communication.flows.empty()) communication.latency = HopLatency(cluster, communication.flows);
  return communication;
}

Communication RingAllReduce(const ClusterSpec& cluster, std::span<const int> group_gpus, int group_size, Bytes bytes,
                            bool reduce_scatter_only) {
  Communication communication;
  const std::size_t replicas = group_gpus.size();
  if (replicas < 2) return communication;
  const std::vector<std::vector<int>> nodes = ByNode(cluster, group_gpus);
  std::size_t rings = 1;
  for (const std::vector<int>& node : nodes) rings = std::max(rings, node.size());
  const double rounds = (reduce_scatter_only ? 1.0 : 2.0) * static_cast<double>(replicas - 1);
  const Bytes per_hop = bytes * (rounds / static_cast<double>(replicas)) / static_cast<double>(rings);
  for (std::size_t rotation = 0; rotation < rings; ++rotation) {
    const std::vector<int> ring = RotatedRing(nodes, rotation);
    for (std::size_t i = 0; i < replicas; ++i) {
      for (int rank = 0; rank < group_size; ++rank) {
        communication.flows.push_back({ring[i] + rank, ring[(i + 1) % replicas] + rank, per_hop});
      }
    }
  }
  Merge(communication.flows);
  communication.latency = rounds * HopLatency(cluster, communication.flows);
  return communication;
}

}  // namespace dflop
