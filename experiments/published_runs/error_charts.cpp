// A colour per source; dots of one place stand beside each other by source, so that none hides another's.
#include "experiments/published_runs/error_charts.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "base/statistics.hpp"
#include "base/text.hpp"
#include "experiments/published_runs/scatter.hpp"

namespace dflop {
namespace {

constexpr double kChartWidth = 760;
constexpr double kPlotLeft = 58;
constexpr double kPlotHeight = 340;
constexpr double kFoot = 40;  // of tick texts and the label below a panel
constexpr const char* kErrorLabel = "error, %: predicted / measured − 1";

/// Sources and classes in the order of their names: "dgxc", "dgxc, experts".
class SeriesOf {
 public:
  explicit SeriesOf(const std::vector<PredictedRun>& runs) {
    for (const PredictedRun& run : runs) {
      if (run.predicted_s) series_.try_emplace(Name(run), 0);
    }
    std::size_t next = 0;
    for (auto& [name, series] : series_) series = next++;
  }

  static std::string Name(const PredictedRun& run) {
    return run.run.source + (run.run.kind == "dense" ? "" : ", " + run.run.kind);
  }
  std::size_t At(const PredictedRun& run) const { return series_.at(Name(run)); }
  std::size_t size() const { return series_.size(); }
  const std::map<std::string, std::size_t>& names() const { return series_; }

  std::vector<LegendEntry> Legend() const {
    std::vector<LegendEntry> legend;
    for (const auto& [name, series] : series_) legend.push_back({DotClasses(series), name});
    return legend;
  }
  /// Between −1/2 and 1/2.
  double Aside(const PredictedRun& run) const {
    return (static_cast<double>(At(run)) + 0.5) / static_cast<double>(size()) - 0.5;
  }

