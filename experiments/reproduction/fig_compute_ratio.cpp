// Fig. 8: gain against encoder FLOPs over LLM FLOPs, of the models of Fig. 7 and of one encoder that grows.
//
// FLOPs are those of the cost model over samples of the experiment, recomputation counted on both sides alike.
#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "experiments/published_runs/rank_order.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/gain_plots.hpp"
#include "experiments/spec/experiment.hpp"
#include "models/model_profile.hpp"

namespace dflop {
namespace {

constexpr int kDrawn = 2'000;

double FlopRatio(const Scenario& scenario) {
  RandomStream random = scenario.Stream(1, "compute ratio");
  // One point is enough: FLOPs do not hang on the grid.
  const ModelProfile profile = ProfileModel(scenario.MakeCostModel(), {{1}, {1024}, {1}});
  double encoder = 0, llm = 0;
  for (const SampleShape& shape : scenario.DrawShapes(random, kDrawn)) {
    for (std::size_t m = 0; m < profile.modules.size(); ++m) {
      const ModuleProfile& module = profile.modules[m];
      const double size = module.is_llm ? shape.llm_tokens : shape.tiles[m];
      const double flops = module.linear_flops.value() * size + module.attention_flops.value() * size * size;
      (module.is_llm ? llm : encoder) += flops;
    }
  }
  return encoder / llm;
}

struct RatioPoint {
  std::string name;
  double ratio = 0;
  Interval gain;  ///< the larger of those over the data-blind yardsticks, as the paper takes it
};

std::vector<RatioPoint> RatioPoints(const StoredResults& results, const std::string& name) {
  const Report& report = results.Get(name);
  const Experiment experiment = ReadExperiment(results.ExperimentFile(name));
  if (experiment.points.size() != report.points.size()) {
    throw InputError(name + ": the result is of another experiment than " + results.ExperimentFile(name));
  }
  std::vector<RatioPoint> points;
  for (std::size_t i = 0; i < report.points.size(); ++i) {
    const Interval fixed = GainOver(report.points[i], "random-fixed", "dflop");
    const Interval tuned = GainOver(report.points[i], "uniform-tuned", "dflop");
    points.push_back(
        {report.points[i].title(), FlopRatio(experiment.points[i].scenario), fixed.mean >= tuned.mean ? fixed : tuned});
  }
  return points;
}

/// Kendall's τ of gain and of how near the ratio is to 1, from below.
double TauOf(const std::vector<RatioPoint>& points) {
  std::vector<TimedRun> pairs;
  pairs.reserve(points.size());
  for (const RatioPoint& point : points) pairs.push_back({std::min(point.ratio, 1 / point.ratio), point.gain.mean});
  return CountPairs(pairs, 0).tau();
}

PlotSeries SeriesOf(const std::string& name, PlotMark mark, const std::vector<RatioPoint>& points) {
  PlotSeries series{name, mark, {}};
  for (const RatioPoint& point : points) {
    series.points.push_back({.x = point.ratio, .y = point.gain.mean, .half_width = point.gain.half_width});
  }
  return series;
}

bool IsOf70B(const std::string& name) {
  return name.find("70b") != std::string::npos || name.find("72b") != std::string::npos;
}

}  // namespace

ReproducedFigure ComputeRatio(const StoredResults& results) {
  const std::vector<RatioPoint> models = RatioPoints(results, "fig07-end-to-end");
  const std::vector<RatioPoint> sweep = RatioPoints(results, "fig08-compute-ratio");
  Plot plot{.title = "Gain of DFLOP against encoder FLOPs / LLM FLOPs, 64 A100",
            .x = {.label = "encoder FLOPs / LLM FLOPs", .logarithmic = true},
            .y = {.label = "times as fast as the slower of random-fixed and uniform-tuned", .least = 1.0},
            .series = {SeriesOf("six models", PlotMark::kDots, models),
                       SeriesOf("Llama-3 8B, encoder of 5 to 65 layers", PlotMark::kLine, sweep)}};
  const NamedPoints fair_models = PointsOf(results.Get("fig07-end-to-end"));
  PlotSeries fair{"six models over uniform-balanced (fair)", PlotMark::kDots, {}};
  double small = 0, large = 0;
  ReproducedFigure figure;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const Interval gain = GainOver(*fair_models[i].second, "uniform-balanced", "dflop");
    fair.points.push_back({.x = models[i].ratio, .y = gain.mean, .half_width = gain.half_width});
    double& largest = IsOf70B(models[i].name) ? large : small;
    largest = std::max(largest, models[i].gain.mean);
    figure.notes.push_back(models[i].name + ": encoder FLOPs / LLM FLOPs " +
                           TickText(std::round(1000 * models[i].ratio) / 1000));
  }
  plot.series.push_back(std::move(fair));
  figure.AddPlots("fig08", {plot});
  figure.quantities["tau.models"] = {TauOf(models), {}};
  figure.quantities["tau.sweep"] = {TauOf(sweep), {}};
  figure.quantities["small_over_large"] = {small / large, {}};
  return figure;
}

}  // namespace dflop
