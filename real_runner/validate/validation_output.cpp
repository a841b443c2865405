// Tables are padded by columns on a terminal, not by bytes: names may hold any characters.
#include "real_runner/validate/validation_output.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace dflop {
namespace {

Json ToJson(const Interval& interval) {
  Json json;
  json["mean"] = interval.mean;
  if (interval.half_width) json["half_width"] = *interval.half_width;
  return json;
}

Json ToJson(const std::vector<CostError>& errors) {
  Json list = Json::EmptyArray();
  for (const CostError& error : errors) {
    Json json;
    json["name"] = error.name;
    json["operations"] = error.operations;
    json["predicted_s"] = error.predicted_s;
    json["measured_s"] = error.measured_s;
    json["median_error"] = error.median_error;
    json["p90_error"] = error.p90_error;
    list.push_back(std::move(json));
  }
  return list;
}

Json ToJson(const PolicyComparison& policy, const ValidationFiles& files) {
  Json json;
  json["policy"] = policy.policy;
  json["predicted_s"] = policy.predicted_s;
  json["measured_s"] = ToJson(policy.measured_s);
  json["predicted_speedup"] = policy.predicted_speedup;
  json["measured_speedup"] = ToJson(policy.measured_speedup);
  json["replay_error"]["mean"] = policy.mean_replay_error;
  json["replay_error"]["max"] = policy.most_replay_error;
  json["cost_error"]["kinds"] = ToJson(policy.kinds);
  json["cost_error"]["modules"] = ToJson(policy.modules);
  json["executions"] = policy.executions;
  json["rejected"] = policy.rejected;
  json["disturbed"] = policy.disturbed;
  json["executor_share"] = policy.most_executor_share;
  json["plan"] = files.plan;
  json["predicted_timeline"] = files.predicted_timeline;
  json["measured_timeline"] = files.measured_timeline;
  json["measured_timeline_repeat"] = files.repeat;
  return json;
}

Json ToJson(const std::vector<PolicyPair>& pairs) {
  Json list = Json::EmptyArray();
  for (const auto& [first, second] : pairs) list.push_back(Json(Json::Array{first, second}));
  return list;
}

Json ToJson(const RankAgreement& ranking) {
  Json json;
  json["predicted"] = Json::ArrayOf(ranking.predicted);
  json["measured"] = Json::ArrayOf(ranking.measured);
  json["kendall_tau"] = ranking.kendall_tau;
  json["contradicted"] = ToJson(ranking.contradicted);
  json["not_separable"] = ToJson(ranking.not_separable);
  return json;
}

Json ToJson(const ValidatedScenario& scenario) {
  Json json;
  json["name"] = scenario.comparison.scenario;
  json["baseline"] = scenario.comparison.baseline;
  json["ranks"] = scenario.ranks;
  json["ranks_are"] = scenario.processes ? "processes" : "threads";
  json["steps"] = scenario.steps;
  json["most_lost_share"] = scenario.most_lost;
  json["policies"] = Json::EmptyArray();
  for (std::size_t i = 0; i < scenario.files.size(); ++i) {
    json["policies"].push_back(ToJson(scenario.comparison.policies[i], scenario.files[i]));
  }
  json["ranking"] = ToJson(scenario.comparison.ranking);
  return json;
}

using Row = std::vector<std::string>;

/// The first row names the columns.
std::string Table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - Columns(row[i]), ' ');
      text += i == 0 ? "| " + row[i] + blanks : " | " + blanks + row[i];
    }
    text += " |\n";
    if (&row != &rows.front()) continue;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i == 0 ? "|" + std::string(widths[i] + 2, '-') : "|" + std::string(widths[i] + 1, '-') + ":";
    }
    text += "|\n";
  }
  return text;
}

std::string Percent(double fraction) { return Fixed(100 * fraction, 2) + " %"; }
std::string SignedPercent(double fraction) { return Format("%+.2f %%", 100 * fraction); }

std::string WithHalfWidth(const Interval& interval, int decimals) {
  const std::string mean = Fixed(interval.mean, decimals);
  return interval.half_width ? mean + " ± " + Fixed(*interval.half_width, decimals) : mean;
}

std::string StepTable(const ScenarioComparison& scenario) {
  std::vector<Row> rows = {{"policy", "predicted s", "measured s", "error", "predicted speedup", "measured speedup",
                            "replay error, mean", "most", "executor", "rejected", "disturbed"}};
  for (const PolicyComparison& policy : scenario.policies) {
    const bool baseline = policy.policy == scenario.baseline;
    rows.push_back({policy.policy, Fixed(policy.predicted_s, 4), WithHalfWidth(policy.measured_s, 4),
                    SignedPercent(policy.measured_s.mean / policy.predicted_s - 1),
                    baseline ? "1" : Fixed(policy.predicted_speedup, 3),
                    baseline ? "1" : WithHalfWidth(policy.measured_speedup, 3), Percent(policy.mean_replay_error),
                    Percent(policy.most_replay_error), Percent(policy.most_executor_share),
                    std::to_string(policy.rejected), std::to_string(policy.disturbed)});
  }
  return Table(rows);
}

