// Figures are bounded when read, so that nothing drawn from them can overflow.
#include "experiments/results/validation_figures.hpp"

#include <filesystem>
#include <limits>

#include "base/json_reader.hpp"
#include "experiments/results/own_file.hpp"

namespace dflop {
namespace {

constexpr double kAny = 1e18;  // of any unit: sums and ratios of such figures stay finite
constexpr double kLeast = 1e-18;
constexpr std::int64_t kMany = 1'000'000'000;

int Count(const JsonReader& object, const char* key) { return static_cast<int>(object.At(key).Int(0, kMany)); }

Interval ReadInterval(const JsonReader& json) {
  Interval interval{json.At("mean").Number(0, kAny), std::nullopt};
  if (json.Has("half_width")) interval.half_width = json.At("half_width").Number(0, kAny);
  return interval;
}

std::vector<std::string> ReadNames(const JsonReader& list) {
  std::vector<std::string> names;
  for (const JsonReader& name : list.Elements()) names.push_back(name.String());
  return names;
}

std::vector<std::string> ReadPairs(const JsonReader& list) {
  std::vector<std::string> pairs;
  for (const JsonReader& pair : list.Elements())
    pairs.push_back(pair.Element(0).String() + " – " + pair.Element(1).String());
  return pairs;
}

void AddCosts(const JsonReader& list, std::vector<CostFigures>& costs) {
  for (const JsonReader& json : list.Elements()) {
    costs.push_back({json.At("name").String(), Count(json, "operations"), json.At("predicted_s").Number(0, kAny),
                     json.At("measured_s").Number(0, kAny), json.At("median_error").Number(0, kAny),
                     json.At("p90_error").Number(0, kAny)});
  }
}

void AddPicture(const JsonReader& policy, const char* key, const std::string& folder, const std::string& title,
                ValidatedPolicyFigures& figures) {
  const std::optional<std::string> path = OwnFile(folder, policy.At(key));
  if (!path) return;
  figures.pictures.push_back(ReadPicture(*path));
  figures.pictures.back().policy = title;
}

ValidatedPolicyFigures ReadPolicy(const JsonReader& json, const std::string& folder) {
  ValidatedPolicyFigures figures;
  figures.policy = json.At("policy").String();
  figures.predicted_s = json.At("predicted_s").Number(kLeast, kAny);
  figures.measured_s = ReadInterval(json.At("measured_s"));
  figures.predicted_speedup = json.At("predicted_speedup").Number(0, kAny);
  figures.measured_speedup = ReadInterval(json.At("measured_speedup"));
  figures.mean_replay_error = json.At("replay_error").At("mean").Number(0, kAny);
  figures.most_replay_error = json.At("replay_error").At("max").Number(0, kAny);
  figures.rejected = Count(json, "rejected");
  figures.disturbed = Count(json, "disturbed");
  AddCosts(json.At("cost_error").At("kinds"), figures.costs);
  AddCosts(json.At("cost_error").At("modules"), figures.costs);
  AddPicture(json, "predicted_timeline", folder, figures.policy + ": predicted", figures);
  AddPicture(json, "measured_timeline", folder, figures.policy + ": measured", figures);
  return figures;
}

ValidatedScenarioFigures ReadScenarioFigures(const JsonReader& json, const std::string& folder) {
  ValidatedScenarioFigures figures;
  figures.scenario = json.At("name").String();
  figures.baseline = json.At("baseline").String();
  figures.ranks = Count(json, "ranks");
  figures.ranks_are = json.At("ranks_are").OneOf({"processes", "threads"});
  figures.steps = Count(json, "steps");
  const JsonReader ranking = json.At("ranking");
  figures.kendall_tau = ranking.At("kendall_tau").Number(-1, 1);
  figures.predicted_order = ReadNames(ranking.At("predicted"));
  figures.measured_order = ReadNames(ranking.At("measured"));
  figures.contradicted = ReadPairs(ranking.At("contradicted"));
  figures.not_separable = ReadPairs(ranking.At("not_separable"));
  for (const JsonReader& policy : json.At("policies").Elements()) {
    figures.policies.push_back(ReadPolicy(policy, folder));
  }
  return figures;
}

}  // namespace

std::optional<ValidationFigures> ReadValidation(const std::string& folder) {
  const std::string path = folder + "/validation.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const Json document = ReadJsonFile(path);
  const JsonReader json(document, path);
  json.CheckSchema("dflop/validation/1", true);
  ValidationFigures figures;
  figures.backend = json.At("backend").String();
  figures.device = json.StringOr("device", "");
  figures.time_scale = json.At("time_scale").Number(0, kAny);
  figures.repeats = Count(json, "repeats");
  for (const JsonReader& scenario : json.At("scenarios").Elements()) {
    figures.scenarios.push_back(ReadScenarioFigures(scenario, folder));
  }
  return figures;
}

}  // namespace dflop
