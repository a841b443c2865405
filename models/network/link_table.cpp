// Nodes far apart: one link for every ordered pair, as fast as it was measured.
#include "models/network/fabric.hpp"

namespace dflop {
namespace {

class TableFabric final : public Fabric {
 public:
  explicit TableFabric(const LinkTable& table) : table_(table), nodes_(static_cast<std::int64_t>(table.rates.size())) {}

  void AddRoute(End from, End to, std::vector<Link>& route) const override {
    route.push_back({from.node * nodes_ + to.node, At(table_.rates, from.node, to.node)});
  }
  Seconds Latency(int from, int to, Seconds nics) const override {
    return table_.latencies.empty() ? nics : At(table_.latencies, from, to);
  }
  std::int64_t links() const override { return nodes_ * nodes_; }
  std::string NameOf(std::int64_t link) const override {
    return "node " + std::to_string(link / nodes_) + " to node " + std::to_string(link % nodes_);
  }

 private:
  template <typename T>
  static const T& At(const std::vector<std::vector<T>>& table, int from, int to) {
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
  }

  LinkTable table_;
  std::int64_t nodes_;
};

}  // namespace

std::shared_ptr<const Fabric> MakeFabric(const LinkTable& spec, const std::vector<NodePorts>& /*nodes*/) {
  return std::make_shared<TableFabric>(spec);
}

}  // namespace dflop
