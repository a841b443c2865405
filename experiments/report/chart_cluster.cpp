// One node of every kind with its GPUs, NVLink domain and NICs, and the fabric above: what a cluster is, at a glance.
#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kFabricTop = 8;
constexpr double kFabricHeight = 40;
constexpr double kNodeTop = 78;
constexpr double kNodeHeight = 126;
constexpr double kGap = 24;
constexpr int kDrawnGpus = 16;  ///< of a node; more are said in words

std::string RateText(BytesPerSecond rate) { return Format("%.3g GB/s", rate.value() / 1e9); }

struct FabricWords {
  std::string operator()(const FullFabric&) const { return "full fabric: every NIC at its rate"; }
  std::string operator()(const FatTree& tree) const {
    std::string text = "fat tree, " + std::to_string(tree.nodes_per_leaf) + " nodes a leaf";
    for (const double narrowed : tree.oversubscription) text += ", " + ShortestNumber(narrowed) + ":1";
    return text;
  }
  std::string operator()(const RailFabric& rails) const {
    return "rails of " + std::to_string(rails.nodes_per_leaf) + " nodes, " + ShortestNumber(rails.oversubscription) +
           ":1 between them";
  }
  std::string operator()(const Dragonfly& dragonfly) const {
    return "dragonfly, " + std::to_string(dragonfly.routers_per_group) + " routers a group, local links of " +
           RateText(dragonfly.local_rate) + ", global links of " + RateText(dragonfly.global_rate);
  }
  std::string operator()(const Torus& torus) const {
    std::string text = "torus";
    for (const int size : torus.dims) text += (&size == torus.dims.data() ? " " : " × ") + std::to_string(size);
    return text + ", links of " + RateText(torus.link_rate);
  }
  std::string operator()(const LinkTable&) const { return "links between nodes as measured, pair by pair"; }
};

std::string DomainText(const NodeSpec& node) {
  const std::string rate = "NVLink " + RateText(node.intra_bandwidth);
  if (node.domain() == node.gpus) return rate;
  return rate + ", domains of " + std::to_string(node.domain());
}

void DrawNode(Svg& svg, const NodeKind& kind, double left, double width) {
  const NodeSpec& node = kind.node;
  svg.Rect(left, kNodeTop, width, kNodeHeight, "step");
  const int drawn = std::min(node.gpus, kDrawnGpus);
  const double slot = (width - 16) / drawn;
  const double size = std::min(slot * 0.7, 26.0);
  const double gpu_top = kNodeTop + 44;
  for (int gpu = 0; gpu < drawn; ++gpu) {
    const double x = left + 8 + slot * gpu + (slot - size) / 2;
    svg.Rect(x, gpu_top, size, size, "llm forward", node.gpu.name);
    const int nic = gpu % std::max(1, node.nics);
    const double port = left + 8 + slot * nic + slot / 2;
    svg.Line(x + size / 2, gpu_top, port, kNodeTop + 8, "axis");
  }
  for (int nic = 0; nic < std::min(node.nics, drawn); ++nic) {
    const double x = left + 8 + slot * nic + slot / 2;
    svg.Rect(x - 4, kNodeTop, 8, 8, "transfer", "NIC of " + RateText(node.nic_bandwidth));
    svg.Line(x, kNodeTop, x, kFabricTop + kFabricHeight, "axis");
  }
  svg.Line(left + 8, gpu_top + size + 6, left + width - 8, gpu_top + size + 6, "line series0");
  svg.FittedText(left + 8, gpu_top + size + 22, width - 16, DomainText(node), "small");
  const std::string nics =
      std::to_string(node.nics) + (node.nics == 1 ? " NIC of " : " NICs of ") + RateText(node.nic_bandwidth);
  svg.FittedText(left + 8, gpu_top + size + 37, width - 16, nics, "small");
  const std::string name = kind.name.empty() ? "" : kind.name + ": ";
  svg.FittedText(left, kNodeTop + kNodeHeight + 16, width,
                 name + std::to_string(kind.count) + (kind.count == 1 ? " node of " : " nodes of ") +
                     std::to_string(node.gpus) + " × " + node.gpu.name,
                 "strong");
}

}  // namespace

Svg ClusterChart(const ClusterSpec& cluster) {
  Svg svg(kWidth, "The cluster " + cluster.name());
  svg.Rect(0, kFabricTop, kWidth, kFabricHeight, "step");
  svg.FittedText(12, kFabricTop + 25, kWidth - 24, std::visit(FabricWords{}, cluster.fabric_spec()), "strong");
  const int shown = std::min(cluster.kinds(), 4);
  const double width = std::min(420.0, (kWidth - kGap * (shown - 1)) / shown);
  for (int kind = 0; kind < shown; ++kind) DrawNode(svg, cluster.kind(KindId{kind}), kind * (width + kGap), width);
  svg.set_height(kNodeTop + kNodeHeight + 26);
  return svg;
}

}  // namespace dflop
