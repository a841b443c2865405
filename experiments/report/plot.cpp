// The legend takes a strip at the top of the frame, so that no point lies below it.
#include "experiments/report/plot.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/statistics.hpp"
#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kPlotWidth = 544, kFrameLeft = 62, kFrameRight = kPlotWidth - 14, kFrameTop = 40, kDataHeight = 230;
constexpr double kDotSize = 7;

bool ShowsOn(const PlotAxis& axis, double value) { return std::isfinite(value) && (!axis.logarithmic || value > 0); }

/// A range of one axis as it is drawn: of logarithms where the axis is logarithmic.
struct Range {
  double low = HUGE_VAL, high = -HUGE_VAL;
  bool logarithmic = false;

  void Add(double value) {
    if (!std::isfinite(value) || (logarithmic && value <= 0)) return;
    low = std::min(low, Warp(value));
    high = std::max(high, Warp(value));
  }
  double Warp(double value) const { return logarithmic ? std::log10(value) : value; }
  void Widen(double below, double above) {
    if (!(low <= high)) low = 0, high = 1;
    const double span = high > low ? high - low : std::max(1.0, std::abs(low));
    low -= below * span;
    high += above * span;
  }
};

class PlotDrawing {
 public:
  explicit PlotDrawing(const Plot& plot) : plot_(plot), svg_(kPlotWidth, plot.title) {}

  Svg Draw() {
    svg_.FittedText(0, 14, kPlotWidth, plot_.title, "strong");
    svg_.ShowsItsTitle();
    const double legend_end =
        kFrameTop + 6 + DrawLegend(svg_, kFrameLeft + 8, kFrameTop + 6, FrameWidth() - 16, Legend());
    top_ = legend_end + 4;
    foot_ = top_ + kDataHeight;
    Measure();
    DrawBands();
    DrawGrid();
    for (std::size_t i = 0; i < plot_.series.size(); ++i) DrawSeries(i);
    svg_.Text((kFrameLeft + kFrameRight) / 2, foot_ + 34, plot_.x.label, "small middle");
    svg_.set_height(foot_ + 42);
    return std::move(svg_);
  }

 private:
  static double FrameWidth() { return kFrameRight - kFrameLeft; }

  std::vector<LegendEntry> Legend() const {
    std::vector<LegendEntry> entries;
    for (std::size_t i = 0; i < plot_.series.size(); ++i)
      entries.push_back({"dot " + ColourOf(i), plot_.series[i].name});
    if (!plot_.bands.empty()) entries.push_back({"band", plot_.band_name});
    return entries;
  }

  std::string ColourOf(std::size_t series) const {
    constexpr std::size_t kColours = 8;
    return "series" + std::to_string(plot_.series[series].colour.value_or(series) % kColours);
  }

  void Measure() {
    Range x{.logarithmic = plot_.x.logarithmic};
    Range y{.logarithmic = plot_.y.logarithmic};
    for (const PlotSeries& series : plot_.series) {
      for (const PlotPoint& point : series.points) AddPoint(series, point, x, y);
    }
    for (const PlotBand& band : plot_.bands) y.Add(band.low), y.Add(band.high);
    if (plot_.y.least) y.Add(*plot_.y.least);
    if (plot_.y.most) y.Add(*plot_.y.most);
    const bool from_zero = !y.logarithmic && y.low >= 0 && y.low == std::min(0.0, y.low);
    y.Widen(from_zero ? 0 : 0.04, 0.06);
    if (plot_.x.categories.empty()) {
      x.Widen(0.04, 0.04);
    } else {
      x.low = -0.5;
      x.high = static_cast<double>(plot_.x.categories.size()) - 0.5;
    }
    x_ = {x.low, x.high, kFrameLeft, kFrameRight};
    y_ = {y.low, y.high, foot_, top_};
  }

  static void AddPoint(const PlotSeries& series, const PlotPoint& point, Range& x, Range& y) {
    x.Add(point.x);
    y.Add(point.y - point.half_width.value_or(0));
    y.Add(point.y + point.half_width.value_or(0));
    for (const double value : point.values) y.Add(value);
    if (series.mark == PlotMark::kBars || series.mark == PlotMark::kSteps) y.Add(0);
  }

  double AtX(double x) const { return x_(plot_.x.logarithmic ? std::log10(x) : x); }
  double AtY(double y) const { return y_(plot_.y.logarithmic ? std::log10(y) : y); }

