// Stacked bars, a policy each: causes of idle time side by side; what a cause saves (below 0) goes to the left.
#include <algorithm>
#include <numeric>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kFigures = 52;
constexpr double kBar = 22;

/// What the bars stack.
std::vector<const FigureField*> Parts() {
  std::vector<const FigureField*> parts;
  for (const FigureField& field : FigureFields()) {
    if (field.idle_chart != nullptr) parts.push_back(&field);
  }
  return parts;
}

double Sum(const RunFigures& figures, bool positive) {
  double sum = 0;
  for (const FigureField* field : Parts()) {
    const double part = figures.*field->value;
    if ((part > 0) == positive) sum += part;
  }
  return sum;
}

Scale MakeScale(const PointFigures& point, const BarRoom& room) {
  double low = 0;
  double high = 0.01;
  for (const PolicyFigures& policy : point.policies) {
    low = std::min(low, Sum(policy.figures, false));
    high = std::max({high, Sum(policy.figures, true), policy.figures.idle_fraction});
  }
  return {low, high, room.labels + 8, room.width - kFigures};
}

void DrawParts(Svg& svg, const PolicyFigures& policy, double y, const Scale& x) {
  double right = 0;
  double left = 0;
  const std::vector<const FigureField*> parts = Parts();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double part = policy.figures.*parts[i]->value;
    if (part == 0) continue;
    double& edge = part > 0 ? right : left;
    const double from = x(std::min(edge, edge + part));
    const double to = x(std::max(edge, edge + part));
    svg.Rect(from, y, to - from, kBar - 6, "idle" + std::to_string(i),
             policy.policy + ": " + parts[i]->idle_chart + " " + Percent(part, 2) + " of all device time");
    edge += part;
  }
  const double total = policy.figures.idle_fraction;
  const double middle = y + kBar / 2 - 3;
  const std::string place = Coordinate(x(total)) + " " + Coordinate(middle);
  svg.Path("M" + place + "m-4 0l4 -5l4 5l-4 5z", "total", policy.policy + ": idle " + Percent(total, 2));
  svg.Text(std::max(x(right), x(total) + 4) + 5, middle + 4, Percent(total), "small");
}

void DrawRow(Svg& svg, const PolicyFigures& policy, const std::vector<std::string>& label, double y, double height,
             const Scale& x, const BarRoom& room) {
  svg.TextBlock(room.labels - 10, y + height / 2, label, "end");
  if (policy.infeasible.empty()) {
    DrawParts(svg, policy, y + (height - kBar) / 2 + 3, x);
  } else {
    svg.Text(x(0) + 6, y + height / 2 + 4, "infeasible", "small muted");
  }
}

}  // namespace

Svg IdleChart(const PointFigures& point, const BarRoom& room) {
  Svg svg(room.width, "Idle device time by cause, " + point.title());
  std::vector<LegendEntry> legend;
  for (const FigureField* part : Parts()) legend.push_back({"idle" + std::to_string(legend.size()), part->idle_chart});
  const double top = DrawLegend(svg, 0, 2, room.width, legend) + 12;
  const Scale x = MakeScale(point, room);
  std::vector<std::vector<std::string>> labels;
  std::vector<double> heights;
  for (const PolicyFigures& policy : point.policies) {
    labels.push_back(WrapText(policy.shown(), room.labels - 12, 3));
    heights.push_back(std::max(kBar, double(labels.back().size()) * 14) + 8);
  }
  const double bottom = std::accumulate(heights.begin(), heights.end(), top);
  for (const double tick : RoundTicks(x.low, x.high, 5)) {
    svg.Line(x(tick), top, x(tick), bottom, "grid");
    svg.Text(x(tick), bottom + 15, TickText(100 * tick) + " %", "small middle muted");
  }
  svg.Line(x(0), top - 4, x(0), bottom, "axis");
  double y = top;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    DrawRow(svg, point.policies[i], labels[i], y, heights[i], x, room);
    y += heights[i];
  }
  svg.Text(room.width / 2, bottom + 31, "share of all device time of the step; ◆ is the sum", "small middle muted");
  svg.set_height(bottom + 38);
  return svg;
}

}  // namespace dflop
