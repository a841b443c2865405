// Anomalies from an experiment's file to the figures of its runs.
#include "experiments/spec/anomalies.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "experiments/run/point_run.hpp"
#include "sim/engine/engine.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

Experiment Read(const std::string& anomalies, const std::string& correction = "\"off\"") {
  Json json = SmallExperiment();
  json["steps"] = 6;
  json["scenarios"].as<Json::Array>().front()["anomalies"] = ParseJson(anomalies, "anomalies");
  for (Json& policy : json["policies"].as<Json::Array>()) policy["correction"] = ParseJson(correction, "correction");
  const TemporaryFolder folder;
  WriteJsonFile(folder / "experiment.json", json);
  return ReadExperiment(folder / "experiment.json");
}

/// The run of the separate layout with the first seed.
Json RunOf(const Experiment& experiment) {
  const Point& point = experiment.points.front();
  return RunUnit({&experiment, &point, &point.scenario.policies.back()}).as<Json::Array>().front();
}

double MeanTime(const Json& run) { return run.find("metrics")->find("iteration_time_s")->find("mean")->number(); }

constexpr const char* kSlowQuarter = R"([{"kind": "slow-shapes", "share": 0.25, "delay": 1}])";

TEST(Anomalies, ChangeWhatHappensAndNothingThatIsDecided) {
  const Json plain = RunOf(Read("[]"));
  for (const char* anomalies : {kSlowQuarter, R"([{"kind": "drift", "per_step": 0.1}])",
                                R"([{"kind": "slow-device", "gpu": 5, "factor": 3, "from_step": 2}])",
                                R"([{"kind": "noise", "tail_share": 0.1, "tail_factor": 2}])",
                                R"([{"kind": "slow-link", "gpu": 5, "link": "nvlink", "factor": 20}])"}) {
    SCOPED_TRACE(anomalies);
    const Json run = RunOf(Read(anomalies));
    EXPECT_EQ(run.find("decision_hash")->Dump(), plain.find("decision_hash")->Dump());
    EXPECT_NE(run.find("timeline_hash")->Dump(), plain.find("timeline_hash")->Dump());
    EXPECT_GT(MeanTime(run), MeanTime(plain));
    // The same work in more time.
    const double flops = run.find("metrics")->find("mfu")->number() * MeanTime(run);
    EXPECT_NEAR(flops / (plain.find("metrics")->find("mfu")->number() * MeanTime(plain)), 1, 1e-12);
  }
}

TEST(Anomalies, AreNamedWithTheirDefaults) {
  const Experiment experiment = Read(
      R"([{"kind": "slow-shapes", "share": 0.25, "delay": 0.5, "module": "eye", "stages": "all", "per": "microbatch"},
          {"kind": "drift", "per_step": 0.07}, {"kind": "slow-device", "gpu": 5, "factor": 1.5}])");
  EXPECT_EQ(
      DescribeAnomalies(experiment.points.front().scenario),
      "25 % of the samples, by ranges of 128 tokens drawn per seed, add 50 % of the largest stage duration once to "
      "a microbatch in every stage of eye; every module becomes 7 % slower a step, up to 100 %; GPU 5 takes 1.5 "
      "times as long from step 0 on");
}

TEST(Anomalies, NoiseIsNamedWithItsDefaults) {
  const auto described = [](const std::string& noise) {
    return DescribeAnomalies(Read("[" + noise + "]").points.front().scenario);
  };
  const std::string text =
      "what a GPU computes varies by 2 % from operation to operation, a group waiting for its slowest GPU, and by 1 % "
      "from step to step";
  EXPECT_EQ(described(R"({"kind": "noise"})"), text);
  EXPECT_EQ(described(R"({"kind": "noise", "tail_share": 0.001, "tail_factor": 3})"),
            text + ", and 0.1 % of the operations take 3 times as long");
}

TEST(Anomalies, ReplicasThatNoiseTellsApartAreSimulatedEach) {
  // All samples are alike, and so are the two replicas of "plain".
  const auto classes = [](const std::string& anomalies) {
    Json json = SmallExperiment();
    json["scenarios"].as<Json::Array>().front()["anomalies"] = ParseJson(anomalies, "anomalies");
    json["scenarios"].as<Json::Array>().front()["samples"] =
        ParseJson(R"({"records": [{"images": [[640, 480]], "text_tokens": 100}]})", "samples");
    const TemporaryFolder folder;
    WriteJsonFile(folder / "experiment.json", json);
    const Experiment experiment = ReadExperiment(folder / "experiment.json");
    const Point& point = experiment.points.front();
    const Json runs = RunUnit({&experiment, &point, &point.scenario.policies.front()});
    return runs.as<Json::Array>().front().find("replica_classes")->Dump();
  };
  EXPECT_EQ(classes("[]"), R"({"replicas":2,"classes":1,"folded":true})");
  for (const char* anomaly : {R"([{"kind": "noise"}])", R"([{"kind": "slow-device", "gpu": 5, "factor": 3}])"}) {
    EXPECT_EQ(classes(anomaly), R"({"replicas":2,"classes":1,"folded":false,"why_told_apart":)"
                                R"("anomalies may hit each of them in its own way"})");
  }
}

