// Policies that are not wanted are taken out of the experiment itself, which the simulator then runs as it stands.
#include "real_runner/validate/validation_job.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "base/json_files.hpp"
#include "base/json_reader.hpp"
#include "base/slug.hpp"
#include "models/model_spec.hpp"

namespace dflop {
namespace {

bool Holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> NamesIn(const JsonReader& list) {
  std::vector<std::string> names;
  for (const JsonReader& element : list.Elements()) {
    names.push_back(element.IsString() ? element.String() : element.At("name").String());
  }
  return names;
}

/// Takes what is not wanted out of a list of policies, or of names.
void KeepOnly(const std::vector<std::string>& wanted, Json& list) {
  std::erase_if(list.as<Json::Array>(), [&](const Json& entry) {
    const Json* name = entry.is<std::string>() ? &entry : entry.find("name");
    return name != nullptr && name->is<std::string>() && !Holds(wanted, name->as<std::string>());
  });
}

class JobReader {
 public:
  JobReader(const JsonReader& root, const std::vector<std::string>& wanted) : root_(root), wanted_(wanted) {}

  ValidationJob Read() {
    root_.CheckSchema("dflop/experiment/1", true);
    if (const auto sweep = root_.Find("sweep")) {
      sweep->Fail("cannot be validated: a validation executes scenarios as they stand; write its points as scenarios");
    }
    baselines_ = root_.Has("baselines") ? NamesIn(root_.At("baselines")) : std::vector<std::string>();
    if (baselines_.empty()) {
      root_.Fail("has no baselines: speedups are predicted and measured over the first of them");
    }
    CheckWanted();
    ValidationJob job;
    job.name = root_.At("name").String();
    for (const JsonReader& scenario : root_.At("scenarios").Elements()) job.scenarios.push_back(Scenario(scenario));
    job.experiment = Experiment();
    return job;
  }

 private:
  std::vector<std::string> PoliciesOf(const JsonReader& scenario) const {
    return NamesIn(scenario.Has("policies") ? scenario.At("policies") : root_.At("policies"));
  }

  ValidationScenario Scenario(const JsonReader& json) const {
    ValidationScenario scenario;
    scenario.name = json.At("name").String();
    for (std::string& name : PoliciesOf(json)) {
      if (wanted_.empty() || Holds(wanted_, name)) scenario.policies.push_back(std::move(name));
    }
    const auto baseline = std::find_if(baselines_.begin(), baselines_.end(),
                                       [&](const std::string& name) { return Holds(scenario.policies, name); });
    if (baseline == baselines_.end()) {
      const std::string which = wanted_.empty() ? "" : ", of those that --policy names";
      json.Fail("has none of the baselines " + JoinNames(baselines_) + which + ": what are its speedups over?");
    }
    if (scenario.policies.size() < 2) json.Fail("has only one policy to execute, nothing to compare it with");
    scenario.baseline = *baseline;
    return scenario;
  }

  void CheckWanted() const {
    std::set<std::string> known;
    for (const JsonReader& scenario : root_.At("scenarios").Elements()) {
      for (const std::string& name : PoliciesOf(scenario)) known.insert(name);
    }
    for (const std::string& name : wanted_) {
      if (known.contains(name)) continue;
      throw InputError("--policy: " + JsonQuote(name) + " is no policy of " + root_.file() +
                       ", allowed: " + JoinNames({known.begin(), known.end()}));
    }
  }

  Json Experiment() const {
    Json experiment = root_.json();
    const std::filesystem::path folder = std::filesystem::absolute(root_.file()).parent_path();
    for (Json& scenario : experiment["scenarios"].as<Json::Array>()) {
      ResolveFileNames(scenario, folder.string());
      if (!wanted_.empty() && scenario.find("policies") != nullptr) KeepOnly(wanted_, scenario["policies"]);
    }
    if (wanted_.empty()) return experiment;
    if (experiment.find("policies") != nullptr) KeepOnly(wanted_, experiment["policies"]);
    KeepOnly(wanted_, experiment["baselines"]);
    return experiment;
  }

  const JsonReader& root_;
  const std::vector<std::string>& wanted_;
  std::vector<std::string> baselines_;
};

}  // namespace

ValidationJob ReadValidationJob(const std::string& path, const std::vector<std::string>& policies) {
  const Json document = ReadJsonFile(path);
  const JsonReader root(document, path);
  return JobReader(root, policies).Read();
}

Json WithCosts(Json experiment, const std::string& trace) {
  for (Json& scenario : experiment["scenarios"].as<Json::Array>()) {
    Json costs;
    costs["file"] = trace;
    costs["device_mismatch"] = "accept";  // a validation asks about this machine, whatever cluster stands for it
    const Json* old = scenario.find("costs");
    const Json* tolerance = old == nullptr ? nullptr : old->find("max_extrapolated_fraction");
    if (tolerance != nullptr) costs["max_extrapolated_fraction"] = *tolerance;
    scenario["costs"] = std::move(costs);
  }
  return experiment;
}

std::vector<std::string> ModelsToProfile(const Json& experiment, const std::string& folder) {
  std::vector<std::string> names;
  std::set<std::string> known;
  UniqueSlugs slugs;
  for (const Json& scenario : experiment.find("scenarios")->as<Json::Array>()) {
    const Json& model = *scenario.find("model");
    if (!known.insert(model.Dump()).second) continue;
    if (model.is<std::string>()) {
      names.push_back(model.as<std::string>());
      continue;
    }
    Json file = ToJson(ReadModel(JsonReader(model, "the experiment's model")));
    file["schema"] = "dflop/model/1";
    const std::string path = folder + "/" + slugs.New(file.find("name")->as<std::string>(), "model") + ".json";
    WriteJsonFile(path, file);
    names.push_back(path);
  }
  return names;
}

}  // namespace dflop
