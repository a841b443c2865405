// Dots of 6 units, as in the other charts; a logarithmic axis shows its powers only.
#include "experiments/published_runs/scatter.hpp"

#include <algorithm>
#include <cmath>

namespace dflop {
namespace {

constexpr std::size_t kColours = 8;
constexpr double kDot = 3;

Scale Across(const ScatterPanel& panel, const ScatterAxis& x) {
  return {x.low, x.high, panel.left, panel.left + panel.width};
}
Scale Upwards(const ScatterPanel& panel, const ScatterAxis& y) {
  return {y.low, y.high, panel.top + panel.height, panel.top};
}

}  // namespace

ScatterAxis PowersAxis(const std::string& label, const std::vector<double>& values, double base) {
  ScatterAxis axis{label, 0, 1, {}};
  if (!values.empty()) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    axis.low = std::log(*least) / std::log(base);
    axis.high = std::log(*most) / std::log(base);
  }
  constexpr double kRoom = 0.06;
  const double room = std::max(kRoom * (axis.high - axis.low), 0.25);
  axis.low -= room;
  axis.high += room;
  constexpr double kMostTicks = 12;
  const double step = std::max(1.0, std::ceil((axis.high - axis.low) / kMostTicks));
  for (double power = std::ceil(axis.low); power <= axis.high; power += step) {
    axis.ticks.push_back({power, TickText(std::pow(base, power))});
  }
  return axis;
}

ScatterAxis ErrorAxis(const std::string& label, const std::vector<double>& errors) {
  constexpr double kLeast = 0.1;
  ScatterAxis axis{label, -kLeast, kLeast, {}};
  for (const double error : errors) {
    axis.low = std::min(axis.low, error);
    axis.high = std::max(axis.high, error);
  }
  constexpr double kRoom = 0.05;
  const double room = kRoom * (axis.high - axis.low);
  axis.low -= room;
  axis.high += room;
  constexpr int kTicks = 8;
  for (const double tick : RoundTicks(100 * axis.low, 100 * axis.high, kTicks)) {
    axis.ticks.push_back({tick / 100, TickText(tick)});
  }
  return axis;
}

void DrawScatterFrame(Svg& svg, const ScatterPanel& panel, const ScatterAxis& x, const ScatterAxis& y) {
  const Scale across = Across(panel, x);
  const Scale upwards = Upwards(panel, y);
  const double right = panel.left + panel.width;
  const double bottom = panel.top + panel.height;
  for (const ScatterAxis::Tick& tick : y.ticks) {
    svg.Line(panel.left, upwards(tick.at), right, upwards(tick.at), "grid");
    svg.Text(panel.left - 6, upwards(tick.at) + 4, tick.text, "small end muted");
  }
  for (const ScatterAxis::Tick& tick : x.ticks) {
    svg.Line(across(tick.at), panel.top, across(tick.at), bottom, "grid");
    svg.Text(across(tick.at), bottom + 15, tick.text, "small middle muted");
  }
  svg.Line(panel.left, bottom, right, bottom, "axis");
  svg.Line(panel.left, panel.top, panel.left, bottom, "axis");
  svg.Text(panel.left, panel.top - 6, y.label, "small muted");
  svg.Text(panel.left + panel.width / 2, bottom + 31, x.label, "small middle muted");
}

void DrawScatterDots(Svg& svg, const ScatterPanel& panel, const ScatterAxis& x, const ScatterAxis& y,
                     const std::vector<ScatterDot>& dots) {
  const Scale across = Across(panel, x);
  const Scale upwards = Upwards(panel, y);
  for (const ScatterDot& dot : dots) {
    svg.Rect(across(dot.x) - kDot, upwards(dot.y) - kDot, 2 * kDot, 2 * kDot, DotClasses(dot.series), dot.tip);
  }
}

std::string DotClasses(std::size_t series) {
  return "dot series" + std::to_string(series % kColours) + (series < kColours ? "" : " dashed");
}

}  // namespace dflop
