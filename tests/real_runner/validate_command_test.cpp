// `real_runner validate` as scripts see it, with operations that spin.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json_reader.hpp"
#include "experiments/results/validation_figures.hpp"
#include "real_runner/execute/stage_backend.hpp"
#include "real_runner/validate/validation_job.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

/// Two ranks: a pipeline and two replicas.
Json TwoRanks() {
  Json experiment = SmallExperiment();
  experiment["policies"] = ParseJson(R"([
      {"name": "pipeline", "layout": {"name": "fixed", "uniform": {"tp": 1, "pp": 2, "dp": 1, "encoder_stages": 1},
                                      "microbatches": 4}, "batching": "random", "pipeline": "1f1b"},
      {"name": "replicas", "layout": {"name": "fixed", "uniform": {"tp": 1, "pp": 1, "dp": 2}, "microbatches": 2},
       "batching": "lpt-2d", "pipeline": "1f1b"}])",
                                     "policies");
  experiment["baselines"] = Json::ArrayOf(std::vector<std::string>{"pipeline"});
  return experiment;
}

class Validate : public ProgramTest {
 protected:
  Outcome Run(const Json& experiment, const std::string& options) {
    WriteJsonFile(folder_ / "e.json", experiment);
    // Open MPI never frees what it began with.
    return Shell("LSAN_OPTIONS=detect_leaks=0 '" REAL_RUNNER_BINARY "' validate e.json --out out " + options);
  }

  void ExpectRefused(const Json& experiment, const std::string& options, const std::string& message) {
    const Outcome outcome = Run(experiment, options);
    EXPECT_EQ(outcome.code, 2) << options;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  }
};

