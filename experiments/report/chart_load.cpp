// Load of every microbatch over the mean, a panel per side of the model; too many bars are drawn as one outline.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 40;
constexpr double kGap = 44;
constexpr double kHeader = 24;
constexpr double kPlot = 64;
constexpr double kFoot = 16;
constexpr std::size_t kMostBars = 40;  // more are drawn as one outline

struct Panel {
  Side side = Side::kLlm;
  std::map<int, std::vector<double>> loads;  ///< by replica [microbatch], over their mean
  std::size_t bars = 0;
  double largest = 0;
  bool sampled = false;  ///< there are replicas of which the picture knows nothing
};

Panel MakePanel(const StepPicture& picture, Side side) {
  Panel panel{side, BucketLoads(picture, side)};
  double sum = 0;
  for (const auto& [replica, loads] : panel.loads) {
    panel.bars += loads.size();
    sum = std::accumulate(loads.begin(), loads.end(), sum);
  }
  const double mean = sum > 0 ? sum / static_cast<double>(panel.bars) : 1;
  for (auto& [replica, loads] : panel.loads) {
    for (double& load : loads) panel.largest = std::max(panel.largest, load /= mean);
  }
  return panel;
}

std::vector<Panel> PanelsOf(const StepPicture& picture) {
  std::vector<Panel> panels;
  std::set<int> groups;
  for (const PictureStage& stage : picture.stages) groups.insert(stage.group);
  for (const Side side : {Side::kEncoder, Side::kShared, Side::kLlm}) {
    Panel panel = MakePanel(picture, side);
    panel.sampled = groups.size() < picture.device_groups;
    if (panel.bars > 0) panels.push_back(std::move(panel));
  }
  return panels;
}

void DrawBars(Svg& svg, const Panel& panel, const Scale& x, const Scale& y) {
  const std::string classes = std::string(SideName(panel.side)) + " backward";
  const double gap = panel.bars <= 120 ? 0.15 : 0;
  double place = 0;
  for (const auto& [replica, loads] : panel.loads) {
    for (std::size_t k = 0; k < loads.size(); ++k, ++place) {
      const double load = loads[k];
      svg.Rect(x(place + gap / 2), y(load), x(1 - gap) - x(0), y(0) - y(load), classes,
               "replica " + std::to_string(replica) + ", microbatch " + std::to_string(k) + ": " + Ratio(load) +
                   " the mean");
    }
  }
}

/// Bars closer than half a pixel show as the highest of them.
void DrawOutline(Svg& svg, const Panel& panel, const Scale& x, const Scale& y) {
  std::string path = "M" + Coordinate(x(0)) + " " + Coordinate(y(0));
  const auto in_one = std::max<std::size_t>(1, static_cast<std::size_t>(0.5 / (x(1) - x(0))));
  std::size_t place = 0;
  double highest = 0;
  for (const auto& [replica, loads] : panel.loads) {
    for (const double load : loads) {
      highest = std::max(highest, load);
      if (++place % in_one != 0 && place < panel.bars) continue;
      path += "V" + Coordinate(std::round(10 * y(highest)) / 10) + "H" +
              Coordinate(std::round(10 * x(static_cast<double>(place))) / 10);
      highest = 0;
    }
  }
  svg.Path(path + "V" + Coordinate(y(0)) + "Z", std::string(SideName(panel.side)) + " backward",
           std::to_string(panel.bars) + " microbatches, the largest " + Ratio(panel.largest) + " the mean");
}

void DrawReplicaBounds(Svg& svg, const Panel& panel, const Scale& x, const Scale& y) {
  double place = 0;
  if (panel.loads.size() > 32) return;
  for (const auto& [replica, loads] : panel.loads) {
    if (place > 0) svg.Line(x(place), y(0), x(place), y(0) + 5, "axis");
    place += static_cast<double>(loads.size());
  }
}

void DrawPanel(Svg& svg, const Panel& panel, double left, double right, double top, double highest) {
  const Scale x{0, static_cast<double>(panel.bars), left, right};
  const Scale y{0, highest, top + kPlot, top};
  for (const double tick : RoundTicks(0, highest, 3)) {
    svg.Line(left, y(tick), right, y(tick), "grid");
    svg.Text(left - 5, y(tick) + 4, TickText(tick), "small end muted");
  }
  panel.bars <= kMostBars ? DrawBars(svg, panel, x, y) : DrawOutline(svg, panel, x, y);
  DrawReplicaBounds(svg, panel, x, y);
  svg.Line(left, y(0), right, y(0), "axis");
  svg.Line(left, y(1), right, y(1), "mean");
  const char* name = panel.side == Side::kEncoder ? "encoder" : panel.side == Side::kLlm ? "LLM" : "encoder and LLM";
  const std::string replicas = panel.sampled ? ", " + std::to_string(panel.loads.size()) + " replicas" : "";
  svg.Text(right, top - 7, name + replicas + ": largest " + Ratio(panel.largest) + " the mean", "small end muted");
}

}  // namespace

Svg LoadChart(const std::string& title, const std::vector<const StepPicture*>& pictures) {
  Svg svg(kWidth, "Load of every microbatch over the mean, " + title);
  std::vector<std::vector<Panel>> rows;
  double highest = 1.05;
  for (const StepPicture* picture : pictures) {
    rows.push_back(PanelsOf(*picture));
    for (const Panel& panel : rows.back()) highest = std::max(highest, panel.largest);
  }
  highest *= 1.05;
  double top = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto count = static_cast<double>(std::max<std::size_t>(rows[i].size(), 1));
    const double width = (kWidth - kLeft - kGap * (count - 1)) / count;
    svg.FittedText(0, top + 14, kLeft + width - 190, pictures[i]->shown(), "strong");
    double left = kLeft;
    for (const Panel& panel : rows[i]) {
      DrawPanel(svg, panel, left, left + width, top + kHeader, highest);
      left += width + kGap;
    }
    top += kHeader + kPlot + kFoot;
  }
  svg.set_height(top);
  return svg;
}

}  // namespace dflop
