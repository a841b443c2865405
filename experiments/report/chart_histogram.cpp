// Shares of samples in round bins; text at the mean stands where there is room for it.
#include "experiments/report/chart_histogram.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 520;
constexpr double kLeft = 44;
constexpr double kRight = kWidth - 16;
constexpr double kTop = 28;
constexpr double kPlot = 180;

}  // namespace

Svg HistogramChart(const SampleQuantity& quantity) {
  constexpr int kBins = 40;
  const Histogram histogram = MakeHistogram(quantity.values, kBins);
  const double count = static_cast<double>(quantity.values.size());
  const double fullest = *std::max_element(histogram.counts.begin(), histogram.counts.end()) / count;
  const double bins = static_cast<double>(histogram.counts.size());
  const Scale x{histogram.low, histogram.low + bins * histogram.width, kLeft, kRight};
  const Scale y{0, 1.05 * fullest, kTop + kPlot, kTop};
  const double mean = Mean(quantity.values);
  const std::string mean_text = "mean " + TickText(std::stod(Format("%.4g", mean))) + " " + quantity.unit;

  Svg svg(kWidth, quantity.name);
  svg.FittedText(0, 13, kWidth, quantity.name + ", share of samples", "strong");
  for (const double tick : RoundTicks(0, y.high, 4)) {
    svg.Line(kLeft, y(tick), kRight, y(tick), "grid");
    svg.Text(kLeft - 6, y(tick) + 4, TickText(100 * tick) + " %", "small end muted");
  }
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double low = histogram.low + static_cast<double>(i) * histogram.width;
    const double share = histogram.counts[i] / count;
    if (share == 0) continue;
    svg.Rect(x(low) + 0.5, y(share), x(low + histogram.width) - x(low) - 1, y(0) - y(share),
             quantity.is_llm ? "llm backward" : "encoder backward",
             Format("%.4g to %.4g: %.1f %%", low, low + histogram.width, 100 * share));
  }
  svg.Line(kLeft, y(0), kRight, y(0), "axis");
  svg.Line(x(mean), kTop, x(mean), y(0), "mean");
  const bool left_half = x(mean) < (kLeft + kRight) / 2;
  svg.Text(x(mean) + (left_half ? 5 : -5), kTop + 10, mean_text, left_half ? "small" : "small end");
  for (const double tick : RoundTicks(x.low, x.high, 6)) {
    svg.Text(x(tick), y(0) + 15, TickText(tick), "small middle muted");
  }
  svg.Text((kLeft + kRight) / 2, y(0) + 31, quantity.unit, "small middle muted");
  svg.set_height(y(0) + 38);
  return svg;
}

}  // namespace dflop
