// Below a point's table: the whole run that its steps are a part of.
#include <algorithm>

#include "experiments/report/cells.hpp"
#include "experiments/report/page.hpp"
#include "experiments/report/svg.hpp"
#include "experiments/results/loading_note.hpp"
#include "experiments/results/training_table.hpp"

namespace dflop {
namespace {

std::string TrainingRow(const PolicyFigures& policy) {
  std::string row =
      "<td data-value=\"" + EscapeXml(policy.shown()) + "\"><strong>" + EscapeXml(policy.shown()) + "</strong></td>";
  for (const TrainingCell& cell : TrainingCells(policy)) row += Cell(cell.number, cell.text);
  return "<tr>" + row + "</tr>\n";
}

}  // namespace

std::string TrainingSection(const PointFigures& point) {
  LoadingNote loading;
  std::string rows;
  for (const PolicyFigures& policy : point.policies) {
    if (policy.seeds.empty()) continue;
    loading.Add(policy.policy, policy.figures);
    if (HasTraining(policy)) rows += TrainingRow(policy);
  }
  std::string html;
  for (const std::string& line : loading.Lines()) html += NoteLine(line);
  if (rows.empty()) return html;
  std::vector<std::string> columns = {"Policy"};
  for (std::string& column : TrainingColumns()) columns.push_back(std::move(column));
  return html +
         "<h3>The whole training</h3>\n<p class=\"note\">Means over the failures, in brackets the quantiles at 5 "
         "and 95 %; lost is time that is not spent in steps: writes of checkpoints, restarts, work that is done "
         "again.</p>\n<div class=\"scroll\"><table>\n<thead>" +
         HeaderRow(columns) + "</thead>\n<tbody>\n" + rows + "</tbody></table></div>\n";
}

}  // namespace dflop
