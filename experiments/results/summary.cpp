// Rows follow the order of the runs; speedups and regrets are added once all rows are there.
#include "experiments/results/summary.hpp"

#include <algorithm>

#include "experiments/results/figure_fields.hpp"
#include "experiments/results/regret.hpp"

namespace dflop {
namespace {

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

void AddSpeedups(std::vector<SummaryRow>& rows, const std::vector<std::string>& baselines) {
  std::map<std::string, const SummaryRow*> by_name;
  const auto key = [](const SummaryRow& row, const std::string& policy) {
    return row.scenario + "\n" + row.point + "\n" + policy;
  };
  for (const SummaryRow& row : rows) by_name[key(row, row.policy)] = &row;
  for (SummaryRow& row : rows) {
    for (const std::string& baseline : baselines) {
      const auto found = by_name.find(key(row, baseline));
      if (found == by_name.end() || row.seeds.empty() || found->second->seeds.empty()) continue;
      if (baseline == row.policy) {
        row.speedup[baseline] = {{1, 0}, true};
        continue;
      }
      row.speedup[baseline] = SpeedupOver(found->second->seeds, row.seeds);
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
    std::vector<Contender> policies;
    for (auto row = begin; row != end; ++row) policies.push_back({&row->seeds, row->figures.fits});
    const std::vector<std::optional<SeedInterval>> regrets = Regrets(policies);
    for (const std::optional<SeedInterval>& regret : regrets) (begin++)->regret = regret;
  }
}

Json IntervalToJson(const SeedInterval& interval) {
  Json json;
  json["mean"] = interval.mean;
  json["half_width"] = interval.half_width ? Json(*interval.half_width) : Json();
  if (!interval.seeds_agree) json["seeds_agree"] = false;
  return json;
}

Json RowToJson(const SummaryRow& row) {
  Json json;
  json["scenario"] = row.scenario;
  if (!row.point.empty()) json["point"] = row.point;
  json["policy"] = row.policy;
  if (!row.infeasible.empty()) {
    json["infeasible"] = row.infeasible;
    return json;
  }
  if (!row.instead.empty()) json["batching_instead"] = row.instead;
  json["seeds"] = row.seeds.seeds.size();
  json["iteration_time_s"] = IntervalToJson(row.step);
  json["speedup_vs"] = Json::EmptyObject();
  for (const auto& [baseline, speedup] : row.speedup) json["speedup_vs"][baseline] = IntervalToJson(speedup);
  json["faster_than"] = Json::EmptyObject();
  for (const auto& [baseline, share] : row.faster) json["faster_than"][baseline] = share;
  json["regret"] = row.regret ? IntervalToJson(*row.regret) : Json();
  for (const FigureField& field : FigureFields()) {
    if (field.in_summary) json[field.name] = row.figures.*field.value;
  }
  json["fits"] = row.figures.fits;
  json["layouts"] = Json::EmptyArray();
  for (const auto& [layout, seeds] : ChosenLayouts(row.seeds)) {
    Json entry;
    entry["layout"] = layout;
    entry["seeds"] = seeds;
    json["layouts"].push_back(std::move(entry));
  }
  json["seeds_agree"] = row.step.seeds_agree;
  if (!row.changes_training.empty()) json["changes_training"] = Json::ArrayOf(row.changes_training);
  return json;
}

}  // namespace

Json ToJson(const std::vector<SummaryRow>& rows) {
  Json json = Json::EmptyArray();
  for (const SummaryRow& row : rows) json.push_back(RowToJson(row));
  return json;
}

std::vector<SummaryRow> Summarise(const JsonReader& result) {
  std::vector<SummaryRow> rows;
  for (const JsonReader& run : result.At("runs").Elements()) RowOf(run, rows).Add(run);
  for (SummaryRow& row : rows) {
    row.Finish();
    if (!row.seeds.empty()) row.step = StepTime(row.seeds);
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
