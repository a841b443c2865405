// Fig. 7 and Table 4: six models on eight nodes, in TFLOP/s per GPU and in hours for one pass over the data.
//
// The bounds by model follow from the paper's two ranges (1.2–3.6 times as fast, 5–40 h saved) and its hours, if both
// are of the same runs.
#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/text.hpp"
#include "experiments/published_runs/rank_order.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/gain_plots.hpp"

namespace dflop {
namespace {

constexpr double kSamples = 185'000;  // table 2
constexpr double kHour = 3600;

struct PaperModel {
  const char* name;
  double hours;             ///< Table 4
  double overhead_minutes;  ///< Table 4
  double least_gain, most_gain;
};
constexpr std::array<PaperModel, 6> kModels = {{{"qwen2.5-7b", 6.12, 7.58, 1.82, 3.6},
                                                {"llama3-8b", 6.82, 7.55, 1.73, 3.6},
                                                {"qwen2.5-32b", 11.62, 9.09, 1.43, 3.6},
                                                {"llama3-70b", 28.94, 10.04, 1.2, 2.38},
                                                {"qwen2.5-72b", 30.62, 9.87, 1.2, 2.31},
                                                {"internvl-72b", 34.55, 9.88, 1.2, 2.16}}};

const PaperModel& PaperOf(const std::string& scenario) {
  const auto* const found =
      std::find_if(kModels.begin(), kModels.end(), [&](const PaperModel& model) { return scenario == model.name; });
  if (found == kModels.end()) throw InputError("the paper has no model \"" + scenario + "\"");
  return *found;
}

/// One pass over the data at the pace of the run.
Interval HoursOf(const PolicyFigures& policy) {
  std::vector<double> hours;
  for (const RunFigures& seed : policy.by_seed) hours.push_back(kSamples / seed.samples_per_s / kHour);
  return MeanInterval(hours);
}

std::vector<std::string> WithDflop() {
  std::vector<std::string> policies = Yardsticks();
  policies.emplace_back("dflop");
  return policies;
}

}  // namespace

ReproducedFigure Throughputs(const StoredResults& results) {
  const Report& report = results.Get("fig07-end-to-end");
  const NamedPoints points = PointsOf(report);
  ReproducedFigure figure;
  Plot gains = GainBars("Gain of DFLOP", points, Yardsticks(), "dflop");
  gains.band_name = "over data-blind ones, by the paper";
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PaperModel& paper = PaperOf(points[i].first);
    const auto x = static_cast<double>(i);
    gains.bands.push_back({x - 0.5, x + 0.5, paper.least_gain, paper.most_gain});
  }
  figure.AddPlots("fig07a", {BarsOf("Throughput, 64 A100", "TFLOP/s per GPU, recomputation counted", points,
                                    WithDflop(), TeraflopsOf),
                             gains});
  AddGains(points, Yardsticks(), "dflop", figure.quantities);
  return figure;
}

ReproducedFigure SavedHours(const StoredResults& results) {
  const Report& report = results.Get("fig07-end-to-end");
  const NamedPoints points = PointsOf(report);
  ReproducedFigure figure;
  figure.AddPlots("fig07b", {BarsOf("One pass over 185,000 samples, 64 A100", "hours", points, WithDflop(), HoursOf)});
  for (const auto& [name, point] : points) {
    const PolicyFigures& baseline = FiguresOf(*point, "random-fixed");
    const PolicyFigures& dflop = FiguresOf(*point, "dflop");
    std::vector<double> saved;
    for (const auto& [before, after] : PairedSeeds(baseline, dflop)) {
      saved.push_back(kSamples / kHour * (1 / before->samples_per_s - 1 / after->samples_per_s));
    }
    figure.quantities["saved_h." + name] = MeanInterval(saved);
  }
  return figure;
}

ReproducedFigure TrainingHours(const StoredResults& results) {
  const NamedPoints points = PointsOf(results.Get("table4"));
  Plot plot = BarsOf("Hours of DFLOP for 185,000 samples, 64 A100", "hours", points, {"dflop"}, HoursOf);
  plot.series.front().name = "here";
  PlotSeries stated{"the paper, Table 4", PlotMark::kBars, {}};
  ReproducedFigure figure;
  std::vector<TimedRun> hours_of_models;
  double overhead = 0;
  for (const auto& [name, point] : points) {
    const PaperModel& paper = PaperOf(name);
    const Interval hours = HoursOf(FiguresOf(*point, "dflop"));
    stated.points.push_back({.x = static_cast<double>(hours_of_models.size()), .y = paper.hours});
    hours_of_models.push_back({paper.hours, hours.mean});
    Interval ratio{hours.mean / paper.hours, {}};
    if (hours.half_width) ratio.half_width = *hours.half_width / paper.hours;
    figure.quantities["hours_over_paper." + name] = ratio;
    const double share = paper.overhead_minutes / 60 / hours.mean;
    overhead = std::max(overhead, share);
    figure.notes.push_back(
        Format("%s: %.2f h here, %.2f h in the paper, whose %.2f min of overhead are %.2f %% of ours.", name.c_str(),
               hours.mean, paper.hours, paper.overhead_minutes, 100 * share));
  }
  plot.series.push_back(std::move(stated));
  figure.AddPlots("table4", {plot});
  figure.quantities["tau.hours"] = {CountPairs(hours_of_models, 0).tau(), {}};
  figure.quantities["overhead.largest"] = {overhead, {}};
  return figure;
}

}  // namespace dflop
