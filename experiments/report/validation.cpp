// The section "Prediction and measurement" of the report.
#include <algorithm>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "experiments/report/cells.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/page.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

std::string HalfWidth(const Interval& interval, int decimals) {
  return interval.half_width ? "± " + Fixed(*interval.half_width, decimals) : "";
}

/// Digits that show a difference of a thousandth.
int DecimalsFor(double seconds) { return seconds >= 1 ? 3 : seconds >= 0.1 ? 4 : 5; }

std::string NameCell(const std::string& name, const std::string& detail = "") {
  return "<td data-value=\"" + EscapeXml(name) + "\"><strong>" + EscapeXml(name) + "</strong>" +
         (detail.empty() ? "" : "<small>" + EscapeXml(detail) + "</small>") + "</td>";
}

std::string PercentCell(double fraction, const char* format = "%.2f") {
  return Cell(fraction, Format(format, 100 * fraction));
}

std::string PolicyRow(const ValidatedPolicyFigures& policy, const std::string& baseline) {
  const int decimals = DecimalsFor(policy.measured_s.mean);
  const bool is_baseline = policy.policy == baseline;
  return "<tr>" + NameCell(policy.policy, is_baseline ? "baseline" : "") +
         Cell(policy.predicted_s, Fixed(policy.predicted_s, decimals)) +
         Cell(policy.measured_s.mean, Fixed(policy.measured_s.mean, decimals), HalfWidth(policy.measured_s, decimals)) +
         PercentCell(policy.measured_s.mean / policy.predicted_s - 1, "%+.2f") +
         Cell(policy.predicted_speedup, Fixed(policy.predicted_speedup, 3)) +
         Cell(policy.measured_speedup.mean, Fixed(policy.measured_speedup.mean, 3),
              is_baseline ? "" : HalfWidth(policy.measured_speedup, 3)) +
         Cell(policy.mean_replay_error, Fixed(100 * policy.mean_replay_error, 2),
              "at most " + Fixed(100 * policy.most_replay_error, 2)) +
         Cell(policy.rejected, std::to_string(policy.rejected),
              policy.disturbed > 0 ? std::to_string(policy.disturbed) + " kept" : "") +
         "</tr>\n";
}

std::string PolicyTable(const ValidatedScenarioFigures& scenario) {
  std::string table = "<div class=\"scroll\"><table>\n<thead>" +
                      HeaderRow({"Policy", "Predicted s/step", "Measured s/step ± 95 %", "Error, %",
                                 "Predicted speedup", "Measured speedup ± 95 %", "Replay error, %", "Rejected"}) +
                      "</thead>\n<tbody>\n";
  for (const ValidatedPolicyFigures& policy : scenario.policies) table += PolicyRow(policy, scenario.baseline);
  return table + "</tbody></table></div>\n";
}

std::string CostTable(const ValidatedScenarioFigures& scenario) {
  std::string table =
      "<details><summary>Costs of single operations, predicted and measured</summary>\n<div "
      "class=\"scroll\"><table>\n<thead>" +
      HeaderRow({"Policy", "Operations", "Count", "Predicted, s", "Measured, s", "Measured over predicted",
                 "Median error, %", "90th percentile, %"}) +
      "</thead>\n<tbody>\n";
  for (const ValidatedPolicyFigures& policy : scenario.policies) {
    for (const CostFigures& cost : policy.costs) {
      std::string name = cost.name;
      std::replace(name.begin(), name.end(), '_', ' ');
      const bool predicted = cost.predicted_s > 0;
      table += "<tr>" + NameCell(policy.policy) + "<td>" + EscapeXml(name) + "</td>" +
               Cell(cost.operations, std::to_string(cost.operations)) +
               Cell(cost.predicted_s, Format("%.4g", cost.predicted_s)) +
               Cell(cost.measured_s, Format("%.4g", cost.measured_s)) +
               (predicted ? Cell(cost.measured_s / cost.predicted_s, Fixed(cost.measured_s / cost.predicted_s, 3))
                          : EmptyCell()) +
               PercentCell(cost.median_error) + PercentCell(cost.p90_error) + "</tr>\n";
    }
  }
  return table + "</tbody></table></div></details>\n";
}