  void DrawBands() {
    for (const PlotBand& band : plot_.bands) {
      const double left = std::max(AtX(band.from), kFrameLeft);
      const double right = std::min(AtX(band.to), kFrameRight);
      const double top = std::max(AtY(band.high), top_);
      svg_.Rect(left, top, right - left, std::min(AtY(band.low), foot_) - top, "band",
                plot_.band_name + ": " + Format("%.4g to %.4g", band.low, band.high));
    }
  }

  void DrawGrid() {
    for (const double tick : TicksOf(plot_.y, y_, {})) {
      svg_.Line(kFrameLeft, AtY(tick), kFrameRight, AtY(tick), "grid");
      svg_.Text(kFrameLeft - 6, AtY(tick) + 4, TickText(tick), "small end muted");
    }
    svg_.Path("M" + Coordinate(kFrameLeft) + " " + Coordinate(kFrameTop) + "H" + Coordinate(kFrameRight) + "V" +
                  Coordinate(foot_) + "H" + Coordinate(kFrameLeft) + "Z",
              "frame");
    if (y_.low < 0 && y_.high > 0 && !plot_.y.logarithmic) svg_.Line(kFrameLeft, AtY(0), kFrameRight, AtY(0), "axis");
    svg_.Text(0, kFrameTop - 8, plot_.y.label, "small");
    plot_.x.categories.empty() ? DrawNumbers() : DrawCategories();
  }

  void DrawNumbers() {
    std::set<double> places;
    for (const PlotSeries& series : plot_.series) {
      for (const PlotPoint& point : series.points) {
        if (ShowsOn(plot_.x, point.x)) places.insert(point.x);
      }
    }
    constexpr std::size_t kMostPlaces = 13;
    const bool whole = std::all_of(places.begin(), places.end(), [](double x) { return x == std::round(x); });
    const bool own = plot_.x.logarithmic && whole && places.size() <= kMostPlaces;
    double free_from = 0;
    for (const double tick :
         TicksOf(plot_.x, x_, own ? std::vector(places.begin(), places.end()) : std::vector<double>())) {
      svg_.Line(AtX(tick), foot_, AtX(tick), foot_ + 4, "axis");
      const double half = TextWidth(TickText(tick), 11) / 2;
      if (AtX(tick) - half < free_from) continue;
      svg_.Text(AtX(tick), foot_ + 17, TickText(tick), "small middle muted");
      free_from = AtX(tick) + half + 6;
    }
  }

  void DrawCategories() {
    const double width = FrameWidth() / static_cast<double>(plot_.x.categories.size());
    for (std::size_t i = 0; i < plot_.x.categories.size(); ++i) {
      const std::string text = CutText(plot_.x.categories[i], width - 4, 11);
      svg_.Text(x_(static_cast<double>(i)), foot_ + 17, text, "small middle muted");
    }
  }

  static std::vector<double> TicksOf(const PlotAxis& axis, const Scale& scale, const std::vector<double>& own) {
    if (!own.empty()) return own;
    constexpr int kTicks = 6;
    if (!axis.logarithmic) return RoundTicks(scale.low, scale.high, kTicks);
    std::vector<double> ticks;
    const bool narrow = scale.high - scale.low < 2;
    for (double power = std::floor(scale.low); power <= scale.high; power += 1) {
      for (const double digit : {1.0, 2.0, 5.0}) {
        const double place = power + std::log10(digit);
        if ((digit == 1 || narrow) && place >= scale.low && place <= scale.high) ticks.push_back(std::pow(10, place));
      }
    }
    return ticks;
  }

  std::string TipOf(const PlotSeries& series, const PlotPoint& point) const {
    const auto index = static_cast<std::size_t>(std::max(0.0, point.x));
    const std::string at = index < plot_.x.categories.size() ? plot_.x.categories[index] : Format("%.6g", point.x);
    const std::string interval = point.half_width ? Format(" ± %.2g", *point.half_width) : "";
    return series.name + ", " + at + ": " + Format("%.4g", point.y) + interval;
  }

  void DrawSeries(std::size_t index) {
    const PlotSeries& series = plot_.series[index];
    if (series.mark == PlotMark::kLine || series.mark == PlotMark::kSteps) DrawPath(series, ColourOf(index));
    if (series.mark == PlotMark::kSteps) return;
    for (const PlotPoint& point : series.points) {
      if (!ShowsOn(plot_.x, point.x) || !ShowsOn(plot_.y, point.y)) continue;
      const double center = AtX(point.x) + Shift(index);
      if (series.mark == PlotMark::kBars) DrawBar(series, point, center, ColourOf(index));
      if (series.mark == PlotMark::kBoxes) DrawBox(series, point, center, ColourOf(index));
      if (point.half_width) DrawInterval(point, center);
      if (series.mark == PlotMark::kLine || series.mark == PlotMark::kDots) {
        svg_.Rect(center - kDotSize / 2, AtY(point.y) - kDotSize / 2, kDotSize, kDotSize, "dot " + ColourOf(index),
                  TipOf(series, point));
      }
    }
  }

