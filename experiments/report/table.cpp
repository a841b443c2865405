// The table of one point, as HTML: a policy per row with its layouts below its name, figures with their intervals.
#include <algorithm>

#include "base/text.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/page.hpp"
#include "experiments/report/trust.hpp"
#include "experiments/results/extrapolation.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/hub_note.hpp"
#include "experiments/results/training_changes.hpp"

namespace dflop {
namespace {

std::string HalfWidth(const SeedInterval& interval) {
  const std::string width = interval.half_width ? Fixed(*interval.half_width, 3) : "–";
  return "± " + width + (interval.seeds_agree ? "" : kDisagreementMark);
}

std::vector<std::string> ColumnNames(const std::vector<std::string>& baselines) {
  std::vector<std::string> names = {"Policy", "s/step ± 95 %"};
  for (const std::string& baseline : baselines) names.push_back("× " + baseline);
  names.emplace_back("Trust");
  for (const FigureField& field : FigureFields()) {
    if (field.page != nullptr) names.emplace_back(field.page);
  }
  names.emplace_back("Planning");
  return names;
}

std::string PolicyCell(const PolicyFigures& policy) {
  std::string cell = "<td data-value=\"" + EscapeXml(policy.shown()) + "\"><strong>" + EscapeXml(policy.shown()) +
                     (policy.changes_training.empty() ? "" : kTrainingMark) +
                     (IsMuchExtrapolated(policy.figures.extrapolated_fraction) ? kExtrapolatedMark : "") + "</strong>";
  for (const auto& [layout, seeds] : ChosenLayouts(policy.seeds)) {
    const bool all = StepTime(policy.seeds).seeds_agree;
    const std::string count =
        all ? "" : std::to_string(seeds) + " of " + std::to_string(policy.seeds.seeds.size()) + ": ";
    if (!layout.empty()) cell += "<small>" + EscapeXml(count + layout) + "</small>";
  }
  if (!policy.infeasible.empty())
    cell += "<small class=\"bad\">infeasible: " + EscapeXml(policy.infeasible) + "</small>";
  if (!policy.figures.fits) {
    cell += "<small class=\"bad\">does not fit";
    cell += (policy.too_large.empty() ? "" : ": " + EscapeXml(policy.too_large)) + "</small>";
  }
  return cell + "</td>";
}

std::string SpeedupCell(const PolicyFigures* baseline, const PolicyFigures& policy) {
  if (baseline == &policy) return Cell(1, "1");
  const auto speedup = SpeedupOver(baseline, policy);
  if (!speedup) return EmptyCell();
  std::string detail = HalfWidth(*speedup);
  if (const auto share = ShareFaster(baseline->under_draws, policy.under_draws)) {
    detail += (detail.empty() ? "" : ", ") + VerdictText(*share);
  }
  return Cell(speedup->mean, Fixed(speedup->mean, 3), detail);
}

/// The column's name carries the unit; below the figure stands what it is made of.
std::string FigureCell(const FigureField& field, const RunFigures& figures) {
  std::string detail;
  for (const FigureField* part : PartsOf(field)) {
    if (RoundsToNothing(figures.*part->value)) continue;
    detail += (detail.empty() ? "" : ", ") + std::string(part->part_name) + " " + InUnitOfTables(*part, figures);
  }
  return Cell(figures.*field.value, InUnitOfTables(field, figures), detail);
}

std::string PeakCell(const FigureField& field, const RunFigures& figures) {
  return "<td data-value=\"" + ShortestNumber(figures.*field.value) + "\">" + InUnitOfTables(field, figures) +
         (figures.fits ? "" : "<small class=\"bad\">does not fit</small>") + "</td>";
}

std::string FigureCells(const RunFigures& figures) {
  std::string cells;
  for (const FigureField& field : FigureFields()) {
    if (field.page == nullptr) continue;
    cells += field.value == &RunFigures::peak_memory_bytes ? PeakCell(field, figures) : FigureCell(field, figures);
  }
  return cells + Cell(figures.planning_time_s, Duration(figures.planning_time_s),
                      Duration(figures.planning_exposed_s) + " exposed");
}

/// nullptr where there is nothing to compare.
const PolicyFigures* Fastest(const PointFigures& point) {
  const PolicyFigures* fastest = nullptr;
  if (point.policies.size() < 2) return fastest;
  for (const PolicyFigures& policy : point.policies) {
    if (policy.seeds.empty() || !policy.figures.fits) continue;
    if (fastest == nullptr || StepTime(policy).mean < StepTime(*fastest).mean) fastest = &policy;
  }
  return fastest;
}

std::string TrustCell(const Trust& trust) {
  return "<td class=\"trust" + std::string(trust.is_bad ? " bad" : "") + "\" data-value=\"" +
         ShortestNumber(trust.sort_by) + "\">" + EscapeXml(trust.word) +
         (trust.detail.empty() ? "" : "<small>" + EscapeXml(trust.detail) + "</small>") + "</td>";
}

std::string Row(const Report& report, const PointFigures& point, const PolicyFigures& policy,
                const std::vector<std::string>& baselines) {
  std::string row = PolicyCell(policy);
  if (policy.seeds.empty()) {
    for (std::size_t i = 1; i < ColumnNames(baselines).size(); ++i) row += EmptyCell();
    return row;
  }
  const SeedInterval time = StepTime(policy);
  row += Cell(time.mean, Fixed(time.mean, 3), HalfWidth(time));
  for (const std::string& baseline : baselines) row += SpeedupCell(point.Find(baseline), policy);
  row += TrustCell(TrustOf(report, point, policy));
  return row + FigureCells(policy.figures);
}

}  // namespace

std::string PointTable(const Report& report, const PointFigures& point, const std::vector<std::string>& baselines) {
  std::string table =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figures of every policy\"><table>\n<thead>" +
      HeaderRow(ColumnNames(baselines)) + "</thead>\n<tbody>\n";
  const PolicyFigures* fastest = Fastest(point);
  for (const PolicyFigures& policy : point.policies) {
    table += &policy == fastest ? "<tr class=\"fastest\">" : "<tr>";
    table += Row(report, point, policy, baselines) + "</tr>\n";
  }
  table += "</tbody></table></div>\n";
  HubNote hub;
  for (const PolicyFigures& policy : point.policies) {
    hub.Add(policy.policy, policy.through_hub, policy.figures.communication_encoder_llm);
  }
  table += NoteLine(hub.Text());
  TrainingNote training;
  for (const PolicyFigures& policy : point.policies) training.Add(policy.policy, policy.changes_training);
  table += NoteLine(training.Text());
  const bool much = std::any_of(point.policies.begin(), point.policies.end(), [](const PolicyFigures& policy) {
    return IsMuchExtrapolated(policy.figures.extrapolated_fraction);
  });
  if (much) table += NoteLine(kExtrapolatedNote);
  const bool agree = std::all_of(point.policies.begin(), point.policies.end(), [](const PolicyFigures& policy) {
    return policy.seeds.empty() || StepTime(policy).seeds_agree;
  });
  if (agree) return table;
  return table + "<p class=\"note\">" + kDisagreementMark +
         " Seeds chose different layouts (under the policy's name): an interval over so few of them may be too "
         "narrow.</p>\n";
}

}  // namespace dflop
