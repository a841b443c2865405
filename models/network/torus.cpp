// Dimension-ordered routes on a torus; node n stands at the digits of n, the last dimension counting fastest.
#include "models/network/fabric.hpp"

namespace dflop {
namespace {

class TorusFabric final : public Fabric {
 public:
  TorusFabric(const Torus& spec, const std::vector<NodePorts>& nodes)
      : spec_(spec), nodes_(static_cast<std::int64_t>(nodes.size())) {}

  void AddRoute(End from, End to, std::vector<Link>& route) const override {
    std::int64_t node = from.node;
    std::int64_t stride = 1;
    for (std::size_t d = spec_.dims.size(); d-- > 0;) {
      const std::int64_t size = spec_.dims[d];
      std::int64_t ahead = (to.node / stride % size - node / stride % size + size) % size;
      const bool forward = 2 * ahead <= size;
      if (!forward) ahead = size - ahead;
      for (; ahead > 0; --ahead) {
        route.push_back(
            {(node * Dimensions() + static_cast<std::int64_t>(d)) * 2 + (forward ? 0 : 1), spec_.link_rate});
        const std::int64_t place = node / stride % size;
        node += ((place + (forward ? 1 : size - 1)) % size - place) * stride;
      }
      stride *= size;
    }
  }
  Seconds Latency(int from, int to, Seconds nics) const override {
    std::vector<Link> route;
    AddRoute({from, 0}, {to, 0}, route);
    return nics + (static_cast<double>(route.size()) - 1) * spec_.switch_latency;
  }
  std::int64_t links() const override { return nodes_ * Dimensions() * 2; }
  std::string NameOf(std::int64_t link) const override {
    return "node " + std::to_string(link / 2 / Dimensions()) + ", dimension " +
           std::to_string(link / 2 % Dimensions()) + (link % 2 == 0 ? " forward" : " back");
  }

 private:
  std::int64_t Dimensions() const { return static_cast<std::int64_t>(spec_.dims.size()); }

  Torus spec_;
  std::int64_t nodes_;
};

}  // namespace

std::shared_ptr<const Fabric> MakeFabric(const Torus& spec, const std::vector<NodePorts>& nodes) {
  return std::make_shared<TorusFabric>(spec, nodes);
}

}  // namespace dflop
