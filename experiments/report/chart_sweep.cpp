// Step time, or speedup over a baseline, along one axis of a sweep: a line per policy, crosses where one is infeasible.
#include <algorithm>
#include <cmath>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 520;
constexpr double kLeft = 56;
constexpr double kRight = kWidth - 16;
constexpr double kPlot = 210;

/// Where the values of the axis stand: numbers to scale (logarithmic over a wide range), anything else evenly.
class AxisPlaces {
 public:
  AxisPlaces(const std::string& axis, const std::vector<const PointFigures*>& points) {
    for (const PointFigures* point : points) values_.push_back(ValueOf(axis, *point));
    numeric_ = std::all_of(values_.begin(), values_.end(), [](const Json& value) { return value.is_number(); });
    double low = INFINITY;
    double high = -INFINITY;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      low = std::min(low, numeric_ ? values_[i].number() : static_cast<double>(i));
      high = std::max(high, numeric_ ? values_[i].number() : static_cast<double>(i));
    }
    logarithmic_ = numeric_ && low > 0 && high / low >= 6;
    scale_ = {Warp(low), Warp(high), kLeft + 18, kRight - 18};
    if (low == high) scale_.high += 1;
  }

  double Place(std::size_t point) const {
    return scale_(Warp(numeric_ ? values_[point].number() : static_cast<double>(point)));
  }
  std::string Label(std::size_t point) const { return Plain(values_[point]); }

 private:
  static Json ValueOf(const std::string& axis, const PointFigures& point) {
    for (const auto& [name, value] : point.point) {
      if (name == axis) return value;
    }
    return {};
  }
  double Warp(double value) const { return logarithmic_ ? std::log(value) : value; }

  std::vector<Json> values_;
  bool numeric_ = true;
  bool logarithmic_ = false;
  Scale scale_;
};

struct Dot {
  std::size_t point = 0;
  Interval value;
};

/// One policy's line, with the points where it has no figures.
struct Line {
  std::string policy;
  std::string shown;  ///< its name, and what stood in for a part of it at any point
  std::vector<Dot> dots;
  std::vector<std::pair<std::size_t, std::string>> infeasible;
};

std::vector<Line> MakeLines(const std::vector<const PointFigures*>& points, const std::string& baseline) {
  std::vector<Line> lines;
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (const PolicyFigures& policy : points[i]->policies) {
      auto line = std::find_if(lines.begin(), lines.end(),
                               [&](const Line& candidate) { return candidate.policy == policy.policy; });
      if (line == lines.end()) line = lines.insert(line, Line{policy.policy, policy.policy, {}, {}});
      if (!policy.instead.empty()) line->shown = policy.shown();
      if (!policy.infeasible.empty()) {
        line->infeasible.emplace_back(i, policy.infeasible);
      } else if (baseline.empty()) {
        line->dots.push_back({i, StepTime(policy)});
      } else if (const auto speedup = SpeedupOver(points[i]->Find(baseline), policy)) {
        line->dots.push_back({i, *speedup});
      }
    }
  }
  return lines;
}

Scale MakeScale(const std::vector<Line>& lines, bool speedup, double top) {
  double low = speedup ? 0.98 : 0;
  double high = speedup ? 1.02 : 0;
  for (const Line& line : lines) {
    for (const Dot& dot : line.dots) {
      low = std::min(low, Low(dot.value));
      high = std::max(high, High(dot.value));
    }
  }
  if (high <= low) high = low + 1;
  const double margin = speedup ? 0.04 * (high - low) : 0;
  return {low - margin, high + 0.04 * (high - low), top + kPlot, top};
}

