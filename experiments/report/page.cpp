// Section by section in the order of the page; every figure is kept as a file under the name of its point.
#include "experiments/report/page.hpp"

#include <algorithm>
#include <map>
#include <span>

#include "base/error.hpp"
#include "base/slug.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/training_changes.hpp"

namespace dflop {
namespace {

class PageWriter {
 public:
  explicit PageWriter(const Report& report)
      : report_(report), detailed_(std::min(report.points.size(), kMostDetailedPoints)) {}

  ReportPage Write() {
    page_.title = EscapeXml(report_.name + " · dflop");
    for (std::size_t i = 0; i < detailed_; ++i) slugs_.push_back(used_slugs_.New(report_.points[i].title(), "point"));
    page_.header = Header();
    page_.points = report_.validation ? ValidationSection(*report_.validation, page_.figures) : "";
    page_.points += RegretSection() + SweepSections();
    for (std::size_t i = 0; i < detailed_; ++i) page_.points += PointSection(report_.points[i], slugs_[i]);
    page_.footer = ProfileSection(report_) + Footer(report_);
    return std::move(page_);
  }

 private:
  /// Keeps the picture as a file and returns it for the page.
  std::string Figure(const std::string& name, Svg svg) {
    const std::string html = "<figure>\n" + svg.Inline() + "</figure>\n";
    page_.figures.push_back({name, std::move(svg)});
    return html;
  }

  std::string Header() const {
    std::string html = "<h1>" + EscapeXml(report_.name) + "</h1>\n";
    if (!report_.description.empty()) html += "<p class=\"lead\">" + EscapeXml(report_.description) + "</p>\n";
    if (!report_.engine.empty()) html += "<p class=\"muted\">Engine: " + EscapeXml(report_.engine) + "</p>\n";
    if (report_.points.size() < 2) return html;
    html += "<nav aria-label=\"Scenarios\"><a href=\"#all\">All</a>";
    if (report_.validation) html += "<a href=\"#validation\">Measured</a>";
    for (std::size_t i = 0; i < slugs_.size(); ++i) {
      html += "<a href=\"#" + slugs_[i] + "\">" + EscapeXml(report_.points[i].title()) + "</a>";
    }
    html += "</nav>\n";
    if (detailed_ == report_.points.size()) return html;
    return html + "<p class=\"note\">The first " + std::to_string(detailed_) + " of " +
           std::to_string(report_.points.size()) + " points have a section here; table.csv lists all of them.</p>\n";
  }

  std::string PointSection(const PointFigures& point, const std::string& slug) {
    const std::vector<std::string> baselines = BaselinesOf(point);
    std::string html = "<section class=\"point\" id=\"" + slug + "\">\n<h2>" + EscapeXml(point.title()) + "</h2>\n";
    html += "<p class=\"summary\">" + EscapeXml(Summary(point, baselines)) + "</p>\n";
    html += PointTable(point, baselines) + RunsNote(point) + TrainingSection(point);
    html += "<div class=\"pair\">\n<div><h3>Speedup over the baselines</h3>\n" +
            Figure(slug + "-speedup", SpeedupChart(point, baselines)) +
            "</div>\n<div><h3>Idle device time by cause</h3>\n" + Figure(slug + "-idle", IdleChart(point)) +
            "</div>\n</div>\n";
    html += StepFigures(point, slug);
    html += ClusterFigure(point, slug) + CandidateTables(point);
    const bool any_memory = std::any_of(point.policies.begin(), point.policies.end(),
                                        [](const PolicyFigures& policy) { return !policy.figures.memory.empty(); });
    if (any_memory) {
      html +=
          "<h3>Memory of every stage (largest replica)</h3>\n<p class=\"note\">Numbers under the bars are stages of "
          "the module. Where modules share a device, their bars add up.</p>\n" +
          Figure(slug + "-memory", MemoryChart(point));
    }
    return html + "</section>\n";
  }

  /// Nothing where a result describes its cluster otherwise than this program does.
  std::string ClusterFigure(const PointFigures& point, const std::string& slug) {
    if (point.cluster.is_null()) return "";
    try {
      const ClusterSpec cluster = ReadCluster(JsonReader(point.cluster, "result.json"));
      return "<h3>The cluster</h3>\n" + Figure(slug + "-cluster", ClusterChart(cluster)) + TrafficTable(point);
    } catch (const InputError&) {
      return TrafficTable(point);
    }
  }

  std::string RegretSection() {
    const auto points = std::span(report_.points).first(detailed_);
    if (!HasRegrets(points)) return "";
    TrainingNote training;
    for (const PointFigures& point : points) {
      for (const PolicyFigures& policy : point.policies) training.Add(policy.policy, policy.changes_training);
    }
    return "<section>\n<h2>Regret of every policy</h2>\n<p class=\"note\">How much longer a step takes than under the "
           "best policy of the same row: the fastest of those that ran there and fit, which need not be the best there "
           "is. Bars are 95 % intervals, paired by seed. The figures are in table.csv.</p>\n" +
           Figure("regret", RegretChart(MakeRegretTable(points))) + NoteLine(training.Text()) + "</section>\n";
  }

