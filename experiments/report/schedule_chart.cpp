// Forward light, backward dark, the weights' half between them, as everywhere in the report.
#include "experiments/report/schedule_chart.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kChartWidth = 960, kLeft = 70, kTop = 34, kRowHeight = 22, kRowPitch = 26;
constexpr double kNarrowestNumber = 14;  ///< operations below it carry no number

std::string ClassOf(OpKind kind) {
  if (kind == OpKind::kForward) return "llm forward";
  return kind == OpKind::kBackwardWeight ? "llm weight_gradient" : "llm backward";
}

void DrawDevice(Svg& svg, const std::vector<TimedOp>& device, double y, double per_second) {
  for (const TimedOp& one : device) {
    const double x = kLeft + one.start.value() * per_second;
    const double width = (one.end - one.start).value() * per_second;
    const std::string tip = std::string(KindName(one.op.kind)) + " of microbatch " + std::to_string(one.op.microbatch) +
                            ", chunk " + std::to_string(one.op.chunk) + ": " + ShortestNumber(one.start.value()) + "–" +
                            ShortestNumber(one.end.value()) + " s";
    svg.Rect(x, y, width, kRowHeight, ClassOf(one.op.kind), tip);
    if (width < kNarrowestNumber) continue;
    const bool forward = one.op.kind == OpKind::kForward;
    svg.Text(x + width / 2, y + kRowHeight - 6, std::to_string(one.op.microbatch),
             forward ? "middle forward-number" : "middle backward-number");
  }
}

}  // namespace

Svg ScheduleChart(const TimedOrders& run, const std::string& title) {
  Svg svg(kChartWidth, "Pipeline schedule " + title);
  const double per_second = (kChartWidth - kLeft - 10) / std::max(run.makespan.value(), 1e-30);
  svg.Text(0, 16,
           title + ": makespan " + ShortestNumber(run.makespan.value()) + " s, " +
               Fixed(100 * run.bubble_of_makespan(), 1) + " % idle; light: forward, dark: backward");
  for (std::size_t device = 0; device < run.devices.size(); ++device) {
    const double y = kTop + kRowPitch * static_cast<double>(device);
    svg.Text(0, y + kRowHeight - 6, "device " + std::to_string(device));
    DrawDevice(svg, run.devices[device], y, per_second);
  }
  svg.set_height(kTop + kRowPitch * static_cast<double>(run.devices.size()) + 6);
  return svg;
}

}  // namespace dflop