std::string CostTable(const ScenarioComparison& scenario) {
  std::vector<Row> rows = {{"policy", "operations", "count", "predicted s", "measured s", "measured / predicted",
                            "median error", "90th percentile"}};
  const auto add = [&](const PolicyComparison& policy, const CostError& error) {
    std::string name = error.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    rows.push_back({policy.policy, name, std::to_string(error.operations), Fixed(error.predicted_s, 4),
                    Fixed(error.measured_s, 4), error.predicted_s > 0 ? Fixed(error.ratio(), 3) : "–",
                    Percent(error.median_error), Percent(error.p90_error)});
  };
  for (const PolicyComparison& policy : scenario.policies) {
    for (const CostError& error : policy.kinds) add(policy, error);
    for (const CostError& error : policy.modules) add(policy, error);
  }
  return Table(rows);
}

std::string InOrder(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " < ") + name;
  return text;
}

std::string Pairs(const std::vector<PolicyPair>& pairs) {
  std::string text;
  for (const auto& [first, second] : pairs) {
    text += (text.empty() ? "" : "; ") + first;
    text += " – " + second;
  }
  return text.empty() ? "none" : text;
}

std::string Ranking(const RankAgreement& ranking) {
  const std::size_t count = ranking.predicted.size();
  return "Fastest first, predicted: " + InOrder(ranking.predicted) +
         "\n\nFastest first, measured: " + InOrder(ranking.measured) +
         "\n\nPairs: " + std::to_string(count * (count - 1) / 2) +
         ". Measured the other way round than predicted: " + Pairs(ranking.contradicted) +
         ". Apart by less than their 95 % interval: " + Pairs(ranking.not_separable) +
         ". Kendall's tau of the means: " + Fixed(ranking.kendall_tau, 2) + ".\n";
}

std::string Conditions(const Validation& validation, const ValidatedScenario& scenario) {
  const auto counted = [](std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
  };
  const std::string ranks = scenario.ranks == 1 ? "1 rank" : std::to_string(scenario.ranks) + " ranks";
  return "Backend " + validation.backend + ", " + ranks + (scenario.processes ? " as processes" : " as threads") +
         (validation.time_scale == 1 ? "" : Format(", %g real seconds per predicted one", validation.time_scale)) +
         "; " + counted(scenario.steps, "step") + " × " +
         counted(static_cast<std::size_t>(validation.repeats), "repeat") + " of every policy in turn, after " +
         counted(static_cast<std::size_t>(validation.warm_up), "repeat") + " to warm up. A step that lost more than " +
         Percent(scenario.most_lost) + " of its time to other processes was rejected and run again, " +
         counted(static_cast<std::size_t>(validation.attempts), "time") + " at most; a disturbed one was the last.\n";
}

}  // namespace

Json ToJson(const Validation& validation) {
  Json json;
  json["schema"] = "dflop/validation/1";
  json["experiment"] = validation.experiment;
  json["backend"] = validation.backend;
  if (!validation.device.empty()) json["device"] = validation.device;
  json["time_scale"] = validation.time_scale;
  json["repeats"] = validation.repeats;
  json["warm_up"] = validation.warm_up;
  json["attempts"] = validation.attempts;
  json["scenarios"] = Json::EmptyArray();
  for (const ValidatedScenario& scenario : validation.scenarios) json["scenarios"].push_back(ToJson(scenario));
  json["provenance"] = validation.provenance;
  return json;
}

std::string ToMarkdown(const Validation& validation) {
  std::string text = "# " + validation.experiment + ": prediction and measurement\n";
  if (!validation.device.empty()) text += "\nCosts were measured on: " + validation.device + "\n";
  for (const ValidatedScenario& scenario : validation.scenarios) {
    text += "\n## " + scenario.comparison.scenario + "\n\n" + Conditions(validation, scenario) + "\n" +
            StepTable(scenario.comparison) + "\nSpeedups are over " + scenario.comparison.baseline +
            "; ± is half of the 95 % interval. Replay error: the measured times of all operations, put through the "
            "simulator, against the measured step.\n\n" +
            Ranking(scenario.comparison.ranking) + "\n" + CostTable(scenario.comparison);
  }
  return text;
}

}  // namespace dflop
