// Figs. 9, 10, 11a and 12: gains over data, parts of DFLOP and nodes; and any other experiment's gains.
#include <algorithm>

#include "base/text.hpp"
#include "experiments/reproduction/figures.hpp"
#include "experiments/reproduction/gain_plots.hpp"

namespace dflop {
namespace {

std::vector<std::string> YardsticksAnd(const std::string& policy) {
  std::vector<std::string> policies = Yardsticks();
  policies.push_back(policy);
  return policies;
}

constexpr const char* kFair = "uniform-balanced";

Interval StepSeconds(const PolicyFigures& policy) { return StepTime(policy); }

/// A series of bars per policy; the baseline itself, and points that lack either, have none.
Plot GainsOver(const std::string& baseline, const NamedPoints& points, const std::vector<std::string>& policies) {
  Plot plot{.title = "Gain over " + baseline + (baseline == kFair ? ", the fair baseline" : ""),
            .x = {.label = ""},
            .y = {.label = "times as fast", .least = 0.0},
            .series = {}};
  for (const auto& [name, point] : points) plot.x.categories.push_back(name);
  for (std::size_t p = 0; p < policies.size(); ++p) {
    const std::string& policy = policies[p];
    if (policy == baseline) continue;
    PlotSeries series{policy, PlotMark::kBars, {}, p};
    for (std::size_t i = 0; i < points.size(); ++i) {
      const PolicyFigures* figures = points[i].second->Find(policy);
      if (figures == nullptr) continue;
      if (const auto gain = SpeedupOver(points[i].second->Find(baseline), *figures)) {
        series.points.push_back({.x = static_cast<double>(i), .y = gain->mean, .half_width = gain->half_width});
      }
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

}  // namespace

ReproducedFigure Audio(const StoredResults& results) {
  const NamedPoints points = PointsOf(results.Get("fig09-audio"));
  ReproducedFigure figure;
  Plot gains = GainBars("Gain of DFLOP on Qwen2-Audio, 32 A100", points, Yardsticks(), "dflop");
  gains.bands.push_back({-0.5, 0.5, 2, 4});
  gains.band_name = "over data-blind ones, by the paper";
  figure.AddPlots("fig09", {gains});
  for (const std::string& yardstick : Yardsticks()) {
    figure.quantities["gain.over." + yardstick] = GainOver(*points.front().second, yardstick, "dflop");
  }
  return figure;
}

/// G1 = optimizer alone over the baseline, G2 = both over the optimizer alone, as the paper adds them.
ReproducedFigure Ablation(const StoredResults& results) {
  const NamedPoints points = PointsOf(results.Get("fig10-ablation"));
  ReproducedFigure figure;
  Plot gains{.title = "Gain over the baseline, part after part, 32 A100",
             .x = {.label = ""},
             .y = {.label = "times as fast as random-fixed", .least = 0.0},
             .series = {}};
  for (const auto& [name, point] : points) gains.x.categories.push_back(name);
  for (const char* policy : {"scheduler alone", "optimizer alone", "both", "uniform-balanced"}) {
    PlotSeries series{policy, PlotMark::kBars, {}};
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Interval gain = GainOver(*points[i].second, "baseline", policy);
      series.points.push_back({.x = static_cast<double>(i), .y = gain.mean, .half_width = gain.half_width});
    }
    gains.series.push_back(std::move(series));
  }
  figure.AddPlots("fig10", {gains});
  for (const auto& [name, point] : points) {
    const double optimizer = GainOver(*point, "baseline", "optimizer alone").mean;
    const double scheduler = GainOver(*point, "optimizer alone", "both").mean;
    figure.quantities["optimizer_over_scheduler." + name] = {optimizer / scheduler, {}};
  }
  return figure;
}

ReproducedFigure DataSets(const StoredResults& results) {
  const NamedPoints points = PointsOf(results.Get("fig11-data-sets"));
  ReproducedFigure figure;
  figure.AddPlots("fig11a", {BarsOf("Throughput by data set, 32 A100", "TFLOP/s per GPU, recomputation counted", points,
                                    YardsticksAnd("dflop"), TeraflopsOf)});
  const Report& report = results.Get("fig11-data-sets");
  const auto rate = [&](const std::string& data, const std::string& policy) {
    return TeraflopsOf(FiguresOf(PointOf(report, data), policy)).mean;
  };
  const auto spread = [&](const std::string& policy) {
    const auto [least, most] = std::minmax({rate("multi-image", policy), rate("video", policy), rate("mixed", policy)});
    return most / least - 1;
  };
  figure.quantities["baseline.multi_over_video"] = {rate("multi-image", "random-fixed") / rate("video", "random-fixed"),
                                                    {}};
  figure.quantities["baseline.multi_over_mixed"] = {rate("multi-image", "random-fixed") / rate("mixed", "random-fixed"),
                                                    {}};
  figure.quantities["spread.dflop"] = {spread("dflop"), {}};
  figure.quantities["spread.dflop_over_baseline"] = {spread("dflop") / spread("random-fixed"), {}};
  return figure;
}

ReproducedFigure Gains(const StoredResults& results, const std::string& experiment) {
  const Report& report = results.Get(experiment);
  const NamedPoints points = PointsOf(report);
  std::vector<std::string> policies;
  for (const auto& [name, point] : points) {
    for (const PolicyFigures& policy : point->policies) {
      if (std::find(policies.begin(), policies.end(), policy.policy) == policies.end()) {
        policies.push_back(policy.policy);
      }
    }
  }
  ReproducedFigure figure;
  std::vector<Plot> plots = {BarsOf("Step time", "seconds", points, policies, StepSeconds)};
  for (const std::string& baseline : report.baselines) plots.push_back(GainsOver(baseline, points, policies));
  figure.AddPlots(experiment, plots);
  for (const auto& [name, point] : points) {
    for (const PolicyFigures& policy : point->policies) {
      std::string gains;
      const std::string quantity = "gain." + name + "." + policy.policy + ".over.";
      for (const std::string& other : policies) {
        const auto gain = SpeedupOver(point->Find(other), policy);
        if (gain) figure.quantities[std::string(quantity).append(other)] = *gain;
      }
      for (const std::string& baseline : report.baselines) {
        const auto gain = SpeedupOver(point->Find(baseline), policy);
        if (!gain) continue;
        if (!gains.empty()) gains.append(", ");
        gains.append(Format("%.2f × ", gain->mean)).append(baseline);
        if (baseline == kFair) gains.append(" (the fair one)");
      }
      if (policy.policy == experiment) {
        figure.notes.push_back(std::string(name).append(": as fast as ").append(gains).append("."));
      }
    }
  }
  return figure;
}

}  // namespace dflop
