// Minimal routes on a dragonfly: to the router that holds the global link, over it, and to the destination's router.
#include "models/network/fabric.hpp"

namespace dflop {
namespace {

class DragonflyFabric final : public Fabric {
 public:
  DragonflyFabric(const Dragonfly& spec, const std::vector<NodePorts>& nodes) : spec_(spec) {
    const int per_group = spec.nodes_per_router * spec.routers_per_group;
    groups_ = (static_cast<int>(nodes.size()) + per_group - 1) / per_group;
  }

  void AddRoute(End from, End to, std::vector<Link>& route) const override {
    const int source = GroupOf(from.node);
    const int target = GroupOf(to.node);
    if (source == target) return AddLocal(source, RouterOf(from.node), RouterOf(to.node), route);
    AddLocal(source, RouterOf(from.node), GatewayTo(target), route);
    route.push_back({local_links() + std::int64_t{source} * groups_ + target, spec_.global_rate});
    AddLocal(target, GatewayTo(source), RouterOf(to.node), route);
  }
  Seconds Latency(int from, int to, Seconds nics) const override {
    std::vector<Link> route;
    AddRoute({from, 0}, {to, 0}, route);
    return nics + static_cast<double>(route.size()) * spec_.switch_latency;
  }
  std::int64_t links() const override { return local_links() + std::int64_t{groups_} * groups_; }
  std::string NameOf(std::int64_t link) const override {
    const std::int64_t routers = spec_.routers_per_group;
    if (link >= local_links()) {
      const std::int64_t pair = link - local_links();
      return "group " + std::to_string(pair / groups_) + " to group " + std::to_string(pair % groups_);
    }
    return "group " + std::to_string(link / (routers * routers)) + ", router " +
           std::to_string(link / routers % routers) + " to " + std::to_string(link % routers);
  }

 private:
  int GroupOf(int node) const { return node / (spec_.nodes_per_router * spec_.routers_per_group); }
  int RouterOf(int node) const { return node / spec_.nodes_per_router % spec_.routers_per_group; }
  int GatewayTo(int group) const { return group % spec_.routers_per_group; }
  std::int64_t local_links() const { return std::int64_t{groups_} * spec_.routers_per_group * spec_.routers_per_group; }
  void AddLocal(int group, int from, int to, std::vector<Link>& route) const {
    if (from == to) return;
    const std::int64_t routers = spec_.routers_per_group;
    route.push_back({(group * routers + from) * routers + to, spec_.local_rate});
  }

  Dragonfly spec_;
  int groups_ = 1;
};

}  // namespace

std::shared_ptr<const Fabric> MakeFabric(const Dragonfly& spec, const std::vector<NodePorts>& nodes) {
  return std::make_shared<DragonflyFabric>(spec, nodes);
}

}  // namespace dflop
