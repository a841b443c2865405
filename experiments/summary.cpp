#include "experiments/summary.hpp"

#include <algorithm>
#include <limits>

#include "experiments/regret.hpp"
#include "experiments/training_changes.hpp"

namespace dflop {
namespace {

constexpr double kHuge = std::numeric_limits<double>::max();

std::string PointText(const JsonReader& run) {
  const auto point = run.Find("point");
  if (!point) return "";
  std::string text;
  for (const std::string& axis : point->Keys()) {
    const JsonReader value = point->At(axis);
    text += (text.empty() ? "" : ", ") + axis + " = " + (value.IsString() ? value.String() : value.json().Dump());
  }
  return text;
}

SummaryRow& RowOf(const JsonReader& run, std::vector<SummaryRow>& rows) {
  SummaryRow row;
  row.scenario = run.At("scenario").String();
  row.point = PointText(run);
  row.policy = run.At("policy").String();
  // A unit's seeds stand next to each other.
  const bool same = !rows.empty() && rows.back().scenario == row.scenario && rows.back().point == row.point &&
                    rows.back().policy == row.policy;
  if (!same) rows.push_back(std::move(row));
  return rows.back();
}

// Adds up; divided by the number of seeds once all runs are in.
void AddNumbers(const JsonReader& metrics, std::map<std::string, double>& sums) {
  for (const std::string& key : metrics.Keys()) {
    const JsonReader value = metrics.At(key);
    if (value.json().is_number()) sums[key] += value.Number(-kHuge, kHuge);
  }
}

void AddRun(const JsonReader& run, SummaryRow& row) {
  if (const auto infeasible = run.Find("infeasible")) {
    row.infeasible = infeasible->String();
    return;
  }
  const JsonReader metrics = run.At("metrics");
  for (const JsonReader& step : metrics.At("iteration_time_s").At("per_step").Elements()) {
    row.step_s.push_back(step.Number(0, kHuge));
  }
  AddNumbers(metrics, row.means);
  AddNumbers(metrics.At("idle_by_cause"), row.means);
  row.means["seeds"] += 1;
  row.fits = row.fits && metrics.At("fits").Bool();
  row.under_draws.push_back(TimesUnderDraws(run));
  AddTrainingChanges(run, row.changes_training);
}

void AddSpeedups(std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines) {
  std::map<std::string, const SummaryRow*> by_name;
  const auto key = [](const SummaryRow& row, const std::string& policy) {
    return row.scenario + "\n" + row.point + "\n" + policy;
  };
  for (const SummaryRow& row : rows) by_name[key(row, row.policy)] = &row;
  for (SummaryRow& row : rows) {
    for (const std::string& baseline : baselines) {
      const auto found = by_name.find(key(row, baseline));
      const bool comparable =
          found != by_name.end() && !row.step_s.empty() && found->second->step_s.size() == row.step_s.size();
      if (comparable) row.speedup[baseline] = PairedSpeedup(found->second->step_s, row.step_s);
      if (found == by_name.end() || baseline == row.policy) continue;
      if (const auto share = ShareFaster(found->second->under_draws, row.under_draws)) row.faster[baseline] = *share;
    }
  }
}

void AddRegrets(std::vector<SummaryRow>& rows) {
  const auto together = [](const SummaryRow& a, const SummaryRow& b) {
    return a.scenario == b.scenario && a.point == b.point;
  };
  for (auto begin = rows.begin(); begin != rows.end();) {
    const auto end = std::find_if(begin, rows.end(), [&](const SummaryRow& row) { return !together(*begin, row); });
    std::vector<PolicySteps> policies;
    for (auto row = begin; row != end; ++row) policies.push_back({row->step_s, row->fits});
    const std::vector<std::optional<Interval>> regrets = Regrets(policies);
    for (const std::optional<Interval>& regret : regrets) (begin++)->regret = regret;
  }
}

}  // namespace

std::vector<SummaryRow> Summarise(const JsonReader& result) {
  std::vector<SummaryRow> rows;
  for (const JsonReader& run : result.At("runs").Elements()) AddRun(run, RowOf(run, rows));
  for (SummaryRow& row : rows) {
    if (row.step_s.empty()) continue;
    row.step = MeanInterval(row.step_s);
    const double seeds = row.means["seeds"];
    for (auto& [name, value] : row.means) value /= seeds;
    row.means.erase("seeds");
  }
  std::vector<std::string> baselines;
  if (const auto names = result.Find("baselines")) {
    for (const JsonReader& name : names->Elements()) baselines.push_back(name.String());
  }
  AddSpeedups(rows, baselines);
  AddRegrets(rows);
  return rows;
}

}  // namespace dflop
