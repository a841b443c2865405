// What lies between the NICs of nodes: switches and the links among them, by topology.
//
// A fabric says which of its links a message takes and how fast each is; NICs themselves are the nodes'. Links are
// numbered from 0; each is one direction. Routes are static, as InfiniBand's and most Ethernets' are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"

namespace dflop {

/// What a node has to offer to the fabric.
struct NodePorts {
  int nics = 1;
  BytesPerSecond nic_rate{0};  ///< of each, as far as software drives it
  int first_nic = 0;           ///< counted over all nodes
};

class Fabric {
 public:
  virtual ~Fabric() = default;

  /// A NIC of a node.
  struct End {
    int node = 0;
    int nic = 0;  ///< of its node
  };
  struct Link {
    std::int64_t id = 0;
    BytesPerSecond rate{0};
  };
  /// Appends the links between two NICs of different nodes, in order; none where no link can be narrower than they.
  virtual void AddRoute(End from, End to, std::vector<Link>& route) const = 0;
  /// Of a message between nodes whose NICs alone would take `nics`.
  virtual Seconds Latency(int from_node, int to_node, Seconds nics) const = 0;
  virtual std::int64_t links() const = 0;
  /// "leaf 3, up 2": where a link is, for people.
  virtual std::string NameOf(std::int64_t link) const = 0;
};

/// Every NIC reaches every other at full rate.
struct FullFabric {};

/// Leaves of `nodes_per_leaf` nodes below further levels of switches. A level's up links carry the rate of all NICs
/// below it, divided by the oversubscription of this level and those below; they are as many as NICs of that rate, at
/// least one. A message goes up as far as it must; which up and down link it takes follows from its destination
/// (D-mod-k: Zahavi, "D-Mod-K routing providing non-blocking traffic for shift permutations on real life fat trees",
/// 2010).
struct FatTree {
  int nodes_per_leaf = 1;
  std::vector<double> oversubscription{1.0};  ///< [level], leaves first; the last one leads to what joins all
  std::vector<int> switches_per_group{};      ///< [level]: switches of a level below one group of the next
  Seconds switch_latency{0};                  ///< of every level that a message climbs, beyond the NICs' latency
};

/// A leaf for every NIC of the nodes of a group (rail): NIC i reaches the NICs i of its group through its leaf, all
/// others through spines above the leaves.
struct RailFabric {
  int nodes_per_leaf = 1;
  double oversubscription = 1;
  Seconds switch_latency{0};
};

/// Groups of routers, all joined pairwise inside a group by one local link and groups pairwise by one global link; the
/// shortest way (Kim et al., "Technology-driven, highly-scalable dragonfly topology", ISCA 2008).
struct Dragonfly {
  int nodes_per_router = 1;
  int routers_per_group = 1;
  BytesPerSecond local_rate{0};
  BytesPerSecond global_rate{0};
  Seconds switch_latency{0};  ///< of every local and global link
};

/// Nodes on a grid whose ends meet; dimension after dimension, the shorter way round.
struct Torus {
  std::vector<int> dims;
  BytesPerSecond link_rate{0};  ///< between neighbours
  Seconds switch_latency{0};    ///< of every hop beyond the first
};

/// Rate and latency of every pair of nodes, as measured, for nodes far from each other. Pairs do not share links.
struct LinkTable {
  std::vector<std::vector<BytesPerSecond>> rates;  ///< [from][to]
  std::vector<std::vector<Seconds>> latencies;     ///< [from][to], whole; empty: those of the NICs
};

using FabricSpec = std::variant<FullFabric, FatTree, RailFabric, Dragonfly, Torus, LinkTable>;

/// Null for a full one.
std::shared_ptr<const Fabric> MakeFabric(const FabricSpec& spec, const std::vector<NodePorts>& nodes);
std::shared_ptr<const Fabric> MakeFabric(const FullFabric& spec, const std::vector<NodePorts>& nodes);
std::shared_ptr<const Fabric> MakeFabric(const FatTree& spec, const std::vector<NodePorts>& nodes);
std::shared_ptr<const Fabric> MakeFabric(const RailFabric& spec, const std::vector<NodePorts>& nodes);
std::shared_ptr<const Fabric> MakeFabric(const Dragonfly& spec, const std::vector<NodePorts>& nodes);
std::shared_ptr<const Fabric> MakeFabric(const Torus& spec, const std::vector<NodePorts>& nodes);
std::shared_ptr<const Fabric> MakeFabric(const LinkTable& spec, const std::vector<NodePorts>& nodes);

/// A name or {"name": …, parameters}, for a cluster of so many nodes: InputError where they do not fit it.
FabricSpec ReadFabric(const JsonReader& json, int nodes);
Json ToJson(const FabricSpec& fabric);

}  // namespace dflop
