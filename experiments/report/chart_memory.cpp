// Stacked bars of what a stage's devices hold, a panel per policy, with a line at the capacity of one device.
#include <algorithm>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 44;
constexpr double kGap = 18;
constexpr std::size_t kColumns = 4;
constexpr double kHeader = 36;
constexpr double kPlot = 120;
constexpr double kFoot = 36;

/// Round in GiB.
std::vector<double> Ticks(const Scale& y) {
  std::vector<double> ticks = RoundTicks(0, y.high / kGibibyte, 5);
  for (double& tick : ticks) tick *= kGibibyte;
  return ticks;
}

void DrawStage(Svg& svg, const StageMemory& stage, double x, double width, const Scale& y) {
  double sum = 0;
  for (std::size_t i = 0; i < kMemoryParts.size(); ++i) {
    const double bytes = (stage.*kMemoryParts[i].bytes).value();
    if (bytes <= 0) continue;
    svg.Rect(x, y(sum + bytes), width, y(sum) - y(sum + bytes), "memory" + std::to_string(i),
             stage.module + " stage " + std::to_string(stage.stage) + ": " + kMemoryParts[i].name + " " +
                 Gibibytes(bytes) + " of " + Gibibytes(stage.total().value()));
    sum += bytes;
  }
}

/// Bars stage by stage; each module's name under its own bars.
void DrawStages(Svg& svg, const std::vector<StageMemory>& memory, double left, double width, const Scale& y) {
  const double slot = std::min(width / static_cast<double>(std::max<std::size_t>(memory.size(), 1)), 84.0);
  double module_left = left;
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const double x = left + slot * static_cast<double>(i);
    DrawStage(svg, memory[i], x + slot * 0.12, slot * 0.76, y);
    if (slot >= 14) svg.Text(x + slot / 2, y(0) + 13, std::to_string(memory[i].stage), "small middle muted");
    const bool last = i + 1 == memory.size() || memory[i + 1].module != memory[i].module;
    if (!last) continue;
    const double right = x + slot;
    svg.Line(module_left + 2, y(0) + 17, right - 2, y(0) + 17, "axis");
    svg.FittedText(module_left + 2, y(0) + 29, right - module_left, memory[i].module, "small");
    module_left = right;
  }
}

void DrawPanel(Svg& svg, const PolicyFigures& policy, double left, double top, double width, const Scale& y,
               std::optional<double> capacity) {
  svg.FittedText(left, top + 14, width, policy.shown(), "strong");
  const std::string peak = "peak " + Gibibytes(policy.figures.peak_memory_bytes);
  svg.Text(left, top + 29, policy.figures.fits ? peak : peak + ", does not fit",
           policy.figures.fits ? "small muted" : "small bad");
  for (const double tick : Ticks(y)) svg.Line(left, y(tick), left + width, y(tick), "grid");
  DrawStages(svg, policy.figures.memory, left, width, y);
  svg.Line(left, y(0), left + width, y(0), "axis");
  if (capacity) svg.Line(left, y(*capacity), left + width, y(*capacity), "capacity");
}

}  // namespace

Svg MemoryChart(const PointFigures& point) {
  Svg svg(kWidth, "Memory of every stage, " + point.title());
  std::vector<const PolicyFigures*> shown;
  double highest = point.device_memory_bytes.value_or(1);
  for (const PolicyFigures& policy : point.policies) {
    if (policy.figures.memory.empty()) continue;
    shown.push_back(&policy);
    for (const StageMemory& stage : policy.figures.memory) highest = std::max(highest, stage.total().value());
  }
  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < kMemoryParts.size(); ++i) {
    legend.push_back({"memory" + std::to_string(i), kMemoryParts[i].name});
  }
  double top = DrawLegend(svg, 0, 2, kWidth - 200, legend) + 4;
  if (point.device_memory_bytes) {
    svg.Line(kWidth - 176, 9, kWidth - 152, 9, "capacity");
    svg.Text(kWidth, 13, "one device: " + Gibibytes(*point.device_memory_bytes), "end");
  }
  const double width = (kWidth - kLeft - kGap * (kColumns - 1)) / kColumns;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const double left = kLeft + static_cast<double>(i % kColumns) * (width + kGap);
    const Scale y{0, highest * 1.04, top + kHeader + kPlot, top + kHeader};
    if (i % kColumns == 0) {
      for (const double tick : Ticks(y)) {
        svg.Text(kLeft - 5, y(tick) + 4, TickText(tick / kGibibyte) + (tick > 0 ? " GiB" : ""), "small end muted");
      }
    }
    DrawPanel(svg, *shown[i], left, top, width, y, point.device_memory_bytes);
    if (i % kColumns == kColumns - 1 || i + 1 == shown.size()) top += kHeader + kPlot + kFoot;
  }
  svg.set_height(top + 2);
  return svg;
}

}  // namespace dflop
