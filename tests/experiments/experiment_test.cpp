// The experiment file: what is accepted, and that every mistake is reported at its place.
#include "experiments/spec/experiment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "sim/engine/engine.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

struct Mistake {
  const char* name;
  const char* edited;   ///< pointer into the small experiment
  const char* value;    ///< JSON that is written there
  const char* pointer;  ///< where the complaint must stand
  const char* says;     ///< part of it
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class BadExperiment : public testing::TestWithParam<Mistake> {};

TEST_P(BadExperiment, IsReportedAtItsPlace) {
  const TemporaryFolder folder;
  const std::string path = folder / "bad.json";
  Json experiment = SmallExperiment();
  const Mistake& mistake = GetParam();
  ASSERT_TRUE(WriteAt(experiment, mistake.edited, ParseJson(mistake.value, "value")));
  WriteJsonFile(path, experiment);
  try {
    ReadExperiment(path);
    FAIL() << "was accepted";
  } catch (const InputError& error) {
    EXPECT_EQ(error.file(), path);
    EXPECT_EQ(error.pointer(), mistake.pointer) << error.what();
    EXPECT_NE(std::string(error.what()).find(mistake.says), std::string::npos) << error.what();
  }
}

constexpr Mistake kMistakes[] = {
    {"Schema", "/schema", R"("dflop/experiment/2")", "/schema", "dflop/experiment/1"},
    {"UnknownKey", "/stepz", "3", "/stepz", "did you mean \"steps\""},
    {"NameWithSlash", "/name", R"("a/b")", "/name", "/"},
    {"EmptyName", "/name", R"("")", "/name", "empty"},
    {"NoSeeds", "/seeds", "[]", "/seeds", "at least one"},
    {"SeedTwice", "/seeds", "[1, 2, 1]", "/seeds/2", "twice"},
    {"NegativeSeed", "/seeds", "[-1]", "/seeds/0", "allowed is from 0"},
    {"ZeroSteps", "/steps", "0", "/steps", "from 1 to 1000000"},
    {"TooManySteps", "/steps", "1000001", "/steps", "from 1 to 1000000"},
    {"StepsAsText", "/steps", R"("3")", "/steps", "a whole number"},
    {"Engine", "/engine", R"("replai")", "/engine", "did you mean \"replay\""},
    {"NoScenarios", "/scenarios", "[]", "/scenarios", "at least one"},
    {"UnknownScenarioKey", "/scenarios/0/recomputation", R"("full")", "/scenarios/0/recomputation", "unknown key"},
    {"UnknownModel", "/scenarios/0/model", R"("llama9")", "/scenarios/0/model", "llama9"},
    {"NegativeHidden", "/scenarios/0/model/llm/hidden", "-1", "/scenarios/0/model/llm/hidden", "allowed is"},
    {"ZeroNodes", "/scenarios/0/cluster/nodes", "0", "/scenarios/0/cluster/nodes", "from 1 to 131072"},
    {"TooManyNodes", "/scenarios/0/cluster/nodes", "131073", "/scenarios/0/cluster/nodes", "from 1 to 131072"},
    {"EmptyBatch", "/scenarios/0/global_batch_size", "0", "/scenarios/0/global_batch_size", "from 1 to 1000000"},
    {"HalfASample", "/scenarios/0/global_batch_size", "8.5", "/scenarios/0/global_batch_size", "whole number"},
    {"NoPlanningSamples", "/scenarios/0/planning_samples", "0", "/scenarios/0/planning_samples", "from 1"},
    {"Recompute", "/scenarios/0/recompute", R"("some")", "/scenarios/0/recompute", "selective"},
    {"AnomaliesAreNoList", "/scenarios/0/anomalies", R"({"share": 0.01})", "/scenarios/0/anomalies", "array is wanted"},
    {"AnomalyKind", "/scenarios/0/anomalies", R"([{"kind": "slow"}])", "/scenarios/0/anomalies/0/kind", "slow-shapes"},
    {"AnomalyKey", "/scenarios/0/anomalies", R"([{"kind": "drift", "per_step": 0.1, "rate": 1}])",
     "/scenarios/0/anomalies/0/rate", "unknown key"},
    {"AnomalyWithoutDelay", "/scenarios/0/anomalies", R"([{"kind": "slow-shapes", "share": 0.5}])",
     "/scenarios/0/anomalies/0", "delay"},
    {"AnomalyShare", "/scenarios/0/anomalies", R"([{"kind": "slow-shapes", "share": 1.5, "delay": 1}])",
     "/scenarios/0/anomalies/0/share", "from 0 to 1"},
    {"AnomalyRarerThanAnyShape", "/scenarios/0/anomalies", R"([{"kind": "slow-shapes", "share": 0.01, "delay": 1}])",
     "/scenarios/0/anomalies/0/share", "rarest"},
    {"AnomalyModule", "/scenarios/0/anomalies", R"([{"kind": "drift", "per_step": 0.1, "module": "ear"}])",
     "/scenarios/0/anomalies/0/module", "eye, llm"},
    {"AnomalyGpu", "/scenarios/0/anomalies", R"([{"kind": "slow-device", "gpu": 8, "factor": 2}])",
     "/scenarios/0/anomalies/0/gpu", "from 0 to 7"},
    {"SlowLinkOfNoGpu", "/scenarios/0/anomalies", R"([{"kind": "slow-link", "gpu": 8, "link": "nic", "factor": 2}])",
     "/scenarios/0/anomalies/0/gpu", "from 0 to 7"},
    {"FasterLink", "/scenarios/0/anomalies", R"([{"kind": "slow-link", "gpu": 0, "link": "nic", "factor": 0.5}])",
     "/scenarios/0/anomalies/0/factor", "from 1"},
    {"UnknownLink", "/scenarios/0/anomalies", R"([{"kind": "slow-link", "gpu": 0, "link": "pcie", "factor": 2}])",
     "/scenarios/0/anomalies/0/link", "nvlink"},
    {"FlappingShare", "/scenarios/0/anomalies", R"([{"kind": "flapping-nic", "gpu": 0, "share": 2, "factor": 2}])",
     "/scenarios/0/anomalies/0/share", "from 0 to 1"},
    {"NegativeNoise", "/scenarios/0/anomalies", R"([{"kind": "noise", "per_kernel": -0.01}])",
     "/scenarios/0/anomalies/0/per_kernel", "from 0 to 1"},
    {"NoiseOfAStep", "/scenarios/0/anomalies", R"([{"kind": "noise", "per_step": 1.5}])",
     "/scenarios/0/anomalies/0/per_step", "from 0 to 1"},
    {"NoiseTailShare", "/scenarios/0/anomalies", R"([{"kind": "noise", "tail_share": 2, "tail_factor": 3}])",
     "/scenarios/0/anomalies/0/tail_share", "from 0 to 1"},
    {"NoiseTailFactor", "/scenarios/0/anomalies", R"([{"kind": "noise", "tail_share": 0.1, "tail_factor": 0}])",
     "/scenarios/0/anomalies/0/tail_factor", "from 1 to 1000"},
    {"NoiseTailWithoutShare", "/scenarios/0/anomalies", R"([{"kind": "noise", "tail_factor": 3}])",
     "/scenarios/0/anomalies/0", "tail_share"},
    {"NoiseTwice", "/scenarios/0/anomalies", R"([{"kind": "noise"}, {"kind": "noise", "per_step": 0}])",
     "/scenarios/0/anomalies/1", "second time"},
    {"FlappingNicOfNoGpu", "/scenarios/0/anomalies",
     R"([{"kind": "flapping-nic", "gpu": -1, "share": 1, "factor": 2}])", "/scenarios/0/anomalies/0/gpu",
     "from 0 to 7"},
    {"FlappingFactor", "/scenarios/0/anomalies", R"([{"kind": "flapping-nic", "gpu": 0, "share": 1, "factor": 0}])",
     "/scenarios/0/anomalies/0/factor", "from 1"},
    {"NegativeLinkFactor", "/scenarios/0/anomalies",
     R"([{"kind": "slow-link", "gpu": 0, "link": "nvlink", "factor": -2}])", "/scenarios/0/anomalies/0/factor",
     "from 1"},
    {"SlowLinkOfNoKind", "/scenarios/0/anomalies", R"([{"kind": "slow-link", "gpu": 0, "factor": 2}])",
     "/scenarios/0/anomalies/0", "link"},
    {"NicFlapsTwice", "/scenarios/0/anomalies",
     R"([{"kind": "flapping-nic", "gpu": 3, "share": 0.5, "factor": 2}, {"kind": "noise"},
         {"kind": "flapping-nic", "gpu": 3, "share": 0.1, "factor": 3}])",
     "/scenarios/0/anomalies/2", "second time"},
    {"CorrectionWindow", "/policies/0/correction", R"({"name": "adaptive", "window": 0})",
     "/policies/0/correction/window", "from 1"},
    {"CorrectionCost", "/policies/0/correction", R"({"name": "adaptive", "monitoring_cost": -0.1})",
     "/policies/0/correction/monitoring_cost", "from 0 to 1"},
    {"Costs", "/scenarios/0/costs", R"("measured")", "/scenarios/0/costs", "built-in"},
    {"NoRecords", "/scenarios/0/samples", R"({"records": []})", "/scenarios/0/samples/records", ""},
    {"ImagesForATextModel", "/scenarios/0/model", R"("qwen2.5-7b")", "/scenarios/0/samples", "no vision encoder"},
    {"NoPolicies", "/policies", "[]", "/policies", "at least one"},
    {"OwnPolicies", "/scenarios/0/policies", "[]", "/scenarios/0/policies", "at least one"},
    {"PolicyTwice", "/policies/1/name", R"("plain")", "/policies/1/name", "another policy"},
    {"UnknownLayout", "/policies/0/layout", R"("dflopp")", "/policies/0/layout", "did you mean \"dflop\""},
    {"UnknownParameter", "/policies/0/layout/tpp", "2", "/policies/0/layout/tpp", "unknown key"},
    {"UnknownBatching", "/policies/0/batching", R"("lpt")", "/policies/0/batching", "lpt-2d"},
    {"UnknownPipeline", "/policies/0/pipeline", R"("2f2b")", "/policies/0/pipeline", "1f1b"},
    {"UnknownCorrection", "/policies/0/correction", R"("on")", "/policies/0/correction", "off"},
    {"UnknownPolicyKey", "/policies/0/batch", R"("random")", "/policies/0/batch", "unknown key"},
    {"BothMicrobatches", "/policies/0/layout/samples_per_microbatch", "2", "/policies/0/layout", "either"},
    {"UnknownBaseline", "/baselines", R"(["plane"])", "/baselines/0", "did you mean \"plain\""},
    {"BaselineTwice", "/baselines", R"(["plain", "plain"])", "/baselines/1", "twice"},
    {"NoAxes", "/sweep", "{}", "/sweep", "at least one"},
    {"EmptyAxis", "/sweep", R"({"/cluster/nodes": []})", "/sweep/~1cluster~1nodes", "at least one"},
    {"AxisIsNoPointer", "/sweep", R"({"nodes": [1]})", "/sweep/nodes", "JSON pointer"},
    {"AxisIntoNumber", "/sweep", R"({"/global_batch_size/x": [1]})", "/sweep/~1global_batch_size~1x",
     "points at nothing"},
    {"AxisOfNames", "/sweep", R"({"/name": ["a"]})", "/sweep/~1name", "cannot be swept"},
    {"UnknownSweptKey", "/sweep", R"({"/clustr/nodes": [1]})", "/sweep/~1clustr~1nodes/0", "unknown key"},
    {"SweptValueTwice", "/sweep", R"({"/cluster/nodes": [1, 1]})", "/sweep/~1cluster~1nodes/1", "twice"},
    {"SweptValueTwiceInOtherWords", "/sweep", R"({"/cluster/nodes": [1, 1.0]})", "/sweep/~1cluster~1nodes/1", "twice"},
    {"AxisInsideAnother", "/sweep", R"({"/cluster/nodes": [1, 2], "/cluster": [{"name": "dgx-a100", "nodes": 1}]})",
     "/sweep/~1cluster", "same place"},
    {"BadSweptValue", "/sweep", R"({"/cluster/nodes": [1, 2, 0]})", "/sweep/~1cluster~1nodes/2", "from 1 to 131072"},
    {"BadValueOnSecondAxis", "/sweep", R"({"/cluster/nodes": [1], "/global_batch_size": [8, -8]})",
     "/sweep/~1global_batch_size/1", "from 1 to 1000000"},
};

