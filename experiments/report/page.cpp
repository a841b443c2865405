// The order of the page: the verdict, what the first scenario (or the sweep) shows for it, then everything else.
#include "experiments/report/page.hpp"

#include <algorithm>
#include <span>

#include "base/slug.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/headline.hpp"
#include "experiments/results/training_changes.hpp"

namespace dflop {
namespace {

class PageWriter {
 public:
  explicit PageWriter(const Report& report)
      : report_(report), detailed_(std::min(report.points.size(), kMostDetailedPoints)), figures_(report.pictures) {}

  ReportPage Write() {
    page_.title = EscapeXml(report_.name + " · dflop");
    UniqueSlugs slugs;
    for (std::size_t i = 0; i < detailed_; ++i) slugs_.push_back(slugs.New(report_.points[i].title(), "point"));
    page_.header = Header();
    // The chart of a sweep is its verdict, so that it comes first.
    page_.points = SweepSections(report_, figures_);
    if (detailed_ > 0) page_.points += FirstPointSection(report_, report_.points[0], slugs_[0], figures_);
    if (report_.validation) page_.points += ValidationSection(*report_.validation, figures_);
    page_.points += RegretSection();
    for (std::size_t i = 1; i < detailed_; ++i) {
      page_.points += PointSection(report_, report_.points[i], slugs_[i], figures_);
    }
    page_.footer = ProfileSection(report_) + Footer(report_);
    page_.figures = figures_.Take();
    return std::move(page_);
  }

 private:
  std::string Header() const {
    const Headline headline = MakeHeadline(report_);
    std::string html = "<h1>" + EscapeXml(report_.name) + "</h1>\n";
    if (!report_.description.empty()) html += "<p class=\"lead\">" + EscapeXml(report_.description) + "</p>\n";
    html += "<p class=\"verdict\">" + EscapeXml(headline.verdict) + "</p>\n";
    if (!headline.grounds.empty()) html += "<p class=\"note\">" + EscapeXml(headline.grounds) + "</p>\n";
    html += PolicyLines(report_) + Navigation();
    if (detailed_ == report_.points.size()) return html;
    return html + "<p class=\"note\">The first " + std::to_string(detailed_) + " of " +
           std::to_string(report_.points.size()) + " points have a section here; table.csv lists all of them.</p>\n";
  }

  std::string Navigation() const {
    if (report_.points.size() < 2) return "";
    std::string html = "<nav aria-label=\"Scenarios\"><a href=\"#all\">All</a>";
    if (report_.validation) html += "<a href=\"#validation\">Measured</a>";
    for (std::size_t i = 0; i < slugs_.size(); ++i) {
      html += "<a href=\"#" + slugs_[i] + "\">" + EscapeXml(report_.points[i].title()) + "</a>";
    }
    return html + "</nav>\n";
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
           figures_.Show("regret", RegretChart(MakeRegretTable(points))) + NoteLine(training.Text()) + "</section>\n";
  }

  const Report& report_;
  std::size_t detailed_;
  PageFigures figures_;
  std::vector<std::string> slugs_;
  ReportPage page_;
};

}  // namespace

ReportPage DrawPage(const Report& report) { return PageWriter(report).Write(); }

std::vector<std::string> BaselinesOf(const Report& report, const PointFigures& point) {
  std::vector<std::string> baselines = report.baselines;
  std::erase_if(baselines, [&](const std::string& name) { return point.Find(name) == nullptr; });
  return baselines;
}

std::string Folded(const std::string& summary, const std::string& html) {
  if (html.empty()) return "";
  return "<details class=\"fold\"><summary>" + EscapeXml(summary) + "</summary>\n" + html + "</details>\n";
}

std::string PolicyLines(const Report& report) {
  if (report.policies.empty()) {
    return NoteLine("What the policies are is not stored in this result, which an older dflop made: run it again.");
  }
  std::string html = "<dl>\n";
  for (const PolicyLine& policy : report.policies) {
    html += "<dt>" + EscapeXml(policy.policy) + "</dt><dd>" + EscapeXml(policy.line) + "</dd>\n";
  }
  const std::size_t count = report.policies.size();
  return Folded(
      "What the " + std::to_string(count) + (count == 1 ? " policy is" : " policies are") + ", in a line each",
      html + "</dl>\n");
}

}  // namespace dflop