/// Seconds of the six steps, by policy, where nodes have four GPUs and all policies cross them.
std::vector<std::vector<double>> StepsOverNics(const std::string& anomalies, const std::string& engine) {
  Json json = SmallExperiment();
  json["steps"] = 6;
  json["engine"] = engine;
  Json& scenario = json["scenarios"].as<Json::Array>().front();
  scenario["cluster"] = ParseJson(R"({"name": "dgx-a100", "nodes": 2, "node": {"gpus": 4, "nics": 4}})", "cluster");
  scenario["anomalies"] = ParseJson(anomalies, "anomalies");
  const TemporaryFolder folder;
  WriteJsonFile(folder / "experiment.json", json);
  const Experiment experiment = ReadExperiment(folder / "experiment.json");
  const Point& point = experiment.points.front();
  std::vector<std::vector<double>> times;
  for (const PolicySpec& policy : point.scenario.policies) {
    const Json run = RunUnit({&experiment, &point, &policy}).as<Json::Array>().front();
    std::vector<double>& steps = times.emplace_back();
    const Json& per_step = *run.find("metrics")->find("iteration_time_s")->find("per_step");
    for (const Json& step : per_step.as<Json::Array>()) steps.push_back(step.number());
  }
  return times;
}

class FaultsOfLinks : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("simgrid") && !HasSimGridEngine()) GTEST_SKIP() << "built without SimGrid";
  }
};

TEST_P(FaultsOfLinks, ASlowNicSlowsStepsFromItsOwnOn) {
  const auto plain = StepsOverNics("[]", GetParam());
  const auto slow =
      StepsOverNics(R"([{"kind": "slow-link", "gpu": 4, "link": "nic", "factor": 50, "from_step": 3}])", GetParam());
  for (std::size_t policy = 0; policy < plain.size(); ++policy) {
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(slow[policy][i], plain[policy][i]);
    for (std::size_t i = 3; i < 6; ++i) EXPECT_GT(slow[policy][i], 1.01 * plain[policy][i]);
  }
}

TEST_P(FaultsOfLinks, AFlappingNicIsASlowOneInTheStepsThatTheSeedDrawsForAllPolicies) {
  const auto plain = StepsOverNics("[]", GetParam());
  const auto slow = StepsOverNics(R"([{"kind": "slow-link", "gpu": 4, "link": "nic", "factor": 50}])", GetParam());
  const auto flapping =
      StepsOverNics(R"([{"kind": "flapping-nic", "gpu": 4, "share": 0.5, "factor": 50}])", GetParam());
  int down = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const bool is_down = flapping[0][i] == slow[0][i];
    down += is_down ? 1 : 0;
    for (std::size_t policy = 0; policy < plain.size(); ++policy) {
      ASSERT_NE(slow[policy][i], plain[policy][i]);
      EXPECT_EQ(flapping[policy][i], is_down ? slow[policy][i] : plain[policy][i]) << "step " << i;
    }
  }
  EXPECT_GT(down, 0);
  EXPECT_LT(down, 6);
}

INSTANTIATE_TEST_SUITE_P(Engines, FaultsOfLinks, testing::Values("replay", "simgrid"));

TEST(Anomalies, ACorrectionCostsWhileItWatchesAndNothingAfterwards) {
  const Json plain = RunOf(Read("[]"));
  const Json run = RunOf(Read("[]", R"({"name": "adaptive", "window": 4, "monitoring_cost": 0.5})"));
  const auto step = [](const Json& of, std::size_t i) {
    return of.find("metrics")->find("iteration_time_s")->find("per_step")->as<Json::Array>()[i].number();
  };
  for (std::size_t i = 0; i < 4; ++i) EXPECT_GT(step(run, i), 1.2 * step(plain, i));
  for (std::size_t i = 4; i < 6; ++i) EXPECT_EQ(step(run, i), step(plain, i));
  EXPECT_EQ(run.find("correction")->find("steps_tracked")->number(), 4);
  EXPECT_EQ(plain.find("correction"), nullptr);
}

}  // namespace
}  // namespace dflop
