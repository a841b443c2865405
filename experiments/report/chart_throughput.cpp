// Sizes lie on a logarithmic axis at the points that were profiled, joined by straight lines as the planner reads them.
#include "experiments/report/chart_throughput.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 520;
constexpr double kLeft = 50;
constexpr double kRight = kWidth - 16;
constexpr double kPlot = 210;

const ThroughputCurve& CurveOf(const RankProfile& rank, ProfiledPart part) {
  return part == ProfiledPart::kLinear ? rank.linear : rank.attention;
}

std::string Title(const ModuleProfile& module, ProfiledPart part, bool relative) {
  std::string title = module.name;
  if (module.is_llm) title += part == ProfiledPart::kLinear ? ", linear part" : ", attention";
  return title +
         (relative ? ": throughput over that of TP " + std::to_string(module.ranks.front().tp) : ": TFLOP/s per GPU");
}

std::string SizeText(double size) {
  if (size >= 1024) return TickText(size / 1024) + "k";
  return TickText(size);
}

/// One series: y values at the points of its curve.
std::vector<double> Values(const ModuleProfile& module, const RankProfile& rank, ProfiledPart part, bool relative) {
  std::vector<double> values;
  for (const ThroughputCurve::Point& point : CurveOf(rank, part).points()) {
    const FlopsPerSecond unit = relative ? CurveOf(module.ranks.front(), part).At(point.size) : FlopsPerSecond(1e12);
    values.push_back(point.rate / unit);
  }
  return values;
}

void DrawSeries(Svg& svg, const std::vector<ThroughputCurve::Point>& points, const std::vector<double>& values,
                const std::string& series, int tp, const Scale& x, const Scale& y) {
  std::string path;
  for (std::size_t i = 0; i < points.size(); ++i) {
    path += (i == 0 ? "M" : "L") + Coordinate(x(std::log2(points[i].size))) + " " + Coordinate(y(values[i]));
  }
  svg.Path(path, "line " + series);
  for (std::size_t i = 0; i < points.size(); ++i) {
    svg.Rect(x(std::log2(points[i].size)) - 3, y(values[i]) - 3, 6, 6, "dot " + series,
             "TP " + std::to_string(tp) + ", " + TickText(points[i].size) + ": " + Format("%.3g", values[i]));
  }
}

}  // namespace

std::vector<ProfiledPart> PartsOf(const ModuleProfile& module) {
  if (module.is_llm) return {ProfiledPart::kLinear, ProfiledPart::kAttention};
  return {ProfiledPart::kLinear};
}

Svg ThroughputChart(const ModuleProfile& module, ProfiledPart part, bool relative) {
  const std::string title = Title(module, part, relative);
  Svg svg(kWidth, title);
  svg.FittedText(0, 13, kWidth, title, "strong");
  std::vector<LegendEntry> legend;
  std::vector<std::vector<double>> series;
  double highest = 0;
  for (const RankProfile& rank : module.ranks) {
    legend.push_back({"dot series" + std::to_string(legend.size()), "TP " + std::to_string(rank.tp)});
    series.push_back(Values(module, rank, part, relative));
    highest = std::max(highest, *std::max_element(series.back().begin(), series.back().end()));
  }
  const double top = 20 + DrawLegend(svg, 0, 20, kWidth, legend) + 10;
  const auto& points = CurveOf(module.ranks.front(), part).points();
  const Scale x{std::log2(points.front().size), std::log2(points.back().size) + 1e-9, kLeft + 12, kRight - 12};
  const Scale y{0, 1.05 * highest, top + kPlot, top};
  for (const double tick : RoundTicks(0, y.high, 5)) {
    svg.Line(kLeft, y(tick), kRight, y(tick), "grid");
    svg.Text(kLeft - 6, y(tick) + 4, TickText(tick), "small end muted");
  }
  svg.Line(kLeft, y(0), kRight, y(0), "axis");
  for (const ThroughputCurve::Point& point : points) {
    svg.Text(x(std::log2(point.size)), y(0) + 15, SizeText(point.size), "small middle muted");
  }
  for (std::size_t i = 0; i < series.size(); ++i) {
    DrawSeries(svg, points, series[i], "series" + std::to_string(i), module.ranks[i].tp, x, y);
  }
  svg.Text((kLeft + kRight) / 2, y(0) + 31, module.is_llm ? "tokens" : "tiles", "small middle muted");
  svg.set_height(y(0) + 38);
  return svg;
}

}  // namespace dflop
