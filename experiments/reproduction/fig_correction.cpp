// Fig. 15: what Adaptive Correction wins net of the cost of watching. Steps count from the middle of a run on, when the
// shapes are known, as the paper counts the second half.
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/text.hpp"
#include "experiments/reproduction/figures.hpp"

namespace dflop {
namespace {

double SecondHalf(const RunFigures& seed) {
  double sum = 0;
  for (std::size_t step = seed.step_s.size() / 2; step < seed.step_s.size(); ++step) sum += seed.step_s[step];
  return sum;
}

/// `always` pays for watching in its own step time.
Interval NetSpeedup(const PointFigures& point) {
  const Interval ratio = PairedRatio(FiguresOf(point, "off"), FiguresOf(point, "always"), SecondHalf);
  return {ratio.mean - 1, ratio.half_width};
}

int PerCent(double share) { return static_cast<int>(std::lround(100 * share)); }

using ByShareAndDelay = std::map<int, std::map<int, Interval>>;

/// Of the steps along one axis with the other one fixed.
double ShareThatRises(const ByShareAndDelay& net) {
  int rising = 0, steps = 0;
  const auto compare = [&](double before, double after) {
    rising += after > before ? 1 : 0;
    ++steps;
  };
  for (auto row = net.begin(); row != net.end(); ++row) {
    for (auto cell = row->second.begin(); cell != row->second.end(); ++cell) {
      if (std::next(cell) != row->second.end()) compare(cell->second.mean, std::next(cell)->second.mean);
      if (std::next(row) == net.end()) continue;
      const auto beyond = std::next(row)->second.find(cell->first);
      if (beyond != std::next(row)->second.end()) compare(cell->second.mean, beyond->second.mean);
    }
  }
  if (steps == 0) throw InputError("Fig. 15 wants several shares and delays");
  return static_cast<double>(rising) / steps;
}

}  // namespace

ReproducedFigure Correction15(const StoredResults& results) {
  ByShareAndDelay net;
  for (const PointFigures& point : results.Get("fig15-correction").points) {
    net[PerCent(AxisValue(point, "/anomalies/0/share"))][PerCent(AxisValue(point, "/anomalies/0/delay"))] =
        NetSpeedup(point);
  }
  ReproducedFigure figure;
  Plot plot{.title = "Net speedup of Adaptive Correction, Llama-3 8B, 32 A100",
            .x = {.label = "delay of a slow shape, % of the longest stage"},
            .y = {.label = "net speedup, %"},
            .series = {}};
  for (const auto& [share, row] : net) {
    PlotSeries series{Format("%d %% of the shapes slow", share), PlotMark::kLine, {}};
    for (const auto& [delay, value] : row) {
      PlotPoint dot{.x = static_cast<double>(delay), .y = 100 * value.mean};
      if (value.half_width) dot.half_width = 100 * *value.half_width;
      series.points.push_back(std::move(dot));
      figure.quantities["net." + std::to_string(share) + "." + std::to_string(delay)] = value;
    }
    plot.series.push_back(std::move(series));
  }
  figure.AddPlots("fig15", {plot});
  figure.quantities["rising"] = {ShareThatRises(net), {}};
  return figure;
}

}  // namespace dflop
