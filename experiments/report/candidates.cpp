// Which layouts every planner considered, folded away under the table of a point.
#include "base/text.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/page.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

std::string Row(const Candidate& candidate) {
  std::string row = "<tr><td data-value=\"" + EscapeXml(candidate.name) + "\">" + EscapeXml(candidate.name);
  if (!candidate.note.empty()) row += "<small>" + EscapeXml(candidate.note) + "</small>";
  row += "</td>";
  const double predicted_s = candidate.predicted.value();
  row += predicted_s > 0 ? Cell(predicted_s, Fixed(predicted_s, 3)) : EmptyCell();
  const double gibibytes = candidate.peak_memory.value() / kGibibyte;
  row += gibibytes > 0 ? Cell(gibibytes, Fixed(gibibytes, 1)) : EmptyCell();
  return row + "</tr>\n";
}

std::string CandidatesOf(const PolicyFigures& policy) {
  std::string html = "<details><summary>" + EscapeXml(policy.shown()) + ": " +
                     std::to_string(policy.planning.considered) +
                     (policy.planning.considered == 1 ? " layout" : " layouts") +
                     " considered</summary>\n<p class=\"note\">Why this one: " + EscapeXml(policy.planning.reason) +
                     ".</p>\n<div class=\"scroll\"><table>\n<thead>" +
                     HeaderRow({"Layout", "Predicted s/step", "Peak memory, GiB"}) + "</thead>\n<tbody>\n";
  for (const Candidate& candidate : policy.planning.candidates) html += Row(candidate);
  return html + "</tbody></table></div>\n</details>\n";
}

}  // namespace

std::string CandidateTables(const PointFigures& point) {
  std::string html;
  for (const PolicyFigures& policy : point.policies) {
    if (!policy.planning.candidates.empty()) html += CandidatesOf(policy);
  }
  return html.empty() ? html : "<h3>Layouts that planners considered</h3>\n" + html;
}

}  // namespace dflop