std::string Joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

/// What the measurement says about the predicted order, in one or two sentences.
std::string OrderSentence(const ValidatedScenarioFigures& scenario) {
  std::string text = "Predicted order, fastest first: " + Joined(scenario.predicted_order, " < ") + ". ";
  if (scenario.measured_order == scenario.predicted_order) {
    text += "The mean measured times have the same order";
  } else {
    text += "Measured: " + Joined(scenario.measured_order, " < ");
  }
  text += " (Kendall's tau " + Fixed(scenario.kendall_tau, 2) + "). ";
  text += scenario.contradicted.empty()
              ? "No pair is contradicted by more than its 95 % interval"
              : "Contradicted by more than the 95 % interval: " + Joined(scenario.contradicted, "; ");
  if (!scenario.not_separable.empty()) {
    text += "; not told apart by the measurement: " + Joined(scenario.not_separable, "; ");
  }
  return text + ".";
}

std::string Conditions(const ValidationFigures& validation, const ValidatedScenarioFigures& scenario) {
  std::string text = "Backend " + validation.backend + ", " + std::to_string(scenario.ranks) + " " +
                     (scenario.ranks == 1 ? "rank" : "ranks") + " as " + scenario.ranks_are + ", " +
                     std::to_string(scenario.steps) + (scenario.steps == 1 ? " step × " : " steps × ") +
                     std::to_string(validation.repeats) + (validation.repeats == 1 ? " repeat" : " repeats");
  if (validation.time_scale != 1) text += Format(", %g real seconds per second shown", validation.time_scale);
  if (!validation.device.empty()) text += "; costs measured on " + validation.device;
  return text + ".";
}

std::vector<const StepPicture*> PicturesOf(const ValidatedScenarioFigures& scenario) {
  std::vector<const StepPicture*> pictures;
  for (const ValidatedPolicyFigures& policy : scenario.policies) {
    for (const StepPicture& picture : policy.pictures) pictures.push_back(&picture);
  }
  return pictures;
}

}  // namespace

std::string ValidationSection(const ValidationFigures& validation, PageFigures& figures) {
  std::string html =
      "<section id=\"validation\">\n<h2>Prediction and measurement</h2>\n<p class=\"note\">The plans were executed. "
      "Step times are means over steps and repeats, which took turns over the policies; ± is half of the 95 % "
      "interval, for speedups paired step by step and repeat by repeat. Replay error: the measured times of all "
      "operations, put through the simulator, against the measured step; it is what dependencies and the executor "
      "cost that the simulator does not know. Rejected: executions that other processes disturbed, which were run "
      "again; kept: the last attempt was disturbed too.</p>\n";
  UniqueSlugs slugs;
  for (const ValidatedScenarioFigures& scenario : validation.scenarios) {
    html += "<h3>" + EscapeXml(scenario.scenario) + "</h3>\n<p class=\"summary\">" +
            EscapeXml(OrderSentence(scenario)) + "</p>\n<p class=\"note\">" +
            EscapeXml(Conditions(validation, scenario)) + "</p>\n" + PolicyTable(scenario) + CostTable(scenario);
    const std::vector<const StepPicture*> pictures = PicturesOf(scenario);
    if (pictures.empty()) continue;
    html +=
        "<p class=\"note\">The first step of every policy, predicted and as measured in the repeat of median time, "
        "on one time axis.</p>\n" +
        figures.ShowTimeline("validation-" + slugs.New(scenario.scenario, "scenario"),
                             scenario.scenario + ", predicted and measured", pictures);
  }
  return html + "</section>\n";
}

}  // namespace dflop
