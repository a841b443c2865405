// Bars from 1, a group per policy with a bar per baseline, and the 95 % interval on each.
#include <algorithm>

#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/training_changes.hpp"

namespace dflop {
namespace {

constexpr double kFigures = 56;  // room for the number after a bar
constexpr double kBar = 13;
constexpr double kGap = 12;

struct Bar {
  std::size_t baseline = 0;
  SeedInterval speedup;
};

struct Group {
  const PolicyFigures* policy = nullptr;
  std::vector<Bar> bars;
  std::vector<std::string> label;
  double height() const { return std::max({1.0, double(bars.size()), double(label.size()) * 1.1}) * kBar; }
};

std::vector<Group> MakeGroups(const PointFigures& point, const std::vector<std::string>& baselines,
                              const BarRoom& room) {
  std::vector<Group> groups;
  for (const PolicyFigures& policy : point.policies) {
    Group& group = groups.emplace_back();
    group.policy = &policy;
    const std::string mark = policy.changes_training.empty() ? "" : kTrainingMark;
    group.label = WrapText(policy.shown() + mark, room.labels - 12, 3);
    for (std::size_t i = 0; i < baselines.size(); ++i) {
      const auto speedup = SpeedupOver(point.Find(baselines[i]), policy);
      if (speedup) group.bars.push_back({i, *speedup});
    }
  }
  return groups;
}

Scale MakeScale(const std::vector<Group>& groups, const BarRoom& room) {
  double low = 0.95;
  double high = 1.05;
  for (const Group& group : groups) {
    for (const Bar& bar : group.bars) {
      low = std::min(low, Low(bar.speedup));
      high = std::max(high, High(bar.speedup));
    }
  }
  const double left = low < 0.95 ? kFigures : 8;  // the number of a bar to the left stands to its left
  return {low, high, room.labels + left, room.width - kFigures};
}

void DrawBar(Svg& svg, const Bar& bar, const std::string& policy, const std::string& baseline, double y,
             const Scale& x) {
  const SeedInterval& speedup = bar.speedup;
  const double end = x(speedup.mean);
  const double one = x(1);
  svg.Rect(std::min(one, end), y + 1, std::max(std::abs(end - one), 1.0), kBar - 3,
           "baseline" + std::to_string(bar.baseline % 5),
           policy + " is " + RatioWithInterval(speedup) + " as fast as " + baseline);
  const double middle = y + kBar / 2 - 0.5;
  if (speedup.half_width) svg.HorizontalInterval(x(Low(speedup)), x(High(speedup)), middle);
  const std::string text = Ratio(speedup.mean) + (speedup.seeds_agree ? "" : kDisagreementMark);
  if (speedup.mean < 1) {
    svg.Text(x(Low(speedup)) - 6, middle + 4, text, "small end");
  } else {
    svg.Text(x(High(speedup)) + 6, middle + 4, text, "small");
  }
}

void DrawGroup(Svg& svg, const Group& group, const std::vector<std::string>& baselines, double y, const Scale& x,
               const BarRoom& room) {
  svg.TextBlock(room.labels - 10, y + group.height() / 2, group.label, "end");
  double top = y + (group.height() - double(group.bars.size()) * kBar) / 2;
  for (const Bar& bar : group.bars) {
    DrawBar(svg, bar, group.policy->policy, baselines[bar.baseline], top, x);
    top += kBar;
  }
  if (!group.bars.empty()) return;
  const char* why = group.policy->infeasible.empty() ? "no comparison" : "infeasible";
  const double left = std::min(x(1) + 6, room.width - TextWidth(why, 11));
  svg.Text(left, y + group.height() / 2 + 4, why, "small muted");
}

void DrawAxis(Svg& svg, const Scale& x, double top, double bottom) {
  for (const double tick : RoundTicks(x.low, x.high, 4)) {
    svg.Line(x(tick), top, x(tick), bottom, "grid");
    svg.Text(x(tick), bottom + 15, TickText(tick) + "×", "small middle muted");
  }
  svg.Line(x(1), top - 4, x(1), bottom, "axis");
}

}  // namespace

Svg SpeedupChart(const PointFigures& point, const std::vector<std::string>& baselines, const BarRoom& room) {
  Svg svg(room.width, "Speedup over the baselines, " + point.title());
  const std::vector<Group> groups = MakeGroups(point, baselines, room);
  const Scale x = MakeScale(groups, room);
  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < baselines.size(); ++i) {
    legend.push_back({"baseline" + std::to_string(i % 5), "over " + baselines[i]});
  }
  const double top = DrawLegend(svg, 0, 2, room.width, legend) + 12;
  double bottom = top;
  for (const Group& group : groups) bottom += group.height() + kGap;
  DrawAxis(svg, x, top, bottom);
  double y = top + kGap / 2;
  for (const Group& group : groups) {
    DrawGroup(svg, group, baselines, y, x, room);
    y += group.height() + kGap;
  }
  svg.Text(room.width / 2, bottom + 31, "speedup: step time of the baseline ÷ step time of the policy",
           "small middle muted");
  svg.set_height(bottom + 38);
  return svg;
}

}  // namespace dflop