INSTANTIATE_TEST_SUITE_P(Every, BadExperiment, testing::ValuesIn(kMistakes),
                         [](const auto& test) { return std::string(test.param.name); });

Experiment Read(const Json& json, const ExperimentOverrides& overrides = {}) {
  const TemporaryFolder folder;
  WriteJsonFile(folder / "experiment.json", json);
  return ReadExperiment(folder / "experiment.json", overrides);
}

TEST(Experiment, TwoScenariosOfOneNameAreRefused) {
  Json json = SmallExperiment();
  Json& scenarios = json["scenarios"];
  const Json first = scenarios.as<Json::Array>().front();
  scenarios.push_back(first);
  try {
    Read(json);
    FAIL() << "was accepted";
  } catch (const InputError& error) {
    EXPECT_EQ(error.pointer(), "/scenarios/1/name");
  }
}

TEST(Experiment, AMissingFileIsReported) { EXPECT_THROW(ReadExperiment("/nowhere/experiment.json"), InputError); }

TEST(Experiment, TruncatedJsonIsReportedWithItsFile) {
  const TemporaryFolder folder;
  const std::string text = SmallExperiment().Dump();
  WriteFile(folder / "cut.json", text.substr(0, text.size() / 2));
  try {
    ReadExperiment(folder / "cut.json");
    FAIL() << "was accepted";
  } catch (const InputError& error) {
    EXPECT_EQ(error.file(), folder / "cut.json");
  }
}

