// A policy that ran nowhere at a point is left out there, and the point stays.
#include "experiments/reproduction/gain_plots.hpp"

namespace dflop {

const std::vector<std::string>& Yardsticks() {
  static const std::vector<std::string> kNames = {"random-fixed", "uniform-tuned", "uniform-balanced"};
  return kNames;
}

NamedPoints PointsOf(const Report& report) {
  NamedPoints points;
  for (const PointFigures& point : report.points) points.emplace_back(point.scenario, &point);
  return points;
}

Interval OverSeedsOf(const PolicyFigures& policy, const std::function<double(const RunFigures&)>& figure) {
  std::vector<double> values;
  values.reserve(policy.by_seed.size());
  for (const RunFigures& seed : policy.by_seed) values.push_back(figure(seed));
  return MeanInterval(values);
}

Interval TeraflopsOf(const PolicyFigures& policy) {
  return OverSeedsOf(policy, [](const RunFigures& seed) { return seed.tflops_per_gpu; });
}

Plot BarsOf(const std::string& title, const std::string& unit, const NamedPoints& points,
            const std::vector<std::string>& policies, const std::function<Interval(const PolicyFigures&)>& value) {
  Plot plot{.title = title, .x = {.label = ""}, .y = {.label = unit, .least = 0.0}, .series = {}};
  for (const auto& [name, point] : points) plot.x.categories.push_back(name);
  for (const std::string& policy : policies) {
    PlotSeries series{policy, PlotMark::kBars, {}};
    for (std::size_t i = 0; i < points.size(); ++i) {
      const PolicyFigures* figures = points[i].second->Find(policy);
      if (figures == nullptr || figures->seeds.empty()) continue;
      const Interval bar = value(*figures);
      series.points.push_back({.x = static_cast<double>(i), .y = bar.mean, .half_width = bar.half_width});
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot GainBars(const std::string& title, const NamedPoints& points, const std::vector<std::string>& baselines,
              const std::string& policy) {
  Plot plot{.title = title, .x = {.label = ""}, .y = {.label = "times as fast", .least = 0.0}, .series = {}};
  for (const auto& [name, point] : points) plot.x.categories.push_back(name);
  for (const std::string& baseline : baselines) {
    PlotSeries series{"over " + baseline, PlotMark::kBars, {}};
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Interval gain = GainOver(*points[i].second, baseline, policy);
      series.points.push_back({.x = static_cast<double>(i), .y = gain.mean, .half_width = gain.half_width});
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

void AddGains(const NamedPoints& points, const std::vector<std::string>& baselines, const std::string& policy,
              Quantities& quantities) {
  for (const auto& [name, point] : points) {
    for (const std::string& baseline : baselines) {
      std::string quantity = "gain.";
      quantity.append(name).append(".over.").append(baseline);
      quantities[quantity] = GainOver(*point, baseline, policy);
    }
  }
}

}  // namespace dflop
