// Rail-optimised leaves: the n-th NICs of a group of nodes share one, so that equal ranks never leave it.
#include <algorithm>

#include "models/network/fabric.hpp"
#include "models/network/up_links.hpp"

namespace dflop {
namespace {

class Rails final : public Fabric {
 public:
  Rails(const RailFabric& spec, const std::vector<NodePorts>& nodes)
      : nodes_per_leaf_(spec.nodes_per_leaf),
        rails_(RailsOf(nodes)),
        latency_(spec.switch_latency),
        links_(Below(nodes), spec.oversubscription, 0) {}

  void AddRoute(End from, End to, std::vector<Link>& route) const override {
    if (LeafOf(from) == LeafOf(to)) return;
    route.push_back(links_.Up(LeafOf(from), to.node));
    route.push_back(links_.Down(LeafOf(to), to.node));
  }
  /// Of the way over a spine, where the two nodes share no leaf.
  Seconds Latency(int from, int to, Seconds nics) const override {
    return from / nodes_per_leaf_ == to / nodes_per_leaf_ ? nics : nics + latency_;
  }
  std::int64_t links() const override { return links_.end_id(); }
  std::string NameOf(std::int64_t link) const override { return "rail leaf " + links_.NameOf(link); }

 private:
  static int RailsOf(const std::vector<NodePorts>& nodes) {
    int rails = 1;
    for (const NodePorts& node : nodes) rails = std::max(rails, node.nics);
    return rails;
  }
  std::int64_t LeafOf(End end) const { return std::int64_t{end.node / nodes_per_leaf_} * rails_ + end.nic; }

  std::vector<UpLinks::Below> Below(const std::vector<NodePorts>& nodes) const {
    std::vector<UpLinks::Below> leaves;
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      for (int nic = 0; nic < nodes[n].nics; ++nic) {
        const auto leaf = static_cast<std::size_t>(LeafOf({static_cast<int>(n), nic}));
        if (leaves.size() <= leaf) leaves.resize(leaf + 1);
        leaves[leaf].ports += 1;
        leaves[leaf].rate += nodes[n].nic_rate.value();
      }
    }
    return leaves;
  }

  int nodes_per_leaf_;
  int rails_;
  Seconds latency_;
  UpLinks links_;
};

}  // namespace

std::shared_ptr<const Fabric> MakeFabric(const RailFabric& spec, const std::vector<NodePorts>& nodes) {
  return std::make_shared<Rails>(spec, nodes);
}

}  // namespace dflop