TEST(Experiment, LeavesOutWhatHasADefault) {
  Json json = SmallExperiment();
  json["seeds"] = Json::ArrayOf(std::vector<int>{5});
  const Experiment experiment = Read(json);
  EXPECT_EQ(experiment.engine, "replay");
  EXPECT_FALSE(experiment.has_sweep);
  ASSERT_EQ(experiment.points.size(), 1u);
  EXPECT_TRUE(experiment.points[0].values.is_null());
  EXPECT_EQ(experiment.points[0].scenario.policies.size(), 2u);
  EXPECT_EQ(experiment.points[0].scenario.software.recompute, Recompute::kNone);
}

TEST(Experiment, TheSeedOfTheCommandLineReplacesTheList) {
  ExperimentOverrides overrides;
  overrides.seed = 99;
  EXPECT_EQ(Read(SmallExperiment(), overrides).seeds, std::vector<std::int64_t>{99});
}

TEST(Experiment, AScenariosOwnPoliciesReplaceTheCommonOnes) {
  Json json = SmallExperiment();
  Json own = Json::EmptyArray();
  own.push_back(json["policies"].as<Json::Array>().front());
  ASSERT_TRUE(WriteAt(json, "/scenarios/0/policies", own));
  EXPECT_EQ(Read(json).points[0].scenario.policies.size(), 1u);
}

