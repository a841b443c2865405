// Rows are found by a key of scenario, policy and the axes by name, whatever order a file writes them in.
#include "experiments/results/result_rows.hpp"

#include <algorithm>

#include "experiments/results/result_figures.hpp"
#include "experiments/spec/experiment.hpp"

namespace dflop {
namespace {

// Two rows are the same whichever axis of their point is written first.
std::string Key(const JsonReader& run) {
  Json key(Json::Array{run.At("scenario").String(), run.At("policy").String()});
  std::map<std::string, Json> axes;
  if (const auto point = run.Find("point")) {
    for (const std::string& axis : point->Keys()) axes.emplace(axis, point->At(axis).json());
  }
  for (const auto& [axis, value] : axes) key.push_back(Json(Json::Array{axis, value}));
  return key.Dump();
}

std::string AxisInWords(const std::string& axis, const JsonReader& value) {
  return axis.substr(axis.starts_with("/") ? 1 : 0) + " " + Plain(value.json());
}

std::string Name(const JsonReader& run) {
  std::string name = run.At("scenario").String();
  if (const auto point = run.Find("point")) {
    for (const std::string& axis : point->Keys()) name += ", " + AxisInWords(axis, point->At(axis));
  }
  return name + ", " + run.At("policy").String();
}

StoredRun ReadRun(const JsonReader& run) {
  if (const auto reason = run.Find("infeasible")) return {run, reason->String(), {}};
  return {run, "", ReadRunFigures(run.At("metrics"))};
}

void AddRun(const JsonReader& run, ResultRow& row) {
  StoredRun stored = ReadRun(run);
  if (!stored.infeasible.empty() && !run.Has("seed")) {
    row.of_all_seeds.emplace(std::move(stored));
    return;
  }
  const JsonReader seed = run.At("seed");
  const bool is_new = row.by_seed.emplace(seed.Int(0, kLargestSeed), std::move(stored)).second;
  if (!is_new) seed.Fail("is " + seed.json().Dump() + ", as in an earlier run of " + row.name);
}

}  // namespace

const StoredRun* ResultRow::Find(std::int64_t seed) const {
  const auto found = by_seed.find(seed);
  if (found != by_seed.end()) return &found->second;
  return of_all_seeds ? &*of_all_seeds : nullptr;
}

std::vector<ResultRow> ReadRows(const JsonReader& result) {
  std::vector<ResultRow> rows;
  std::map<std::string, std::size_t> places;
  for (const JsonReader& run : result.At("runs").Elements()) {
    const auto [place, is_new] = places.emplace(Key(run), rows.size());
    if (is_new) {
      rows.push_back({.key = place->first,
                      .name = Name(run),
                      .scenario = run.At("scenario").String(),
                      .point = PointInWords(run),
                      .policy = run.At("policy").String(),
                      .by_seed = {},
                      .of_all_seeds = {}});
    }
    AddRun(run, rows[place->second]);
  }
  return rows;
}

std::string PointInWords(const JsonReader& entry) {
  const auto point = entry.Find("point");
  if (!point) return "";
  std::vector<std::string> axes = point->Keys();
  std::sort(axes.begin(), axes.end());
  std::string text;
  for (const std::string& axis : axes) text += (text.empty() ? "" : ", ") + AxisInWords(axis, point->At(axis));
  return text;
}

std::set<std::int64_t> SeedsOf(const std::vector<ResultRow>& rows) {
  std::set<std::int64_t> seeds;
  for (const ResultRow& row : rows) {
    for (const auto& [seed, run] : row.by_seed) seeds.insert(seed);
  }
  return seeds;
}

}  // namespace dflop
