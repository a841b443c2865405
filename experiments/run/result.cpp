// Speedups compare runs that met the same samples; a model's profile is written once for all points that share it.
#include "experiments/run/result.hpp"

#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "experiments/results/no_effect.hpp"
#include "experiments/results/older_result.hpp"
#include "experiments/results/run_figures.hpp"
#include "experiments/run/cost_draws.hpp"
#include "experiments/run/policy_lines.hpp"
#include "experiments/run/provenance.hpp"
#include "experiments/spec/anomalies.hpp"
#include "models/model_profile.hpp"

namespace dflop {
namespace {

// Runs of one comparison: same scenario, sweep point and seed.
std::string ComparisonKey(const Json& run) {
  const Json* point = run.find("point");
  Json key = Json::EmptyArray();
  key.push_back(*run.find("scenario"));
  key.push_back(point == nullptr ? Json() : *point);
  key.push_back(*run.find("seed"));
  return key.Dump();
}

double MeanTime(const Json& run) {
  return ReadRunFigures(JsonReader(*run.find("metrics"), "the result's metrics")).iteration_time_s;
}

void AddSpeedups(Json& runs, const std::vector<std::string>& baselines) {
  std::map<std::string, std::map<std::string, double>> times;  // comparison → policy → seconds
  for (const Json& run : runs.as<Json::Array>()) {
    if (run.find("metrics") != nullptr)
      times[ComparisonKey(run)][run.find("policy")->as<std::string>()] = MeanTime(run);
  }
  for (Json& run : runs.as<Json::Array>()) {
    if (run.find("metrics") == nullptr) continue;
    Json speedups = Json::EmptyObject();
    const std::map<std::string, double>& others = times.at(ComparisonKey(run));
    for (const std::string& baseline : baselines) {
      const auto found = others.find(baseline);
      if (found != others.end()) speedups[baseline] = found->second / MeanTime(run);
    }
    run["metrics"]["speedup_vs"] = std::move(speedups);
  }
}

// What the runs of one scenario at one point have in common.
std::string PlaceKey(const Json& scenario, const Json* point) {
  return Json(Json::Array{scenario, point == nullptr ? Json() : *point}).Dump();
}

std::map<std::string, CostDrawCount> CountCostDraws(const Json& runs) {
  std::map<std::string, CostDrawCount> counts;
  for (const Json& run : runs.as<Json::Array>()) {
    const Json* draws = run.find("under_cost_draws");
    if (draws == nullptr) continue;  // infeasible
    const std::size_t count = draws->find("iteration_time_s")->as<Json::Array>().size();
    counts[PlaceKey(*run.find("scenario"), run.find("point"))].Add(static_cast<int>(count));
  }
  return counts;
}

// What a reader must know beside the experiment file to judge the figures, defaults included.
Json Assumptions(const Scenario& scenario, const CostDrawCount& cost_draws) {
  Json json;
  json["model"] = ToJson(scenario.model);
  json["cluster"] = ToJson(scenario.cluster);
  json["software"] = ToJson(scenario.software);
  json["samples"] = scenario.samples->description();
  json["planning_samples"] = scenario.planning_samples;
  json["global_batch_size"] = scenario.global_batch_size;
  if (scenario.data_loading) json["data_loading"] = ToJson(*scenario.data_loading);
  if (scenario.training) json["training"] = ToJson(*scenario.training);
  if (!scenario.anomalies.empty()) json["anomalies"] = DescribeAnomalies(scenario);
  // The band and the draws are those of the first kind; every other kind has its own costs beside them.
  json["kernel_costs"] = scenario.kernels.front()->description();
  json["error_band"] = scenario.kernels.front()->error_band();
  json["cost_draws"] = DescribeCostDraws(*scenario.kernels.front(), cost_draws);
  for (std::size_t kind = 1; kind < scenario.kernels.size(); ++kind) {
    json["other_kernel_costs"].push_back(scenario.kernels[kind]->description());
  }
  return json;
}

Json DescribeScenarios(const Experiment& experiment, const Json& runs) {
  std::map<std::string, CostDrawCount> cost_draws = CountCostDraws(runs);
  Json all = Json::EmptyArray();
  for (const Point& point : experiment.points) {
    Json entry;
    entry["name"] = point.scenario.name;
    if (!point.values.is_null()) entry["point"] = point.values;
    entry["assumptions"] = Assumptions(
        point.scenario, cost_draws[PlaceKey(point.scenario.name, point.values.is_null() ? nullptr : &point.values)]);
    all.push_back(std::move(entry));
  }
  return all;
}

// What a profile depends on: neither the number of nodes nor the data.
std::string ProfileKey(const Scenario& scenario) {
  const Json cluster = ToJson(scenario.cluster);
  Json key(Json::Array{ToJson(scenario.model),
                       *(cluster.find("node") != nullptr ? cluster.find("node") : cluster.find("node_kinds")),
                       ToJson(scenario.software)});
  for (const char* written : {"model", "costs"}) {
    const Json* value = scenario.json.find(written);
    key.push_back(value == nullptr ? Json() : *value);
  }
  return key.Dump();
}

// The curves that DFLOP's layout rules decide from, once for all points that share them.
Json ModelProfiles(const Experiment& experiment) {
  Json::Array profiles;
  std::map<std::string, std::size_t> places;  // by key
  for (const Point& point : experiment.points) {
    const auto [place, is_new] = places.emplace(ProfileKey(point.scenario), profiles.size());
    if (!is_new) {
      Json& count = profiles[place->second]["points"];
      count = count.as<std::int64_t>() + 1;
      continue;
    }
    Json& entry = profiles.emplace_back();
    entry["scenario"] = point.scenario.name;
    if (!point.values.is_null()) entry["point"] = point.values;
    entry["points"] = std::int64_t{1};
    entry["gpu"] = point.scenario.cluster.node_of_kind(kFirstKind).gpu.name;
    entry["profile"] = ToJson(ProfileModel(point.scenario.MakeCostModel()));
  }
  return Json(std::move(profiles));
}

Json PicturesToJson(const std::vector<Picture>& pictures) {
  Json all = Json::EmptyArray();
  for (const Picture& picture : pictures) {
    Json entry;
    entry["scenario"] = picture.scenario;
    entry["policy"] = picture.policy;
    entry["trace"] = picture.trace;
    entry["timeline"] = picture.timeline;
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace

Json MakeResult(const Experiment& experiment, const Json& inputs, Json runs, const std::vector<Picture>& pictures,
                const std::string& command) {
  AddSpeedups(runs, experiment.baselines);
  Json result;
  result["schema"] = "dflop/result/1";
  result["experiment"] = experiment.name;
  result["description"] = experiment.description;
  result["engine"] = experiment.engine;
  result["seeds"] = Json::ArrayOf(experiment.seeds);
  result["steps"] = experiment.steps;
  result["baselines"] = Json::ArrayOf(experiment.baselines);
  result["policies"] = DescribePolicies(experiment);
  result["inputs"] = inputs;
  result["scenarios"] = DescribeScenarios(experiment, runs);
  result["model_profiles"] = ModelProfiles(experiment);
  result["runs"] = std::move(runs);
  result["inputs_without_effect"] = Json::ArrayOf(InputsWithoutEffect(experiment, result["runs"]));
  result["pictures"] = PicturesToJson(pictures);
  result["provenance"] = Provenance(command);
  return result;
}

Json ReadResult(const std::string& folder) {
  const std::string path = folder + "/result.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw InputError(path, "",
                     "is not there: a folder that `dflop run` has written is wanted (`check`: --against DIR)");
  }
  Json result = ReadJsonFile(path);
  try {
    JsonReader(result, path).CheckSchema("dflop/result/1", true);
  } catch (const InputError& older) {
    throw WithCommandToRemake(older, result, path);
  }
  return result;
}

}  // namespace dflop