 private:
  std::map<std::string, std::size_t> series_;
};

std::vector<const PredictedRun*> WithPrediction(const std::vector<PredictedRun>& runs) {
  std::vector<const PredictedRun*> predicted;
  for (const PredictedRun& run : runs) {
    if (run.predicted_s) predicted.push_back(&run);
  }
  return predicted;
}

std::string Tip(const PredictedRun& run) {
  return run.run.source + ": " + run.run.scenario + ", measured " + Format("%.4g", run.run.step_time_s) +
         " s, predicted " + Format("%.4g s (%+.1f %%)", *run.predicted_s, 100 * run.error());
}

std::vector<double> ErrorsOf(const std::vector<const PredictedRun*>& runs) {
  std::vector<double> errors;
  errors.reserve(runs.size());
  for (const PredictedRun* run : runs) errors.push_back(run->error());
  return errors;
}

/// Title and legend; returns where the panels may begin.
double DrawHead(Svg& svg, const std::string& title, const SeriesOf& series) {
  svg.FittedText(0, 13, svg.width(), title, "strong");
  return 20 + DrawLegend(svg, 0, 20, svg.width(), series.Legend()) + 26;
}

void DrawZero(Svg& svg, const ScatterPanel& panel, const ScatterAxis& y) {
  const Scale upwards{y.low, y.high, panel.top + panel.height, panel.top};
  svg.Line(panel.left, upwards(0), panel.left + panel.width, upwards(0), "mean");
}

/// Errors over a count, its axis in powers of two.
void DrawErrorsOver(Svg& svg, const ScatterPanel& panel, const std::string& label,
                    const std::vector<const PredictedRun*>& runs, int MeasuredRun::*count, const SeriesOf& series) {
  constexpr double kAside = 0.6;  // of a power of two
  std::vector<double> counts;
  std::vector<ScatterDot> dots;
  for (const PredictedRun* run : runs) {
    counts.push_back(run->run.*count);
    dots.push_back(
        {std::log2(run->run.*count) + kAside * series.Aside(*run), run->error(), series.At(*run), Tip(*run)});
  }
  ScatterAxis x = PowersAxis(label, counts, 2);
  x.low -= kAside / 2;
  x.high += kAside / 2;
  const ScatterAxis y = ErrorAxis(kErrorLabel, ErrorsOf(runs));
  DrawScatterFrame(svg, panel, x, y);
  DrawZero(svg, panel, y);
  DrawScatterDots(svg, panel, x, y, dots);
}

}  // namespace

Svg PredictedChart(const std::vector<PredictedRun>& runs) {
  const std::string title = "Seconds per step of published runs: predicted over measured";
  Svg svg(kChartWidth, title);
  const SeriesOf series(runs);
  const std::vector<const PredictedRun*> predicted = WithPrediction(runs);
  const double top = DrawHead(svg, title, series);
  std::vector<double> seconds;
  std::vector<ScatterDot> dots;
  for (const PredictedRun* run : predicted) {
    seconds.insert(seconds.end(), {run->run.step_time_s, *run->predicted_s});
    dots.push_back({std::log10(run->run.step_time_s), std::log10(*run->predicted_s), series.At(*run), Tip(*run)});
  }
  const ScatterPanel panel{kPlotLeft, top, kChartWidth - kPlotLeft - 16, kChartWidth - kPlotLeft - 16};
  const ScatterAxis x = PowersAxis("measured, s", seconds, 10);
  ScatterAxis y = x;
  y.label = "predicted, s";
  DrawScatterFrame(svg, panel, x, y);
  svg.Line(panel.left, panel.top + panel.height, panel.left + panel.width, panel.top, "mean");
  DrawScatterDots(svg, panel, x, y, dots);
  svg.set_height(top + panel.height + kFoot);
  return svg;
}

Svg ErrorsBySourceChart(const std::vector<PredictedRun>& runs) {
  constexpr double kNames = 230;
  constexpr double kRowHeight = 22;
  const std::string title = "Error by source";
  Svg svg(kChartWidth, title);
  svg.FittedText(0, 13, kChartWidth, title, "strong");
  const SeriesOf series(runs);
  const std::vector<const PredictedRun*> predicted = WithPrediction(runs);
  const ScatterAxis x = ErrorAxis(kErrorLabel, ErrorsOf(predicted));
  const ScatterPanel panel{kNames, 28, kChartWidth - kNames - 16,
                           kRowHeight * static_cast<double>(std::max<std::size_t>(1, series.size()))};
  const ScatterAxis y{"", 0, static_cast<double>(std::max<std::size_t>(1, series.size())), {}};
  DrawScatterFrame(svg, panel, x, y);
  const Scale across{x.low, x.high, panel.left, panel.left + panel.width};
  svg.Line(across(0), panel.top, across(0), panel.top + panel.height, "mean");
  for (const auto& [name, row] : series.names()) {
    const double middle = panel.top + kRowHeight * (static_cast<double>(row) + 0.5);
    svg.FittedText(0, middle + 4, kNames - 12, name, "small");
    std::vector<double> errors;
    for (const PredictedRun* run : predicted) {
      if (series.At(*run) != row) continue;
      errors.push_back(run->error());
      svg.Rect(across(run->error()) - 3, middle - 3, 6, 6, DotClasses(row), Tip(*run));
    }
    const double median = across(Median(errors));
    svg.Line(median, middle - kRowHeight / 2 + 2, median, middle + kRowHeight / 2 - 2, "interval");
  }
  svg.set_height(panel.top + panel.height + kFoot);
  return svg;
}

Svg ErrorsByGpusChart(const std::vector<PredictedRun>& runs) {
  const std::string title = "Error by number of GPUs";
  Svg svg(kChartWidth, title);
  const SeriesOf series(runs);
  const double top = DrawHead(svg, title, series);
  const ScatterPanel panel{kPlotLeft, top, kChartWidth - kPlotLeft - 16, kPlotHeight};
  DrawErrorsOver(svg, panel, "GPUs", WithPrediction(runs), &MeasuredRun::gpus, series);
  svg.set_height(top + kPlotHeight + kFoot);
  return svg;
}

Svg ErrorsByDegreesChart(const std::vector<PredictedRun>& runs) {
  struct Degree {
    const char* label;
    int MeasuredRun::*degree;
  };
  const std::string title = "Error by tensor-, pipeline- and data-parallel degree";
  Svg svg(kChartWidth, title);
  const SeriesOf series(runs);
  const double top = DrawHead(svg, title, series);
  double y = top;
  for (const Degree& degree : {Degree{"TP", &MeasuredRun::tp}, {"PP", &MeasuredRun::pp}, {"DP", &MeasuredRun::dp}}) {
    const ScatterPanel panel{kPlotLeft, y, kChartWidth - kPlotLeft - 16, kPlotHeight / 2};
    DrawErrorsOver(svg, panel, degree.label, WithPrediction(runs), degree.degree, series);
    y += panel.height + kFoot + 20;
  }
  svg.set_height(y - 20);
  return svg;
}

}  // namespace dflop
