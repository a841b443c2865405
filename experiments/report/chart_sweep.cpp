// One measure along one axis of a sweep: a line per policy, crosses where one is infeasible.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
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
  bool logarithmic() const { return logarithmic_; }

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

/// What a dot shows: where it is a rate or a cost, its interval has the relative width of the step time's.
std::optional<Interval> ValueAt(const SweepMeasure& measure, const PointFigures& point, const PolicyFigures& policy) {
  if (policy.seeds.empty()) return std::nullopt;
  const Interval time = StepTime(policy);
  const auto with_width_of_time = [&](double value) {
    Interval interval{value, std::nullopt};
    if (time.half_width) interval.half_width = value * *time.half_width / time.mean;
    return interval;
  };
  const double rate = policy.figures.samples_per_s;
  switch (measure.figure) {
    case SweepFigure::kStepTime:
      return time;
    case SweepFigure::kSpeedup:
      if (const auto speedup = SpeedupOver(point.Find(measure.baseline), policy)) return *speedup;
      return std::nullopt;
    case SweepFigure::kThroughput:
      return with_width_of_time(rate);
    case SweepFigure::kEfficiency:
      return with_width_of_time(rate / static_cast<double>(GpusOf(point)));
    case SweepFigure::kGpuTime:
      return with_width_of_time(static_cast<double>(GpusOf(point)) / rate);
  }
  return std::nullopt;
}

/// Throughput per GPU becomes a share of that at the fewest GPUs that the policy runs on.
void ToEfficiency(const std::vector<const PointFigures*>& points, Line& line) {
  const auto fewest = std::min_element(line.dots.begin(), line.dots.end(), [&](const Dot& a, const Dot& b) {
    return GpusOf(*points[a.point]) < GpusOf(*points[b.point]);
  });
  if (fewest == line.dots.end()) return;
  const double whole = fewest->value.mean;
  for (Dot& dot : line.dots) {
    dot.value.mean /= whole;
    if (dot.value.half_width) *dot.value.half_width /= whole;
  }
}

std::vector<Line> MakeLines(const std::vector<const PointFigures*>& points, const SweepMeasure& measure) {
  std::vector<Line> lines;
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (const PolicyFigures& policy : points[i]->policies) {
      auto line = std::find_if(lines.begin(), lines.end(),
                               [&](const Line& candidate) { return candidate.policy == policy.policy; });
      if (line == lines.end()) line = lines.insert(line, Line{policy.policy, policy.policy, {}, {}});
      if (!policy.instead.empty()) line->shown = policy.shown();
      if (!policy.infeasible.empty()) {
        line->infeasible.emplace_back(i, policy.infeasible);
      } else if (const auto value = ValueAt(measure, *points[i], policy)) {
        line->dots.push_back({i, *value});
      }
    }
  }
  if (measure.figure == SweepFigure::kEfficiency) {
    for (Line& line : lines) ToEfficiency(points, line);
  }
  return lines;
}

/// Linear from 0, or logarithmic where values differ eightfold; a speedup and an efficiency have 1 in sight.
class MeasureAxis {
 public:
  MeasureAxis(const std::vector<Line>& lines, const SweepMeasure& measure, double top) : measure_(measure) {
    const bool around_one = measure.figure == SweepFigure::kSpeedup || measure.figure == SweepFigure::kEfficiency;
    double low = around_one ? 0.98 : INFINITY, high = around_one ? 1.02 : 0;
    for (const Line& line : lines) {
      for (const Dot& dot : line.dots) {
        low = std::min(low, Low(dot.value));
        high = std::max(high, High(dot.value));
      }
    }
    logarithmic_ = !around_one && low > 0 && high / low >= 8 && std::isfinite(low);
    if (!around_one && !logarithmic_) low = 0;
    if (high <= low) high = low + 1;
    const double margin = around_one ? 0.04 * (high - low) : 0;
    scale_ = logarithmic_ ? Scale{std::log(low / 1.15), std::log(high * 1.15), top + kPlot, top}
                          : Scale{low - margin, high + 0.04 * (high - low), top + kPlot, top};
  }

  double operator()(double value) const {
    const double least = logarithmic_ ? std::exp(scale_.low) : value;
    return scale_(logarithmic_ ? std::log(std::max(value, least)) : value);
  }
  double foot() const { return scale_.from; }
  bool logarithmic() const { return logarithmic_; }

