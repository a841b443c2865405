// The links that a message between two GPUs takes, each one direction of something that carries bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "models/cluster_spec.hpp"

namespace dflop {

enum class LinkClass : std::uint8_t { kNvLink, kPcie, kNic, kFabric };

struct RouteLink {
  std::int64_t id = 0;  ///< over all links of the cluster
  BytesPerSecond rate{0};
  LinkClass of = LinkClass::kNvLink;
};

/// NVLinks of every GPU out and in, then PCIe of every GPU, then every NIC, then the fabric.
class LinkNumbers {
 public:
  explicit LinkNumbers(const ClusterSpec& cluster) : gpus_(cluster.gpus()), nics_(cluster.nics()) {}
  enum Direction { kOut = 0, kIn = 1 };
  std::int64_t NvLink(int gpu, Direction direction) const { return 2 * std::int64_t{gpu} + direction; }
  std::int64_t Pcie(int gpu, Direction direction) const { return 2 * (gpus_ + gpu) + direction; }
  std::int64_t Nic(int nic_number, Direction direction) const { return 2 * (2 * gpus_ + nic_number) + direction; }
  std::int64_t first_of_fabric() const { return 2 * (2 * gpus_ + nics_); }

 private:
  std::int64_t gpus_;
  std::int64_t nics_;
};

/// Calls visit(RouteLink) for every link of the way, in order: NVLink inside a domain, PCIe inside a node, otherwise
/// PCIe where it is limited, NIC, fabric, NIC, PCIe. Nothing for what stays in a GPU.
template <typename Visit>
void ForEachLink(const ClusterSpec& cluster, int source, int target, Visit visit) {
  if (source == target) return;
  const LinkNumbers number(cluster);
  const ClusterSpec::Seat from = cluster.SeatOf(source);
  const ClusterSpec::Seat to = cluster.SeatOf(target);
  if (from.domain == to.domain) {
    visit(RouteLink{number.NvLink(source, LinkNumbers::kOut), cluster.intra_rate(source), LinkClass::kNvLink});
    visit(RouteLink{number.NvLink(target, LinkNumbers::kIn), cluster.intra_rate(target), LinkClass::kNvLink});
    return;
  }
  const auto pcie = [&](int gpu, const ClusterSpec::Seat& seat, LinkNumbers::Direction direction) {
    const BytesPerSecond rate = cluster.node_at(seat).pcie_bandwidth;
    if (rate > BytesPerSecond(0)) visit(RouteLink{number.Pcie(gpu, direction), rate, LinkClass::kPcie});
  };
  pcie(source, from, LinkNumbers::kOut);
  if (from.node != to.node) {
    visit(RouteLink{number.Nic(from.nic_number(), LinkNumbers::kOut), cluster.nic_rate(from), LinkClass::kNic});
    if (cluster.fabric() != nullptr) {
      std::vector<Fabric::Link> links;
      cluster.fabric()->AddRoute({from.node, from.nic}, {to.node, to.nic}, links);
      for (const Fabric::Link& link : links) {
        visit(RouteLink{number.first_of_fabric() + link.id, link.rate, LinkClass::kFabric});
      }
    }
    visit(RouteLink{number.Nic(to.nic_number(), LinkNumbers::kIn), cluster.nic_rate(to), LinkClass::kNic});
  }
  pcie(target, to, LinkNumbers::kIn);
}

}  // namespace dflop
