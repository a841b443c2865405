// Messages and collectives as flows over the links of the cluster.
#include "sim/build/collectives.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "models/network/route.hpp"

namespace dflop {
namespace {

/// One direction of one link: what a flow occupies.
struct Port {
  std::int64_t id = 0;
  BytesPerSecond rate{0};
  double seconds = 0;  ///< that the bytes need at this rate
};

void AddPorts(const ClusterSpec& cluster, const Flow& flow, std::vector<Port>& ports) {
  ForEachLink(cluster, flow.source_gpu, flow.target_gpu, [&](const RouteLink& link) {
    ports.push_back({link.id, link.rate, (flow.bytes / link.rate).value()});
  });
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
  const std::int64_t fabric_links = cluster.fabric() == nullptr ? 0 : cluster.fabric()->links();
  std::vector<double> sums(static_cast<std::size_t>(LinkNumbers(cluster).first_of_fabric() + fabric_links));
  double busiest = 0;
  for (const Port& port : ports) busiest = std::max(busiest, sums[static_cast<std::size_t>(port.id)] += port.seconds);
  return busiest;
}

double Busiest(const ClusterSpec& cluster, std::vector<Port>& ports) {
  return ports.size() < kManyPorts ? BusiestBySorting(ports) : BusiestByTable(cluster, ports);
}

/// The latency of the slowest hop among the flows; one between nodes counts as slower than any inside a node.
Seconds HopLatency(const ClusterSpec& cluster, const std::vector<Flow>& flows) {
  bool leaves_node = false;
  Seconds slowest{0};
  for (const Flow& flow : flows) {
    const ClusterSpec::Seat source = cluster.SeatOf(flow.source_gpu);
    const ClusterSpec::Seat target = cluster.SeatOf(flow.target_gpu);
    const bool inside = source.domain == target.domain || source.node == target.node;
    if (inside && leaves_node) continue;
    const Seconds hop = cluster.latency(source, target);
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

/// The groups by NVLink domain, domains in order of first appearance.
std::vector<std::vector<int>> ByDomain(const ClusterSpec& cluster, std::span<const int> group_gpus) {
  std::vector<std::vector<int>> domains;
  std::unordered_map<int, std::size_t> place;  // by domain
  for (const int gpu : group_gpus) {
    const auto [entry, is_new] = place.try_emplace(cluster.domain_of(gpu), domains.size());
    if (is_new) domains.emplace_back();
    domains[entry->second].push_back(gpu);
  }
  return domains;
}

/// The `rotation`-th ring: every domain's members in turn, beginning with a different one, so that each ring enters and
/// leaves a domain through other NICs.
std::vector<int> RotatedRing(const std::vector<std::vector<int>>& domains, std::size_t rotation) {
  std::vector<int> ring;
  for (const std::vector<int>& domain : domains) {
    for (std::size_t i = 0; i < domain.size(); ++i) ring.push_back(domain[(i + rotation) % domain.size()]);
  }
  return ring;
}

using Domains = std::vector<std::vector<int>>;

void AddRings(CollectiveOp op, const Domains& domains, int group_size, Bytes bytes, std::vector<Flow>& flows) {
  std::size_t rings = 1;
  std::size_t ranks = 0;
  for (const std::vector<int>& domain : domains) {
    rings = std::max(rings, domain.size());
    ranks += domain.size();
  }
  const Bytes per_hop = bytes * SentShare(op, static_cast<int>(ranks)) / static_cast<double>(rings);
  const std::size_t hops = op == CollectiveOp::kBroadcast ? ranks - 1 : ranks;
  for (std::size_t rotation = 0; rotation < rings; ++rotation) {
    const std::vector<int> ring = RotatedRing(domains, rotation);
    for (std::size_t i = 0; i < hops; ++i) {
      for (int rank = 0; rank < group_size; ++rank) {
        flows.push_back({ring[i] + rank, ring[(i + 1) % ranks] + rank, per_hop});
      }
    }
  }
}

std::vector<Flow> FlowsOf(CollectiveOp op, const Domains& domains, std::span<const int> group_gpus, int group_size,
                          Bytes bytes) {
  std::vector<Flow> flows;
  if (op != CollectiveOp::kAllToAll && op != CollectiveOp::kSend) {
    AddRings(op, domains, group_size, bytes, flows);
    return flows;
  }
  const bool all = op == CollectiveOp::kAllToAll;
  const Bytes each = all ? bytes / static_cast<double>(group_gpus.size()) : bytes;
  for (std::size_t i = 0; i < (all ? group_gpus.size() : 1); ++i) {
    for (std::size_t j = 0; j < (all ? group_gpus.size() : 2); ++j) {
      for (int rank = 0; i != j && rank < group_size; ++rank) {
        flows.push_back({group_gpus[i] + rank, group_gpus[j] + rank, each});
      }
    }
  }
  return flows;
}

/// Without ranks and bytes.
RingWork WorkOf(const ClusterSpec& cluster, CollectiveOp op, const Domains& domains, const std::vector<Flow>& flows) {
  RingWork work;
  work.op = op;
  work.domains = static_cast<int>(domains.size());
  std::vector<Port> inside;
  std::vector<Port> between;
  for (const Flow& flow : flows) {
    const bool nvlink = cluster.same_domain(flow.source_gpu, flow.target_gpu);
    AddPorts(cluster, flow, nvlink ? inside : between);
    if (nvlink || cluster.same_node(flow.source_gpu, flow.target_gpu)) continue;
    work.nic_hop = std::max(work.nic_hop, cluster.nic_hop(flow.source_gpu, flow.target_gpu));
    work.in_switch = cluster.in_switch_reduction();
  }
  work.nvlink = Seconds(Busiest(cluster, inside));
  work.nic = Seconds(Busiest(cluster, between));
  return work;
}

/// `healthy`: the work where no link is slow, which is what was measured where something was. Slow ones lengthen that
/// as they lengthen what the law says.
CollectivePrice SlowestPrice(const ClusterSpec& cluster, std::span<const int> group_gpus, RingWork work,
                             RingWork healthy, int per_domain) {
  CollectivePrice slowest;
  std::set<KindId> kinds = {cluster.kind_of(group_gpus.front())};
  for (const int gpu : group_gpus) {
    if (cluster.kinds() > 1) kinds.insert(cluster.kind_of(gpu));
  }
  for (const KindId kind : kinds) {
    const NodeSpec& node = cluster.node_of_kind(kind);
    for (RingWork* one : {&work, &healthy}) {
      one->nvlink_nominal = node.intra_bandwidth;
      one->nvlink_hop = node.intra_latency;
      one->nic_ramp = node.nic_ramp;
      // GPUs of one node that only PCIe joins.
      if (one->domains > 1 && one->nic_hop <= Seconds(0)) {
        one->nic_hop = node.intra_latency;
        one->nic_ramp = {};
      }
    }
    CollectivePrice price = PriceCollective(node.law, work);
    if (node.measured) {
      const auto time = node.measured->Time(work.op, work.ranks, per_domain, work.bytes);
      if (time) {
        const double longer = cluster.has_slow_links() ? price.time / PriceCollective(node.law, healthy).time : 1;
        price = {.time = *time * longer, .algorithm = "measured"};
      }
    }
    if (price.time > slowest.time) slowest = price;
  }
  return slowest;
}

}  // namespace

Seconds UncontendedTime(const ClusterSpec& cluster, const Communication& communication) {
  std::vector<Port> ports;
  ports.reserve(2 * communication.flows.size());
  for (const Flow& flow : communication.flows) AddPorts(cluster, flow, ports);
  return communication.latency + Seconds(Busiest(cluster, ports));
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

PricedCommunication Collective(const ClusterSpec& cluster, CollectiveOp op, std::span<const int> group_gpus,
                               int group_size, Bytes bytes) {
  if (group_gpus.size() < 2) return {};
  const std::vector<std::vector<int>> domains = ByDomain(cluster, group_gpus);
  Communication communication{FlowsOf(op, domains, group_gpus, group_size, bytes)};
  Merge(communication.flows);
  RingWork work = WorkOf(cluster, op, domains, communication.flows);
  work.ranks = static_cast<int>(group_gpus.size());
  work.bytes = bytes;
  RingWork healthy = work;
  if (cluster.has_slow_links()) {
    const RingWork unslowed = WorkOf(cluster.WithoutSlowLinks(), op, domains, communication.flows);
    healthy.nvlink = unslowed.nvlink;
    healthy.nic = unslowed.nic;
  }
  const CollectivePrice price =
      SlowestPrice(cluster, group_gpus, work, healthy, static_cast<int>(domains.front().size()));
  for (Flow& flow : communication.flows) {
    flow.bytes *= cluster.same_domain(flow.source_gpu, flow.target_gpu) ? price.nvlink_share : price.nic_share;
  }
  const Seconds flowing = UncontendedTime(cluster, communication);
  if (flowing > price.time) {
    for (Flow& flow : communication.flows)
      flow.bytes *= price.time / flowing;  // measured faster than links are said to be
  }
  communication.latency = std::max(Seconds(0), price.time - flowing);
  return {std::move(communication), price.algorithm};
}

}  // namespace dflop
