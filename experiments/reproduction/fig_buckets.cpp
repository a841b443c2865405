// Figs. 4 and 5: samples in a stage, and in buckets. Seconds come from the timeline of a plan whose microbatches are
// single samples, or buckets of a scheduler.
#include <algorithm>
#include <cmath>

#include "experiments/profile/data_profile.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/gain_plots.hpp"

namespace dflop {
namespace {

std::vector<double> LoadsOf(const Report& report, const std::string& policy, Side side) {
  std::vector<double> loads;
  for (const auto& [replica, seconds] : BucketLoads(PictureOf(report, "llama3-8b", policy), side)) {
    loads.insert(loads.end(), seconds.begin(), seconds.end());
  }
  return loads;
}

double CoefficientOfVariation(const std::vector<double>& values) { return StandardDeviation(values) / Mean(values); }

PlotSeries HistogramSeries(const std::string& name, const std::vector<double>& values) {
  constexpr int kAboutBins = 20;
  const Histogram histogram = MakeHistogram(values, kAboutBins);
  PlotSeries series{name, PlotMark::kSteps, {{.x = histogram.low, .y = 0}}};
  const auto edge = [&](std::size_t bin) { return histogram.low + static_cast<double>(bin) * histogram.width; };
  for (std::size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    series.points.push_back({.x = edge(bin), .y = 100.0 * histogram.counts[bin] / static_cast<double>(values.size())});
  }
  series.points.push_back({.x = edge(histogram.counts.size()), .y = 0});
  return series;
}

}  // namespace

ReproducedFigure Durations(const StoredResults& results) {
  const Report& report = results.Get("fig04-durations");
  ReproducedFigure figure;
  std::vector<Plot> plots;
  for (const Side side : {Side::kEncoder, Side::kLlm}) {
    const std::string name = side == Side::kEncoder ? "encoder" : "llm";
    const std::string module = side == Side::kEncoder ? "Encoder" : "LLM";
    const std::vector<double> samples = LoadsOf(report, "samples", side);
    plots.push_back({.title = module + ": time of a sample, forward and backward",
                     .x = {.label = "seconds in the module's stages"},
                     .y = {.label = "% of the samples"},
                     .series = {HistogramSeries("samples", samples)}});
    Plot buckets{.title = module + ": time of a bucket of 8",
                 .x = {.label = "seconds in the module's stages"},
                 .y = {.label = "% of the buckets"},
                 .series = {}};
    for (const char* policy : {"random", "lpt", "search"}) {
      buckets.series.push_back(HistogramSeries(policy, LoadsOf(report, policy, side)));
    }
    plots.push_back(std::move(buckets));
    const double random = CoefficientOfVariation(LoadsOf(report, "random", side));
    figure.quantities[name + ".random_over_balanced"] = {
        random / CoefficientOfVariation(LoadsOf(report, "search", side)), {}};
    figure.quantities[name + ".samples"] = {CoefficientOfVariation(samples), {}};
  }
  figure.AddPlots("fig04", plots);
  return figure;
}

ReproducedFigure EightSamples(const StoredResults& results) {
  const PointFigures& point = PointOf(results.Get("fig05-scheduler"), "llama3-8b");
  const auto largest = [](const RunFigures& seed) { return 1 + seed.balance_gap; };
  Plot plot{.title = "Eight samples in four microbatches: largest bucket over the lower bound",
            .x = {.label = "batch scheduler", .categories = {"by chance", "longest first", "integer program"}},
            .y = {.label = "largest bucket over the bound", .least = 0.0},
            .series = {{"mean over ten batches a seed", PlotMark::kBars, {}}}};
  for (const char* policy : {"random", "lpt", "ilp"}) {
    const Interval mean = OverSeedsOf(FiguresOf(point, policy), largest);
    plot.series.front().points.push_back(
        {.x = static_cast<double>(plot.series.front().points.size()), .y = mean.mean, .half_width = mean.half_width});
  }
  ReproducedFigure figure;
  figure.AddPlots("fig05", {plot});
  figure.quantities["ilp_over_lpt"] = PairedRatio(FiguresOf(point, "ilp"), FiguresOf(point, "lpt"), largest);
  figure.quantities["random_over_ilp"] = PairedRatio(FiguresOf(point, "random"), FiguresOf(point, "ilp"), largest);
  return figure;
}

}  // namespace dflop