  /// An interval may reach below what a logarithmic axis knows.
  void DrawInterval(const PlotPoint& point, double center) {
    const double low = point.y - *point.half_width;
    const double end = ShowsOn(plot_.y, low) ? AtY(low) : foot_;
    svg_.VerticalInterval(center, std::min(end, foot_), AtY(point.y + *point.half_width));
  }

  void DrawPath(const PlotSeries& series, const std::string& colour) {
    std::string path;
    for (const PlotPoint& point : series.points) {
      if (!ShowsOn(plot_.x, point.x) || !ShowsOn(plot_.y, point.y)) continue;
      const bool steps = series.mark == PlotMark::kSteps && !path.empty();
      if (steps) path += "H" + Coordinate(AtX(point.x));
      path += (path.empty() ? "M" : "L") + Coordinate(AtX(point.x)) + " " + Coordinate(AtY(point.y));
    }
    if (!path.empty()) svg_.Path(path, "line " + colour, series.name);
  }

  /// Marks that stand side by side in a category are those of bars and boxes.
  std::size_t Beside() const {
    return static_cast<std::size_t>(std::count_if(plot_.series.begin(), plot_.series.end(), StandsBeside));
  }
  static bool StandsBeside(const PlotSeries& series) {
    return series.mark == PlotMark::kBars || series.mark == PlotMark::kBoxes;
  }
  double MarkWidth() const {
    constexpr double kOfCategory = 0.8;
    const double category =
        plot_.x.categories.empty() ? 24 : FrameWidth() / static_cast<double>(plot_.x.categories.size());
    return kOfCategory * category / static_cast<double>(std::max<std::size_t>(Beside(), 1));
  }
  double Shift(std::size_t index) const {
    if (!StandsBeside(plot_.series[index])) return 0;
    return MarkWidth() * (static_cast<double>(index) - static_cast<double>(Beside() - 1) / 2);
  }

  void DrawBar(const PlotSeries& series, const PlotPoint& point, double center, const std::string& colour) {
    const double zero = plot_.y.logarithmic ? foot_ : AtY(std::clamp(0.0, y_.low, y_.high));
    const double top = std::min(zero, AtY(point.y));
    svg_.Rect(center - MarkWidth() / 2 + 0.5, top, MarkWidth() - 1, std::abs(zero - AtY(point.y)), "dot " + colour,
              TipOf(series, point));
  }

  void DrawBox(const PlotSeries& series, const PlotPoint& point, double center, const std::string& colour) {
    if (point.values.empty()) return;
    const auto [least, most] = std::minmax_element(point.values.begin(), point.values.end());
    constexpr double kLower = 0.25, kUpper = 0.75;
    const double low = Quantile(point.values, kLower), high = Quantile(point.values, kUpper);
    const double half = std::min(MarkWidth(), 46.0) / 2;
    svg_.VerticalInterval(center, AtY(*least), AtY(*most));
    svg_.Rect(
        center - half, AtY(high), 2 * half, std::max(1.0, AtY(low) - AtY(high)), "dot " + colour,
        TipOf(series, point) + Format(" on average, quartiles %.4g and %.4g, %.4g to %.4g", low, high, *least, *most));
    svg_.Line(center - half, AtY(point.y), center + half, AtY(point.y), "mean");
  }

  const Plot& plot_;
  Svg svg_;
  double top_ = 0, foot_ = 0;
  Scale x_, y_;
};

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

Svg DrawPlot(const Plot& plot) { return PlotDrawing(plot).Draw(); }

std::string PlotCsv(std::span<const Plot> plots) {
  std::string text = "panel,series,x,y,half_width\n";
  for (const Plot& plot : plots) {
    for (const PlotSeries& series : plot.series) {
      for (const PlotPoint& point : series.points) {
        const auto index = static_cast<std::size_t>(std::max(0.0, point.x));
        const std::string x =
            index < plot.x.categories.size() ? CsvField(plot.x.categories[index]) : Format("%.9g", point.x);
        const std::string place = CsvField(plot.title) + "," + CsvField(series.name) + "," + x + ",";
        text +=
            place + Format("%.9g", point.y) + "," + (point.half_width ? Format("%.4g", *point.half_width) : "") + "\n";
        for (const double value : point.values) {
          text += CsvField(plot.title) + "," + CsvField(series.name + ": one") + "," + x + Format(",%.9g,\n", value);
        }
      }
    }
  }
  return text;
}

}  // namespace dflop