  /// A scenario with policies of its own may lack some of the experiment's baselines.
  std::vector<std::string> BaselinesOf(const PointFigures& point) const {
    std::vector<std::string> baselines = report_.baselines;
    std::erase_if(baselines, [&](const std::string& name) { return point.Find(name) == nullptr; });
    return baselines;
  }

  static std::string RunsNote(const PointFigures& point) {
    for (const PolicyFigures& policy : point.policies) {
      if (policy.seeds.empty()) continue;
      const std::size_t seeds = policy.seeds.seeds.size();
      return "<p class=\"note\">" + std::to_string(seeds) + (seeds == 1 ? " seed, " : " seeds, ") +
             std::to_string(policy.seeds.steps) + (policy.seeds.steps == 1 ? " step" : " steps") +
             " in all; ± is half of a 95 % interval over the seeds. Click a column to sort. × columns are speedups "
             "over that baseline.</p>\n";
    }
    return "";
  }

  /// The timelines of a point in the order of its policies. A sweep keeps those of its first point only.
  std::vector<const StepPicture*> PicturesOf(const PointFigures& point) const {
    const auto first = std::find_if(report_.points.begin(), report_.points.end(), [&](const PointFigures& candidate) {
      return candidate.scenario == point.scenario;
    });
    std::vector<const StepPicture*> found;
    if (&*first != &point) return found;
    for (const PolicyFigures& policy : point.policies) {
      for (const StepPicture& picture : report_.pictures) {
        if (picture.policy == policy.policy && picture.scenario == point.scenario) found.push_back(&picture);
      }
    }
    return found;
  }

  std::string StepFigures(const PointFigures& point, const std::string& slug) {
    const std::vector<const StepPicture*> pictures = PicturesOf(point);
    if (pictures.empty()) {
      return "<p class=\"note\">No timeline is stored for this point, so no picture of a step is drawn.</p>\n";
    }
    return "<h3>One step of every policy</h3>\n<p class=\"note\">First step of the first seed, on one time axis. A row "
           "is a device group: module, replica (r) and stage (s); numbers are microbatches; gaps are idle "
           "time.</p>\n" +
           Figure(slug + "-pipeline", PipelineChart(point.title(), pictures, MostEvents())) +
           "<h3>Load of every microbatch</h3>\n<p class=\"note\">Forward and backward time of each microbatch over "
           "the mean of its module, replica by replica; level bars are a balanced batch.</p>\n" +
           Figure(slug + "-load", LoadChart(point.title(), pictures));
  }

  /// Of one picture: all of them share what a browser still scrolls through lightly.
  std::size_t MostEvents() const {
    constexpr std::size_t kOfPage = 16'000;
    return std::min(kMostEvents, kOfPage / std::max<std::size_t>(report_.pictures.size(), 1));
  }

  /// Points that differ along `axis` only, for every setting of the other axes.
  std::vector<std::vector<const PointFigures*>> LinesAlong(const std::string& axis) const {
    std::vector<std::vector<const PointFigures*>> groups;
    std::map<std::string, std::size_t> group_of;  // by the title without the axis
    for (const PointFigures& point : report_.points) {
      PointFigures fixed{point.scenario, point.point, {}, {}, {}};
      if (std::erase_if(fixed.point, [&](const auto& entry) { return entry.first == axis; }) == 0) continue;
      const auto [place, is_new] = group_of.emplace(fixed.title(), groups.size());
      if (is_new) groups.emplace_back();
      groups[place->second].push_back(&point);
    }
    std::erase_if(groups, [](const auto& group) { return group.size() < 2; });
    return groups;
  }

  std::string SweepSections() {
    std::vector<std::string> axes;
    for (const PointFigures& point : report_.points) {
      for (const auto& [axis, value] : point.point) {
        if (std::find(axes.begin(), axes.end(), axis) == axes.end()) axes.push_back(axis);
      }
    }
    std::string html;
    for (const std::string& axis : axes) {
      for (const auto& points : LinesAlong(axis)) html += SweepSection(axis, points);
    }
    return html;
  }

  std::string SweepSection(const std::string& axis, const std::vector<const PointFigures*>& points) {
    PointFigures fixed = *points.front();
    std::erase_if(fixed.point, [&](const auto& entry) { return entry.first == axis; });
    const std::string name = Slug(fixed.title() + " over " + axis, "point");
    std::string html = "<section>\n<h2>" + EscapeXml(fixed.title()) + ": over " + EscapeXml(axis.substr(1)) +
                       "</h2>\n<p class=\"note\">Bars are 95 % intervals; a cross at the foot is an infeasible "
                       "point, its reason shows on hover and in its table.</p>\n<div class=\"pair\">\n" +
                       Figure(name + "-time", SweepChart(axis, points, ""));
    for (std::size_t i = 0; i < report_.baselines.size(); ++i) {
      html += Figure(name + "-speedup-" + std::to_string(i + 1), SweepChart(axis, points, report_.baselines[i]));
    }
    return html + "</div>\n</section>\n";
  }

  const Report& report_;
  std::size_t detailed_;
  std::vector<std::string> slugs_;
  UniqueSlugs used_slugs_;
  ReportPage page_;
};

}  // namespace

ReportPage DrawPage(const Report& report) { return PageWriter(report).Write(); }

}  // namespace dflop
