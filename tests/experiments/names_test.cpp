// No figure depends on what somebody called a thing, nor on the order in which things stand: every shipped experiment,
// made small, against itself under other names and in reverse order.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "experiments/results/figure_fields.hpp"
#include "experiments/run/planning.hpp"
#include "experiments/run/point_run.hpp"
#include "experiments/spec/experiment.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

std::vector<std::string> ShippedExperiments() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(DFLOP_SOURCE_DIR "/experiments")) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// One step of two seeds, two scenarios at most, the first value of every axis, small batches where layouts are free.
Json MadeSmall(Json experiment) {
  constexpr std::size_t kScenarios = 2;
  constexpr std::int64_t kBatch = 64;
  experiment["steps"] = 1;
  experiment["seeds"] = Json::ArrayOf(std::vector<int>{1, 2});
  Json::Array scenarios = experiment["scenarios"].as<Json::Array>();
  if (scenarios.size() > kScenarios) scenarios.resize(kScenarios);
  for (Json& scenario : scenarios) {
    const bool free = experiment.Dump().find("\"fixed\"") == std::string::npos;
    if (free && scenario.find("global_batch_size")->as<std::int64_t>() > kBatch) scenario["global_batch_size"] = kBatch;
  }
  experiment["scenarios"] = Json(scenarios);
  if (const Json* sweep = experiment.find("sweep")) {
    Json first;
    for (const Json::Member& axis : sweep->as<Json::Object>()) {
      first[axis.key] = Json(Json::Array{axis.value.as<Json::Array>().front()});
    }
    experiment["sweep"] = first;
  }
  return experiment;
}

Json Reversed(const Json& list) {
  Json::Array items = list.as<Json::Array>();
  std::reverse(items.begin(), items.end());
  return Json(items);
}

/// Names that sort and hash otherwise; "old" can be had back from "x old's".
Json Renamed(const Json& name) { return "x " + name.as<std::string>() + "'s"; }
std::string OldName(const std::string& name) { return name.substr(2, name.size() - 4); }

Json PoliciesRenamed(const Json& policies) {
  Json::Array renamed = policies.as<Json::Array>();
  for (Json& policy : renamed) policy["name"] = Renamed(*policy.find("name"));
  return Reversed(Json(renamed));
}

Json UnderOtherNames(Json experiment) {
  experiment["name"] = Renamed(experiment["name"]);
  Json::Array scenarios = experiment["scenarios"].as<Json::Array>();
  for (Json& scenario : scenarios) {
    scenario["name"] = Renamed(scenario["name"]);
    if (const Json* own = scenario.find("policies")) scenario["policies"] = PoliciesRenamed(*own);
  }
  experiment["scenarios"] = Reversed(Json(scenarios));
  if (const Json* policies = experiment.find("policies")) experiment["policies"] = PoliciesRenamed(*policies);
  if (const Json* baselines = experiment.find("baselines")) {
    Json renamed = Json::EmptyArray();
    for (const Json& baseline : baselines->as<Json::Array>()) renamed.push_back(Renamed(baseline));
    experiment["baselines"] = renamed;
  }
  return experiment;
}

/// Everything that a run says but its names and what a clock on the wall measured.
Json Figures(Json run) {
  if (run.find("metrics") == nullptr) return "infeasible";  // its reason may name a place in the file
  run["scenario"] = Json();
  run["policy"] = Json();
  Json metrics;
  for (const Json::Member& metric : run["metrics"].as<Json::Object>()) {
    if (!IsWallClock(metric.key)) metrics[metric.key] = metric.value;
  }
  run["metrics"] = metrics;
  return run;
}

/// Figures by scenario and policy; `name` gives their first names back.
template <typename NameOf>
std::map<std::string, std::string> RunAll(const Json& experiment_json, const std::string& folder, NameOf name_of) {
  const std::string path = folder + "/experiment.json";
  WriteJsonFile(path, experiment_json);
  const Experiment experiment = ReadExperiment(path);
  std::map<std::string, std::string> figures;
  for (const Point& point : experiment.points) {
    for (const PolicySpec& policy : point.scenario.policies) {
      std::string text;
      try {
        const Json result = RunUnit({&experiment, &point, &policy});
        for (const Json& run : result.as<Json::Array>()) text += Figures(run).Dump() + "\n";
      } catch (const InputError&) {
        text = "infeasible";
      }
      figures[name_of(point.scenario.name) + " / " + name_of(policy.name)] = text;
    }
  }
  return figures;
}

class ShippedExperiment : public testing::TestWithParam<std::string> {};