TEST(Experiment, SweepTakesEveryCombinationInOrder) {
  Json json = SmallExperiment();
  json["sweep"] = ParseJson(R"({"/cluster/nodes": [1, 2], "/global_batch_size": [8, 16, 24]})", "sweep");
  const Experiment experiment = Read(json);
  ASSERT_EQ(experiment.points.size(), 6u);  // 2 × 3, the last axis fastest
  EXPECT_EQ(experiment.points[1].scenario.cluster.nodes(), 1);
  EXPECT_EQ(experiment.points[1].scenario.global_batch_size, 16);
  EXPECT_EQ(experiment.points[3].scenario.cluster.nodes(), 2);
  EXPECT_EQ(experiment.points[3].values.Dump(), R"({"/cluster/nodes":2,"/global_batch_size":8})");
}

TEST(Experiment, AnAxisMaySetWhatTheScenarioLeavesOut) {
  Json json = SmallExperiment();
  json["sweep"] = ParseJson(R"({"/recompute": ["none", "full"], "/software/distributed_optimizer": [true]})", "sweep");
  const Experiment experiment = Read(json);
  ASSERT_EQ(experiment.points.size(), 2u);
  EXPECT_EQ(experiment.points[1].scenario.software.recompute, Recompute::kFull);
  EXPECT_TRUE(experiment.points[1].scenario.software.shards());
}

TEST(Experiment, FileNamesCountFromTheExperimentsFolder) {
  const TemporaryFolder folder;
  Json json = SmallExperiment();
  const Json* scenario = &json.find("scenarios")->as<Json::Array>().front();
  Json model = *scenario->find("model");
  WriteJsonFile(folder / "models/tiny.json", [&] {
    Json file = ParseJson(R"({"schema": "dflop/model/1"})", "model");
    for (const Json::Member& member : model.as<Json::Object>()) file[member.key] = member.value;
    return file;
  }());
  ASSERT_TRUE(WriteAt(json, "/scenarios/0/model", ParseJson(R"({"file": "models/tiny.json"})", "reference")));
  WriteJsonFile(folder / "experiment.json", json);
  const Experiment experiment = ReadExperiment(folder / "experiment.json");
  EXPECT_EQ(experiment.points[0].scenario.model.name, "tiny-vlm");
  const std::vector<std::string> files = FilesOf(experiment.points[0].scenario.json);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_TRUE(std::filesystem::equivalent(files[0], folder / "models/tiny.json"));
}

class SharedExample : public testing::TestWithParam<const char*> {};

TEST_P(SharedExample, IsAcceptedAsItIs) {
  const std::string path = std::string(DFLOP_SHARED_DIR "/examples/") + GetParam();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "the examples are not here";
  const std::vector<std::string> engines = EngineNames();
  const Json document = ReadJsonFile(path);
  const Json* engine = document.find("engine");
  const bool known = engine == nullptr || std::count(engines.begin(), engines.end(), engine->as<std::string>()) > 0;
  if (!known) GTEST_SKIP() << "this program is built without the engine " << engine->Dump();
  EXPECT_FALSE(ReadExperiment(path).points.empty());
}

INSTANTIATE_TEST_SUITE_P(Every, SharedExample,
                         testing::Values("gpt-fixed-layout.json", "mllm-fixed-layout.json", "quickstart.json",
                                         "sweep.json"));

TEST(CommittedExperiments, AreAccepted) {
  for (const char* name : {"quickstart.json", "nodes-sweep.json"}) {
    EXPECT_FALSE(ReadExperiment(std::string(DFLOP_SOURCE_DIR "/experiments/") + name).points.empty());
  }
}

}  // namespace
}  // namespace dflop
