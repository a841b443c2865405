// Fig. 2: what tensor parallelism costs a GPU, over the sizes that the profiler looks at.
#include "base/error.hpp"
#include "experiments/reproduction/figures.hpp"

namespace dflop {
namespace {

/// [rank of the profile][size]: throughput per GPU over that of the smallest degree.
using Degradation = std::vector<std::vector<double>>;

Degradation DegradationOf(const ModuleProfile& module) {
  Degradation relative;
  for (const RankProfile& rank : module.ranks) {
    std::vector<double>& values = relative.emplace_back();
    for (const ThroughputCurve::Point& point : rank.linear.points()) {
      values.push_back(point.rate / module.ranks.front().linear.At(point.size));
    }
  }
  return relative;
}

Plot PlotOf(const ModuleProfile& module, const Degradation& relative) {
  Plot plot{.title = module.name + (module.is_llm ? ", linear layers" : "") + ": throughput per GPU over that of TP 1",
            .x = {.label = module.is_llm ? "tokens of a sequence" : "tiles of a batch", .logarithmic = true},
            .y = {.label = "throughput over TP 1", .least = 0.0},
            .series = {}};
  for (std::size_t i = 0; i < module.ranks.size(); ++i) {
    PlotSeries series{"TP " + std::to_string(module.ranks[i].tp), PlotMark::kLine, {}};
    for (std::size_t p = 0; p < relative[i].size(); ++p) {
      series.points.push_back({.x = module.ranks[i].linear.points()[p].size, .y = relative[i][p]});
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

double ShareThatFalls(const Degradation& relative) {
  double falls = 0;
  for (std::size_t p = 0; p < relative.front().size(); ++p) {
    bool every = true;
    for (std::size_t i = 1; i < relative.size(); ++i) every = every && relative[i][p] < relative[i - 1][p];
    falls += every ? 1 : 0;
  }
  return falls / static_cast<double>(relative.front().size());
}

}  // namespace

ReproducedFigure Shapes(const StoredResults& results) {
  const Report& report = results.Get("fig02-shapes");
  if (report.profiles.empty()) throw InputError(report.name + ": the result holds no profile of its model");
  ReproducedFigure figure;
  std::vector<Plot> plots;
  for (const ModuleProfile& module : report.profiles.front().profile.modules) {
    const Degradation relative = DegradationOf(module);
    const std::string side = module.is_llm ? "llm" : "encoder";
    plots.push_back(PlotOf(module, relative));
    figure.quantities[side + ".falls_with_tp"] = {ShareThatFalls(relative), {}};
    const double small = 1 - relative.back().front();
    const double large = 1 - relative.back().back();
    figure.quantities[side + ".loss_small_over_large"] = {small / large, {}};
  }
  figure.AddPlots("fig02", plots);
  return figure;
}

}  // namespace dflop