TEST_P(ShippedExperiment, FiguresAreTheSameUnderOtherNamesAndInReverseOrder) {
  const TemporaryFolder folder;
  const Json small = MadeSmall(ReadJsonFile(DFLOP_SOURCE_DIR "/experiments/" + GetParam() + ".json"));
  const auto before = RunAll(small, folder.path(), [](const std::string& name) { return name; });
  const auto after = RunAll(UnderOtherNames(small), folder.path(), OldName);
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [key, figures] : before) EXPECT_EQ(after.at(key), figures) << key;
}

INSTANTIATE_TEST_SUITE_P(Names, ShippedExperiment, testing::ValuesIn(ShippedExperiments()), [](const auto& file) {
  std::string name = file.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

class SampleStreams : public testing::Test {
 protected:
  Scenario Read(const Json& experiment) {
    WriteJsonFile(folder_.path() + "/experiment.json", experiment);
    return ReadExperiment(folder_.path() + "/experiment.json").points.front().scenario;
  }
  Scenario With(const std::string& key, const Json& value) {
    Json experiment = SmallExperiment();
    Json::Array scenarios = experiment["scenarios"].as<Json::Array>();
    scenarios.front()[key] = value;
    experiment["scenarios"] = Json(scenarios);
    return Read(experiment);
  }
  static std::vector<std::int64_t> Tokens(const std::vector<SampleShape>& batch) {
    std::vector<std::int64_t> tokens;
    tokens.reserve(batch.size());
    for (const SampleShape& shape : batch) tokens.push_back(shape.llm_tokens);
    return tokens;
  }
  TemporaryFolder folder_;
};

TEST_F(SampleStreams, ALargerBatchBeginsWithASmallerOne) {
  const auto small = Tokens(DrawBatch(With("global_batch_size", 8), 3, 5));
  auto large = Tokens(DrawBatch(With("global_batch_size", 24), 3, 5));
  ASSERT_EQ(large.size(), 24u);
  large.resize(8);
  EXPECT_EQ(large, small);
}

TEST_F(SampleStreams, AnotherClusterSeesTheSameSamples) {
  const Json cluster = ParseJson(R"({"name": "dgx-h100", "nodes": 2})", "cluster");
  EXPECT_EQ(Tokens(DrawBatch(With("cluster", cluster), 1, 0)), Tokens(DrawBatch(Read(SmallExperiment()), 1, 0)));
}

TEST_F(SampleStreams, SeedsAndStepsDrawDifferentBatches) {
  const Scenario scenario = With("global_batch_size", 64);
  const auto first = Tokens(DrawBatch(scenario, 1, 0));
  EXPECT_NE(Tokens(DrawBatch(scenario, 2, 0)), first);
  EXPECT_NE(Tokens(DrawBatch(scenario, 1, 1)), first);
}

TEST_F(SampleStreams, RecordsAreTheSameInAFileOfAnyName) {
  const Scenario in_place = Read(SmallExperiment());
  Json file;
  file["schema"] = "dflop/samples/1";
  file["name"] = "any";
  file["source"] = "the records of the small experiment";
  file["records"] = *SmallExperiment()["scenarios"].as<Json::Array>().front().find("samples")->find("records");
  for (const std::string name : {"one.json", "two.json"}) {
    WriteJsonFile(folder_.path() + "/" + name, file);
    Json reference;
    reference["file"] = name;
    EXPECT_EQ(Tokens(DrawBatch(With("samples", reference), 7, 1)), Tokens(DrawBatch(in_place, 7, 1)));
    file["name"] = "another";
  }
}

TEST_F(SampleStreams, ALongerRecordIsDrawnWhereTheShorterOneWas) {
  const Json shorter = ParseJson(R"({"records": [{"text_tokens": 100}, {"text_tokens": 900}]})", "samples");
  const Json longer = ParseJson(R"({"records": [{"text_tokens": 300}, {"text_tokens": 900}]})", "samples");
  const auto before = Tokens(DrawBatch(With("samples", shorter), 1, 0));
  const auto after = Tokens(DrawBatch(With("samples", longer), 1, 0));
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i] - before[i], before[i] < 900 ? 200 : 0) << i;
}

TEST_F(SampleStreams, DefaultsThatAreSpelledOutDrawTheSame) {
  const Json plain = "dflop-mix";
  const Json spelled = ParseJson(R"({"name": "dflop-mix", "photo_share": 28})", "samples");
  const Json other = ParseJson(R"({"name": "dflop-mix", "photo_share": 29})", "samples");
  const auto drawn = Tokens(DrawBatch(With("samples", plain), 1, 0));
  EXPECT_EQ(Tokens(DrawBatch(With("samples", spelled), 1, 0)), drawn);
  EXPECT_NE(Tokens(DrawBatch(With("samples", other), 1, 0)), drawn);
}

}  // namespace
}  // namespace dflop
