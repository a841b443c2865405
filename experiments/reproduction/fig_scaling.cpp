// Fig. 12: aggregate throughput over nodes, with a global batch that stays and with one that grows; and ours beyond the
// paper's 32 nodes, where that was run.
#include <algorithm>

#include "base/error.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/gain_plots.hpp"

namespace dflop {
namespace {

/// Points by their number of nodes, rising.
using PointsByNodes = std::map<int, const PointFigures*>;

PointsByNodes ByNodes(const Report& report) {
  PointsByNodes points;
  for (const PointFigures& point : report.points) {
    const Json* nodes = point.cluster.is_null() ? nullptr : point.cluster.find("nodes");
    if (nodes == nullptr) throw InputError(point.title() + ": the result does not say how many nodes there are");
    points[static_cast<int>(nodes->number())] = &point;
  }
  return points;
}

constexpr double kGpusPerNode = 8;

std::vector<std::string> PoliciesOf(const PointsByNodes& points) {
  std::vector<std::string> names;
  for (const PolicyFigures& policy : points.begin()->second->policies) names.push_back(policy.policy);
  return names;
}

Plot ThroughputPlot(const std::string& title, const PointsByNodes& points) {
  Plot plot{.title = title,
            .x = {.label = "nodes of 8 A100", .logarithmic = true},
            .y = {.label = "PFLOP/s of all GPUs", .logarithmic = true},
            .series = {}};
  for (const std::string& policy : PoliciesOf(points)) {
    PlotSeries series{policy, PlotMark::kLine, {}};
    for (const auto& [nodes, point] : points) {
      const PolicyFigures* figures = point->Find(policy);
      if (figures == nullptr || figures->seeds.empty()) continue;
      const double scale = nodes * kGpusPerNode / 1000;
      const Interval rate = TeraflopsOf(*figures);
      PlotPoint dot{.x = static_cast<double>(nodes), .y = rate.mean * scale};
      if (rate.half_width) dot.half_width = *rate.half_width * scale;
      series.points.push_back(std::move(dot));
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot GainPlot(const std::string& title, const PointsByNodes& points) {
  Plot plot{.title = title,
            .x = {.label = "nodes of 8 A100", .logarithmic = true},
            .y = {.label = "DFLOP: times as fast", .least = 1.0},
            .series = {}};
  for (const std::string& yardstick : Yardsticks()) {
    PlotSeries series{"over " + yardstick, PlotMark::kLine, {}};
    for (const auto& [nodes, point] : points) {
      const PolicyFigures* dflop = point->Find("dflop");
      if (dflop == nullptr) continue;
      if (const auto gain = SpeedupOver(point->Find(yardstick), *dflop)) {
        series.points.push_back({.x = static_cast<double>(nodes), .y = gain->mean, .half_width = gain->half_width});
      }
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  return plot;
}

void AddQuantities(const std::string& name, const PointsByNodes& points, Quantities& quantities) {
  const auto gain = [&](int nodes) {
    const auto found = points.find(nodes);
    if (found == points.end())
      throw InputError("Fig. 12 wants 1, 8 and 32 nodes, the result lacks " + std::to_string(nodes));
    return GainOver(*found->second, "random-fixed", "dflop").mean;
  };
  quantities[name + ".gain_8_over_1"] = {gain(8) / gain(1), {}};
  quantities[name + ".gain_8_over_4"] = {gain(8) / gain(4), {}};
  quantities[name + ".gain_32_over_8"] = {gain(32) / gain(8), {}};
}

}  // namespace

ReproducedFigure Scaling(const StoredResults& results) {
  const PointsByNodes fixed = ByNodes(results.Get("fig12-scaling"));
  PointsByNodes growing = ByNodes(results.Get("fig12-scaling-batch"));
  ReproducedFigure figure;
  AddQuantities("fixed", fixed, figure.quantities);
  AddQuantities("growing", growing, figure.quantities);
  if (results.Has("fig12-scaling-large")) {
    growing.merge(ByNodes(results.Get("fig12-scaling-large")));
    figure.notes.emplace_back("Beyond 32 nodes one seed and one step a point; the paper stops at 32, projected.");
  } else {
    figure.notes.emplace_back(
        "Beyond 32 nodes nothing was run for this page: experiments/reproduce.sh without --quick.");
  }
  figure.AddPlots(
      "fig12",
      {ThroughputPlot("Throughput at a global batch of 256", fixed), GainPlot("Gain at a global batch of 256", fixed),
       ThroughputPlot("Throughput at 32 samples a node", growing), GainPlot("Gain at 32 samples a node", growing)});
  return figure;
}

}  // namespace dflop
