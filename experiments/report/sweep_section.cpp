// A block of charts for every axis of a sweep and every setting of the others.
#include <algorithm>
#include <map>
#include <set>

#include "base/slug.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/page.hpp"

namespace dflop {
namespace {

using SweepLine = std::vector<const PointFigures*>;

PointFigures WithoutAxis(const PointFigures& point, const std::string& axis) {
  PointFigures fixed{point.scenario, point.point, {}, {}, {}, {}};
  std::erase_if(fixed.point, [&](const auto& entry) { return entry.first == axis; });
  return fixed;
}

/// Points that differ along `axis` only, for every setting of the other axes.
std::vector<SweepLine> LinesAlong(const Report& report, const std::string& axis) {
  std::vector<SweepLine> groups;
  std::map<std::string, std::size_t> group_of;  // by the title without the axis
  for (const PointFigures& point : report.points) {
    const PointFigures fixed = WithoutAxis(point, axis);
    if (fixed.point.size() == point.point.size()) continue;
    const auto [place, is_new] = group_of.emplace(fixed.title(), groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(&point);
  }
  std::erase_if(groups, [](const auto& group) { return group.size() < 2; });
  return groups;
}

/// Throughput, efficiency and cost per sample say how a cluster scales: only where the axis changes its size.
bool ChangesTheCluster(const SweepLine& points) {
  std::set<int> gpus;
  for (const PointFigures* point : points) gpus.insert(GpusOf(*point));
  return gpus.size() > 1 && !gpus.contains(0);
}

std::string Charts(const Report& report, const std::string& axis, const SweepLine& points, const std::string& name,
                   PageFigures& figures) {
  const auto show = [&](const std::string& what, const SweepMeasure& measure) {
    return figures.Show(name + "-" + what, SweepChart(axis, points, measure));
  };
  std::string html = "<div class=\"pair\">\n";
  for (std::size_t i = 0; i < report.baselines.size(); ++i) {
    html += show("speedup-" + std::to_string(i + 1), {SweepFigure::kSpeedup, report.baselines[i]});
  }
  html += show("time", {SweepFigure::kStepTime}) + show("throughput", {SweepFigure::kThroughput});
  if (ChangesTheCluster(points)) {
    html += show("efficiency", {SweepFigure::kEfficiency}) + show("cost", {SweepFigure::kGpuTime});
  }
  return html + "</div>\n";
}

std::string Section(const Report& report, const std::string& axis, const SweepLine& points, PageFigures& figures) {
  const std::string fixed = WithoutAxis(*points.front(), axis).title();
  return "<section>\n<h2>" + EscapeXml(fixed) + ": over " + EscapeXml(ShortAxisName(axis)) +
         "</h2>\n<p class=\"note\">The axis is " + EscapeXml(axis) +
         " of the scenario. Bars are 95 % intervals; a cross at the foot is an infeasible point, its reason shows on "
         "hover and in its table.</p>\n" +
         Charts(report, axis, points, Slug(fixed + " over " + axis, "point"), figures) + "</section>\n";
}

}  // namespace

std::string SweepSections(const Report& report, PageFigures& figures) {
  std::vector<std::string> axes;
  for (const PointFigures& point : report.points) {
    for (const auto& [axis, value] : point.point) {
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) axes.push_back(axis);
    }
  }
  std::string html;
  for (const std::string& axis : axes) {
    for (const SweepLine& points : LinesAlong(report, axis)) html += Section(report, axis, points, figures);
  }
  return html;
}

}  // namespace dflop
