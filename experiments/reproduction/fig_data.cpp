// Fig. 11b: how many tiles the samples of each data set have, drawn as the experiment draws them.
#include <cmath>

#include "experiments/profile/data_profile.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {
namespace {

constexpr int kDrawnSamples = 10'000;  // as many as DFLOP's data profiler looks at

std::vector<double> TilesOf(const Scenario& scenario) {
  RandomStream random = scenario.Stream(1, "tile histogram");
  std::vector<double> tiles;
  for (const SampleShape& shape : scenario.DrawShapes(random, kDrawnSamples)) tiles.push_back(shape.tiles.front());
  return tiles;
}

/// Whole tiles: a bin each.
PlotSeries SharesOf(const std::string& name, const std::vector<double>& tiles) {
  std::map<int, int> counts;
  for (const double count : tiles) ++counts[static_cast<int>(count)];
  PlotSeries series{name, PlotMark::kSteps, {{.x = 0, .y = 0}}};
  for (int bin = 1; bin <= counts.rbegin()->first; ++bin) {
    series.points.push_back(
        {.x = static_cast<double>(bin), .y = 100.0 * counts[bin] / static_cast<double>(tiles.size())});
  }
  series.points.push_back({.x = counts.rbegin()->first + 1.0, .y = 0});
  return series;
}

}  // namespace

ReproducedFigure TileHistograms(const StoredResults& results) {
  const Experiment experiment = ReadExperiment(results.ExperimentFile("fig11-data-sets"));
  Plot plot{.title = "Tiles of a sample, by data set",
            .x = {.label = "tiles (images, crops, frames)"},
            .y = {.label = "% of 10,000 samples"},
            .series = {}};
  std::map<std::string, double> deviation;
  for (const Point& point : experiment.points) {
    const std::vector<double> tiles = TilesOf(point.scenario);
    deviation[point.scenario.name] = StandardDeviation(tiles);
    plot.series.push_back(SharesOf(point.scenario.name, tiles));
  }
  ReproducedFigure figure;
  figure.AddPlots("fig11b", {plot});
  const double multi = deviation.at("multi-image");
  figure.quantities["deviation.video_over_multi"] = {deviation.at("video") / multi, {}};
  figure.quantities["deviation.mixed_over_multi"] = {deviation.at("mixed") / multi, {}};
  return figure;
}

}  // namespace dflop
