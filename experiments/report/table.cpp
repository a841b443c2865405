// The table of one point, as HTML: a policy per row with its layouts below its name, figures with their intervals.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/page.hpp"
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
  for (const char* name :
       {"TFLOP/s per GPU", "MFU, %", "Idle, %", "Bubble, %", "Im\u00ADbalance, %", "DP wait, %",
        "Commu\u00ADnication, %", "Balance gap, %", "Peak memory, GiB", "Extra\u00ADpolated, %", "Planning"}) {
    names.emplace_back(name);
  }
  return names;
}

std::string PolicyCell(const PolicyFigures& policy) {
  std::string cell = "<td data-value=\"" + EscapeXml(policy.shown()) + "\"><strong>" + EscapeXml(policy.shown()) +
                     (policy.changes_training.empty() ? "" : kTrainingMark) +
                     (IsMuchExtrapolated(policy.extrapolated_fraction) ? kExtrapolatedMark : "") + "</strong>";
  for (const auto& [layout, seeds] : ChosenLayouts(policy.seeds)) {
    const bool all = StepTime(policy.seeds).seeds_agree;
    const std::string count =
        all ? "" : std::to_string(seeds) + " of " + std::to_string(policy.seeds.seeds.size()) + ": ";
    if (!layout.empty()) cell += "<small>" + EscapeXml(count + layout) + "</small>";
  }
  if (!policy.infeasible.empty())
    cell += "<small class=\"bad\">infeasible: " + EscapeXml(policy.infeasible) + "</small>";
  if (!policy.fits) {
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

/// The column's name carries the unit.
std::string PercentCell(double fraction) { return Cell(fraction, Fixed(100 * fraction, 1)); }

/// The whole, and below it the kinds that it is made of.
std::string CommunicationCell(const PolicyFigures& policy) {
  constexpr std::array<const char*, kCommunicationKinds.size()> kNames = {"encoder → LLM", "stages", "gradients",
                                                                          "parameters"};
  std::string detail;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const double part = policy.idle[kComputeCauses.size() + i];
    if (std::abs(part) < 0.0005) continue;
    detail += (detail.empty() ? "" : ", ") + std::string(kNames[i]) + " " + Fixed(100 * part, 1);
  }
  return Cell(policy.communication, Fixed(100 * policy.communication, 1), detail);
}

std::string MetricCells(const PolicyFigures& policy) {
  std::string cells = Cell(policy.tflops_per_gpu, Fixed(policy.tflops_per_gpu, 1)) + PercentCell(policy.mfu) +
                      PercentCell(policy.idle_fraction);
  for (std::size_t i = 0; i < kComputeCauses.size(); ++i) cells += PercentCell(policy.idle[i]);
  cells += CommunicationCell(policy);
  cells += PercentCell(policy.balance_gap);
  cells += "<td data-value=\"" + ShortestNumber(policy.peak_memory_bytes) + "\">" +
           Fixed(policy.peak_memory_bytes / kGibibyte, 1) +
           (policy.fits ? "" : "<small class=\"bad\">does not fit</small>") + "</td>";
  cells += PercentCell(policy.extrapolated_fraction);
  return cells + Cell(policy.planning_time_s, Duration(policy.planning_time_s),
                      Duration(policy.planning_exposed_s) + " exposed");
}

/// nullptr where there is nothing to compare.
const PolicyFigures* Fastest(const PointFigures& point) {
  const PolicyFigures* fastest = nullptr;
  if (point.policies.size() < 2) return fastest;
  for (const PolicyFigures& policy : point.policies) {
    if (policy.seeds.empty() || !policy.fits) continue;
    if (fastest == nullptr || StepTime(policy).mean < StepTime(*fastest).mean) fastest = &policy;
  }
  return fastest;
}

std::string Row(const PointFigures& point, const PolicyFigures& policy, const std::vector<std::string>& baselines) {
  std::string row = PolicyCell(policy);
  if (policy.seeds.empty()) {
    for (std::size_t i = 1; i < ColumnNames(baselines).size(); ++i) row += EmptyCell();
    return row;
  }
  const SeedInterval time = StepTime(policy);
  row += Cell(time.mean, Fixed(time.mean, 3), HalfWidth(time));
  for (const std::string& baseline : baselines) row += SpeedupCell(point.Find(baseline), policy);
  return row + MetricCells(policy);
}

}  // namespace

std::string PointTable(const PointFigures& point, const std::vector<std::string>& baselines) {
  std::string table =
      "<div class=\"scroll\"><table>\n<thead>" + HeaderRow(ColumnNames(baselines)) + "</thead>\n<tbody>\n";
  const PolicyFigures* fastest = Fastest(point);
  for (const PolicyFigures& policy : point.policies) {
    table += &policy == fastest ? "<tr class=\"fastest\">" : "<tr>";
    table += Row(point, policy, baselines) + "</tr>\n";
  }
  table += "</tbody></table></div>\n";
  HubNote hub;
  for (const PolicyFigures& policy : point.policies) {
    hub.Add(policy.policy, policy.through_hub, policy.idle[kComputeCauses.size()]);
  }
  table += NoteLine(hub.Text());
  TrainingNote training;
  for (const PolicyFigures& policy : point.policies) training.Add(policy.policy, policy.changes_training);
  table += NoteLine(training.Text());
  const bool much = std::any_of(point.policies.begin(), point.policies.end(), [](const PolicyFigures& policy) {
    return IsMuchExtrapolated(policy.extrapolated_fraction);
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
