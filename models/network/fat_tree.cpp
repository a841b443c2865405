// A fat tree of any number of levels; only switches that a level's bundles belong to are kept, not the spines, which
// never are a bottleneck of their own.
#include <utility>

#include "models/network/fabric.hpp"
#include "models/network/up_links.hpp"

namespace dflop {
namespace {

class FatTreeFabric final : public Fabric {
 public:
  FatTreeFabric(const FatTree& tree, const std::vector<NodePorts>& nodes) : latency_(tree.switch_latency) {
    first_nic_.reserve(nodes.size());
    for (const NodePorts& node : nodes) first_nic_.push_back(node.first_nic);
    int span = tree.nodes_per_leaf;
    double narrowed = 1;
    for (std::size_t level = 0; level < tree.oversubscription.size(); ++level) {
      if (level > 0) span *= tree.switches_per_group[level - 1];
      narrowed *= tree.oversubscription[level];
      levels_.push_back({span, UpLinks(Below(nodes, span), narrowed, links())});
    }
  }

  void AddRoute(End from, End to, std::vector<Link>& route) const override {
    const std::int64_t destination = first_nic_[static_cast<std::size_t>(to.node)] + to.nic;
    const std::size_t top = Climb(from.node, to.node);
    for (std::size_t l = 0; l < top; ++l)
      route.push_back(levels_[l].links.Up(levels_[l].SwitchOf(from.node), destination));
    for (std::size_t l = top; l-- > 0;)
      route.push_back(levels_[l].links.Down(levels_[l].SwitchOf(to.node), destination));
  }
  Seconds Latency(int from, int to, Seconds nics) const override {
    return nics + static_cast<double>(Climb(from, to)) * latency_;
  }
  std::int64_t links() const override { return levels_.empty() ? 0 : levels_.back().links.end_id(); }
  std::string NameOf(std::int64_t link) const override {
    std::size_t level = 0;
    while (!levels_[level].links.Holds(link)) ++level;
    return (level == 0 ? "leaf " : "level " + std::to_string(level) + " switch ") + levels_[level].links.NameOf(link);
  }

 private:
  struct Level {
    int span;  ///< nodes below a switch
    UpLinks links;
    int SwitchOf(int node) const { return node / span; }
  };

  static std::vector<UpLinks::Below> Below(const std::vector<NodePorts>& nodes, int span) {
    const auto width = static_cast<std::size_t>(span);
    std::vector<UpLinks::Below> switches((nodes.size() + width - 1) / width);
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      switches[n / width].ports += nodes[n].nics;
      switches[n / width].rate += nodes[n].nics * nodes[n].nic_rate.value();
    }
    return switches;
  }

  /// How many levels up two nodes meet.
  std::size_t Climb(int a, int b) const {
    std::size_t level = 0;
    while (level < levels_.size() && levels_[level].SwitchOf(a) != levels_[level].SwitchOf(b)) ++level;
    return level;
  }

  Seconds latency_;
  std::vector<int> first_nic_;  ///< [node]
  std::vector<Level> levels_;
};

}  // namespace

std::shared_ptr<const Fabric> MakeFabric(const FatTree& spec, const std::vector<NodePorts>& nodes) {
  return std::make_shared<FatTreeFabric>(spec, nodes);
}

}  // namespace dflop
