// A panel of dots over two axes: what the charts of published runs are made of.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "experiments/report/svg.hpp"

namespace dflop {

/// Values are already on the axis' scale (a logarithm, where it is one); ticks carry their own texts.
struct ScatterAxis {
  std::string label;
  double low = 0;
  double high = 1;
  struct Tick {
    double at = 0;
    std::string text;
  };
  std::vector<Tick> ticks;
};

struct ScatterDot {
  double x = 0;
  double y = 0;
  std::size_t series = 0;
  std::string tip;
};

struct ScatterPanel {
  double left = 0, top = 0, width = 0, height = 0;  ///< of the plot itself; labels stand around it
};

/// Powers of `base` with their texts, and room around the values; of values > 0.
ScatterAxis PowersAxis(const std::string& label, const std::vector<double>& values, double base);
/// A linear axis in per cent that holds zero, for errors.
ScatterAxis ErrorAxis(const std::string& label, const std::vector<double>& errors);

/// Axes with their grid; the label of y stands above the panel. Errors' zero is drawn heavier.
void DrawScatterFrame(Svg& svg, const ScatterPanel& panel, const ScatterAxis& x, const ScatterAxis& y);
void DrawScatterDots(Svg& svg, const ScatterPanel& panel, const ScatterAxis& x, const ScatterAxis& y,
                     const std::vector<ScatterDot>& dots);

/// Colours repeat after eight series; the second eight have an outline.
std::string DotClasses(std::size_t series);

}  // namespace dflop