void DrawLine(Svg& svg, const Line& line, std::size_t series, const AxisPlaces& x, const Scale& y, bool speedup) {
  const std::string classes = "series" + std::to_string(series % 8) + (series >= 8 ? " dashed" : "");
  std::string path;
  for (const Dot& dot : line.dots) {
    path += (path.empty() ? "M" : "L") + Coordinate(x.Place(dot.point)) + " " + Coordinate(y(dot.value.mean));
  }
  if (!path.empty()) svg.Path(path, "line " + classes);
  for (const Dot& dot : line.dots) {
    const double place = x.Place(dot.point);
    if (dot.value.half_width) svg.VerticalInterval(place, y(Low(dot.value)), y(High(dot.value)));
    svg.Rect(place - 3.5, y(dot.value.mean) - 3.5, 7, 7, "dot " + classes,
             line.shown + " at " + x.Label(dot.point) + ": " +
                 (speedup ? RatioWithInterval(dot.value) : Duration(dot.value.mean)));
  }
}

void DrawInfeasible(Svg& svg, const std::vector<Line>& lines, const AxisPlaces& x, double foot) {
  for (std::size_t series = 0; series < lines.size(); ++series) {
    // Beside each other where several policies fail at one point.
    const double shift = (static_cast<double>(series) - static_cast<double>(lines.size() - 1) / 2) * 9;
    for (const auto& [point, reason] : lines[series].infeasible) {
      const std::string place = Coordinate(x.Place(point) + shift) + " " + Coordinate(foot - 6);
      svg.Path("M" + place + "m-3.5 -3.5l7 7m0 -7l-7 7", "cross series" + std::to_string(series % 8),
               lines[series].shown + " at " + x.Label(point) + " is infeasible: " + reason);
    }
  }
}

void DrawAxes(Svg& svg, const AxisPlaces& x, std::size_t points, const Scale& y, bool speedup) {
  for (const double tick : RoundTicks(y.low, y.high, 5)) {
    svg.Line(kLeft, y(tick), kRight, y(tick), "grid");
    svg.Text(kLeft - 6, y(tick) + 4, TickText(tick) + (speedup ? "×" : " s"), "small end muted");
  }
  svg.Line(kLeft, y.from, kRight, y.from, "axis");
  if (speedup) svg.Line(kLeft, y(1), kRight, y(1), "mean");
  double free_from = 0;
  for (std::size_t i = 0; i < points; ++i) {
    svg.Line(x.Place(i), y.from, x.Place(i), y.from + 4, "axis");
    const std::string label = CutText(x.Label(i), 110, 11);
    const double half = TextWidth(label, 11) / 2;
    if (x.Place(i) - half < free_from) continue;
    svg.Text(x.Place(i), y.from + 17, label, "small middle muted");
    free_from = x.Place(i) + half + 6;
  }
}

}  // namespace

Svg SweepChart(const std::string& axis, const std::vector<const PointFigures*>& points, const std::string& baseline) {
  const bool speedup = !baseline.empty();
  const std::string name = axis.substr(axis.starts_with("/") ? 1 : 0);
  const std::string what = speedup ? "Speedup over " + baseline : "Step time";
  Svg svg(kWidth, what + " against " + name);
  const std::vector<Line> lines = MakeLines(points, baseline);
  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].dots.empty() && lines[i].infeasible.empty()) continue;
    legend.push_back({"dot series" + std::to_string(i % 8) + (i >= 8 ? " dashed" : ""), lines[i].shown});
  }
  svg.FittedText(0, 13, kWidth, what, "strong");
  const double top = 20 + DrawLegend(svg, 0, 20, kWidth, legend) + 10;
  const Scale y = MakeScale(lines, speedup, top);
  const AxisPlaces x(axis, points);
  DrawAxes(svg, x, points.size(), y, speedup);
  for (std::size_t i = 0; i < lines.size(); ++i) DrawLine(svg, lines[i], i, x, y, speedup);
  DrawInfeasible(svg, lines, x, y.from);
  svg.Text((kLeft + kRight) / 2, y.from + 33, name, "small middle muted");
  svg.set_height(y.from + 40);
  return svg;
}

}  // namespace dflop