TEST_F(Validate, SpinningPlansTakeTheTimeAndReachTheSpeedupThatWasPredicted) {
  const Outcome outcome = Run(TwoRanks(), "--backend spin --time-scale 1.5 --repeats 2 --attempts 20");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const ValidationFigures validation = ReadValidation(folder_ / "out").value();
  ASSERT_EQ(validation.scenarios.size(), 1u);
  const ValidatedScenarioFigures& scenario = validation.scenarios[0];
  ASSERT_EQ(scenario.policies.size(), 2u);
  EXPECT_EQ(scenario.ranks, 2);
  EXPECT_NE(outcome.out.find("| replicas"), std::string::npos) << outcome.out;
  const std::string report = ReadFile(folder_ / "out/report.html");
  EXPECT_NE(report.find("Prediction and measurement"), std::string::npos);
  EXPECT_NE(report.find(">replicas: measured<"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/figures/validation-tiny.svg"));
  for (const ValidatedPolicyFigures& policy : scenario.policies) {
    EXPECT_EQ(policy.pictures.size(), 2u);
    EXPECT_EQ(policy.pictures.at(0).events.size(), policy.pictures.at(1).events.size());
    if (policy.disturbed > 0) GTEST_SKIP() << "disturbed 20 times";
    EXPECT_NEAR(policy.measured_s.mean / policy.predicted_s, 1, 0.04) << policy.policy;
    EXPECT_LE(policy.most_replay_error, 0.04) << policy.policy;
    EXPECT_NEAR(policy.measured_speedup.mean / policy.predicted_speedup, 1, 0.04) << policy.policy;
  }
}

TEST_F(Validate, BadInputIsSaidBeforeAnythingIsWritten) {
  Json experiment = TwoRanks();
  experiment["baselines"] = Json::EmptyArray();
  ExpectRefused(experiment, "--backend spin", "has no baselines");
  experiment = TwoRanks();
  experiment["sweep"]["/global_batch_size"] = Json(Json::Array{8, 16});
  ExpectRefused(experiment, "--backend spin", "/sweep: cannot be validated");
  ExpectRefused(TwoRanks(), "--backend spin --policy repliques --policy pipeline", "\"repliques\" is no policy of");
  ExpectRefused(TwoRanks(), "--backend spin --policy replicas", "has none of the baselines");
  ExpectRefused(TwoRanks(), "--backend spin --policy pipeline", "only one policy");
  ExpectRefused(TwoRanks(), "--backend abacus", "\"abacus\" is not known");
  ExpectRefused(TwoRanks(), "--backend spin --trace e.json", "--trace: spin takes the costs");
  ExpectRefused(TwoRanks(), "--backend spin --profile-budget soon", "is \"soon\"");
  experiment = TwoRanks();
  experiment["policies"].as<Json::Array>()[1]["batching"] = "at-will";
  ExpectRefused(experiment, "--backend spin", "at-will");
}

TEST_F(Validate, PoliciesThatTheBackendCannotExecuteAreNamed) {
  const std::vector<std::string> names = StageBackendNames();
  if (std::find(names.begin(), names.end(), "cpu") == names.end()) GTEST_SKIP() << "no cpu backend executes plans";
  Json experiment = TwoRanks();
  experiment["policies"].as<Json::Array>()[1]["layout"]["uniform"]["tp"] = 2;
  ExpectRefused(experiment, "--backend cpu", "\"replicas\" (tiny)");
}

TEST_F(Validate, ABrokenRunIsAFailureAndSaysWhichProgram) {
  Json experiment = TwoRanks();
  WriteFile(streams_ / "mpirun", "#!/bin/sh\necho 'no slots' >&2\nexit 3\n");
  std::filesystem::permissions(streams_ / "mpirun", std::filesystem::perms::owner_all);
  const std::string path = streams_.path() + ":" + std::getenv("PATH");
  ASSERT_EQ(setenv("PATH", path.c_str(), 1), 0);
  const Outcome outcome = Run(experiment, "--backend spin --repeats 1 --time-scale 0.1");
  ASSERT_EQ(setenv("PATH", path.substr(streams_.path().size() + 1).c_str(), 1), 0);
  if (std::string(DFLOP_MPIEXEC).empty()) GTEST_SKIP() << "this build has no MPI";
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("ended with exit code 3:\nno slots"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/validation.json"));
}

TEST_F(Validate, CostsComeFromTheTraceAndOtherFilesStayWhereTheyAre) {
  Json experiment = TwoRanks();
  experiment["scenarios"].as<Json::Array>()[0]["samples"] = ParseJson(R"({"file": "data/s.json"})", "samples");
  experiment["scenarios"].as<Json::Array>()[0]["costs"] =
      ParseJson(R"({"file": "old.json", "max_extrapolated_fraction": 0.9})", "costs");
  WriteJsonFile(folder_ / "e.json", experiment);
  const ValidationJob job = ReadValidationJob(folder_ / "e.json", {});
  const Json scenario = WithCosts(job.experiment, "trace.json").find("scenarios")->as<Json::Array>()[0];
  EXPECT_EQ(scenario.find("samples")->find("file")->as<std::string>(), folder_ / "data/s.json");
  EXPECT_EQ(scenario.find("costs")->Dump(),
            R"({"file":"trace.json","device_mismatch":"accept","max_extrapolated_fraction":0.9})");
  // A model that stands in the experiment is profiled from a file of its own, which says the same.
  const std::vector<std::string> models = ModelsToProfile(job.experiment, folder_ / "models");
  ASSERT_EQ(models.size(), 1u);
  const Json model = ReadJsonFile(models[0]);
  EXPECT_EQ(model.find("schema")->as<std::string>(), "dflop/model/1");
  EXPECT_EQ(model.find("llm")->find("hidden")->number(), 1024);
}

TEST_F(Validate, ListedPoliciesAreTheOnlyOnesThatStay) {
  Json experiment = TwoRanks();
  experiment["policies"].push_back(experiment["policies"].as<Json::Array>()[1]);
  experiment["policies"].as<Json::Array>()[2]["name"] = "third";
  WriteJsonFile(folder_ / "e.json", experiment);
  const ValidationJob job = ReadValidationJob(folder_ / "e.json", {"third", "pipeline"});
  EXPECT_EQ(job.scenarios[0].policies, (std::vector<std::string>{"pipeline", "third"}));
  EXPECT_EQ(job.experiment.find("policies")->as<Json::Array>().size(), 2u);
}

}  // namespace
}  // namespace dflop
