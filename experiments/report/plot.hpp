// A figure for a paper from data alone: bars, lines, dots, steps or boxes over two axes, the legend inside the frame,
// units at the axes, and what somebody else states as a shaded band.
//
// Where a report's charts are each drawn for one question, a plot is what a figure of a publication needs; the same
// data stand beside it as a table.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/report/svg.hpp"

namespace dflop {

struct PlotPoint {
  double x = 0;  ///< on a category axis the index of the category
  double y = 0;
  std::optional<double> half_width{};  ///< of an interval around y
  std::vector<double> values{};        ///< kBoxes: what the box is of, one at least; y is their mean
};

/// kDots leaves the points alone, kLine joins them, kSteps draws a histogram's outline (x is a bin's lower edge; the
/// last point closes it), kBars stands on zero, kBoxes shows quartiles, whiskers to the extremes and the mean.
enum class PlotMark { kBars, kLine, kDots, kSteps, kBoxes };

struct PlotSeries {
  std::string name;
  PlotMark mark = PlotMark::kLine;
  std::vector<PlotPoint> points;
  /// Of the eight colours, the one of its place where none is said: a policy keeps its own from panel to panel.
  std::optional<std::size_t> colour{};
};

struct PlotAxis {
  std::string label;  ///< with its unit
  bool logarithmic = false;
  std::vector<std::string> categories{};  ///< x only: its ticks, instead of numbers
  std::optional<double> least{};          ///< that the axis shows at least; zero for bars by itself
  std::optional<double> most{};
};

/// What the source states: the y in [low, high] for x in [from, to].
struct PlotBand {
  double from = 0, to = 0, low = 0, high = 0;
};

struct Plot {
  std::string title;
  PlotAxis x;
  PlotAxis y;
  std::vector<PlotSeries> series;
  std::vector<PlotBand> bands{};
  std::string band_name{};  ///< in the legend
};

/// Points that are not finite, or not positive on a logarithmic axis, are left out.
Svg DrawPlot(const Plot& plot);

/// One line per point: panel, series, x (the category's name where there are some), y, half width; under a box the
/// values that it is of.
std::string PlotCsv(std::span<const Plot> plots);

}  // namespace dflop