  /// 1, 2 and 5 of every power of ten on a logarithmic axis.
  std::vector<double> Ticks() const {
    if (!logarithmic_) return RoundTicks(scale_.low, scale_.high, 5);
    std::vector<double> ticks;
    const bool tens_alone = scale_.high - scale_.low > std::log(300.0);
    for (double ten = std::pow(10, std::floor(scale_.low / std::log(10.0))); std::log(ten) <= scale_.high; ten *= 10) {
      for (const double tick : {ten, 2 * ten, 5 * ten}) {
        const bool inside = std::log(tick) >= scale_.low && std::log(tick) <= scale_.high;
        if (inside && (tick == ten || !tens_alone)) ticks.push_back(tick);
      }
    }
    return ticks;
  }
  std::string TickWords(double tick) const {
    switch (measure_.figure) {
      case SweepFigure::kSpeedup:
        return TickText(tick) + "×";
      case SweepFigure::kEfficiency:
        return TickText(100 * tick) + " %";
      case SweepFigure::kStepTime:
        return TickText(tick) + " s";
      default:
        return TickText(tick);
    }
  }
  std::string ValueWords(const Interval& value) const {
    switch (measure_.figure) {
      case SweepFigure::kSpeedup:
        return RatioWithInterval(value);
      case SweepFigure::kEfficiency:
        return Percent(value.mean);
      case SweepFigure::kStepTime:
        return Duration(value.mean);
      case SweepFigure::kThroughput:
        return Format("%.4g samples/s", value.mean);
      default:
        return Format("%.4g GPU s per sample", value.mean);
    }
  }

 private:
  SweepMeasure measure_;
  bool logarithmic_ = false;
  Scale scale_;
};

std::string TitleOf(const SweepMeasure& measure) {
  switch (measure.figure) {
    case SweepFigure::kStepTime:
      return "Step time";
    case SweepFigure::kSpeedup:
      return "Speedup over " + measure.baseline;
    case SweepFigure::kThroughput:
      return "Throughput, samples/s";
    case SweepFigure::kEfficiency:
      return "Scaling efficiency: throughput per GPU over that at the fewest GPUs";
    case SweepFigure::kGpuTime:
      return "Cost of a sample: GPU seconds of the whole cluster";
  }
  return "";
}

void DrawLine(Svg& svg, const Line& line, std::size_t series, const AxisPlaces& x, const MeasureAxis& y) {
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
             line.shown + " at " + x.Label(dot.point) + ": " + y.ValueWords(dot.value));
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

void DrawAxes(Svg& svg, const AxisPlaces& x, std::size_t points, const MeasureAxis& y, bool has_one) {
  for (const double tick : y.Ticks()) {
    svg.Line(kLeft, y(tick), kRight, y(tick), "grid");
    svg.Text(kLeft - 6, y(tick) + 4, y.TickWords(tick), "small end muted");
  }
  svg.Line(kLeft, y.foot(), kRight, y.foot(), "axis");
  if (has_one) svg.Line(kLeft, y(1), kRight, y(1), "mean");
  double free_from = 0;
  for (std::size_t i = 0; i < points; ++i) {
    svg.Line(x.Place(i), y.foot(), x.Place(i), y.foot() + 4, "axis");
    const std::string label = CutText(x.Label(i), 110, 11);
    const double half = TextWidth(label, 11) / 2;
    if (x.Place(i) - half < free_from) continue;
    svg.Text(x.Place(i), y.foot() + 17, label, "small middle muted");
    free_from = x.Place(i) + half + 6;
  }
}

}  // namespace

std::string ShortAxisName(const std::string& axis) {
  std::string name = axis.substr(axis.find_last_of('/') + 1);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

int GpusOf(const PointFigures& point) {
  if (point.cluster.is_null()) return 0;
  try {
    return ReadCluster(JsonReader(point.cluster, "result.json")).gpus();
  } catch (const InputError&) {
    return 0;  // described otherwise than this program does
  }
}

Svg SweepChart(const std::string& axis, const std::vector<const PointFigures*>& points, const SweepMeasure& measure) {
  const std::string name = ShortAxisName(axis);
  const std::string what = TitleOf(measure);
  Svg svg(kWidth, what + ", against " + name);
  const std::vector<Line> lines = MakeLines(points, measure);
  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].dots.empty() && lines[i].infeasible.empty()) continue;
    legend.push_back({"dot series" + std::to_string(i % 8) + (i >= 8 ? " dashed" : ""), lines[i].shown});
  }
  svg.FittedText(0, 13, kWidth, what, "strong");
  const double top = 20 + DrawLegend(svg, 0, 20, kWidth, legend) + 10;
  const MeasureAxis y(lines, measure, top);
  const AxisPlaces x(axis, points);
  DrawAxes(svg, x, points.size(), y,
           measure.figure == SweepFigure::kSpeedup || measure.figure == SweepFigure::kEfficiency);
  for (std::size_t i = 0; i < lines.size(); ++i) DrawLine(svg, lines[i], i, x, y);
  DrawInfeasible(svg, lines, x, y.foot());
  const std::string scales = x.logarithmic() ? (y.logarithmic() ? " (both axes logarithmic)" : " (logarithmic)")
                                             : (y.logarithmic() ? " (values logarithmic)" : "");
  svg.Text(kWidth / 2, y.foot() + 33, name + scales, "small middle muted");
  svg.set_height(y.foot() + 40);
  return svg;
}

}  // namespace dflop
