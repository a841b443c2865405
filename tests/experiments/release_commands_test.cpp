// DFLOP's release and the `dflop` program hand each other files: profiles, plans, buckets. And what a policy is called
// whose batch program did not run.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "base/json_reader.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

class ReleaseCommands : public ProgramTest {
 protected:
  /// The small experiment with these policies alone, on one seed.
  void Write(const std::string& policies, const std::string& seeds = "[3]") {
    Json experiment = SmallExperiment();
    experiment["policies"] = ParseJson(policies, "policies");
    experiment["seeds"] = ParseJson(seeds, "seeds");
    experiment["baselines"] = Json::EmptyArray();
    WriteJsonFile(folder_ / "e.json", experiment);
  }
  int Dflop(const std::string& arguments) { return Shell("'" DFLOP_BINARY "' " + arguments).code; }
  std::string Out() { return ReadFile(streams_ / "out"); }
  std::string Err() { return ReadFile(streams_ / "err"); }
  Json Run(std::size_t index) {
    return ReadJsonFile(folder_ / "result/result.json").find("runs")->as<Json::Array>().at(index);
  }
};

constexpr const char* kPlain =
    R"({"name": "plain", "layout": "dflop-as-released", "batching": "lpt-2d", "pipeline": "1f1b"})";

TEST_F(ReleaseCommands, AProfileWrittenAndReadBackGivesTheSamePlan) {
  Write(std::string("[") + kPlain + R"(,
    {"name": "from files", "layout": {"name": "dflop-as-released", "profile": "release"}, "batching": "lpt-2d",
     "pipeline": "1f1b"}])");
  std::filesystem::create_directory(folder_ / "release");
  EXPECT_EQ(Dflop("run e.json --out result --quiet"), 2);
  EXPECT_NE(Err().find("e.json:/policies/1/layout/profile: "), std::string::npos) << Err();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/result.json"));
  ASSERT_EQ(Dflop("profile e.json --format dflop-release release"), 0) << Err();
  ASSERT_EQ(Dflop("run e.json --out result --quiet"), 0) << Err();
  EXPECT_EQ(Run(0).find("decision_hash")->Dump(), Run(1).find("decision_hash")->Dump());
  EXPECT_NE(ReadFile(folder_ / "result/result.json").find("release/samples.json"), std::string::npos)
      << "its files are inputs of the result";
  EXPECT_EQ(Dflop("profile e.json --format dflop-release"), 2);
}

/// The buckets of a `dflop plan` file as a solver elsewhere would write them.
Json BucketsOf(const Json& plan) {
  Json steps = Json::EmptyArray();
  for (const Json& step : plan.find("steps")->as<Json::Array>()) {
    const Json::Array& replicas = step.find("batch_plan")->as<Json::Array>();
    Json buckets = Json::EmptyArray();
    for (std::size_t k = 0; k < replicas[0].as<Json::Array>().size(); ++k) {
      for (const Json& replica : replicas) buckets.push_back(replica.as<Json::Array>()[k]);
    }
    steps.push_back(std::move(buckets));
  }
  Json file;
  file["schema"] = "dflop/buckets/1";
  file["seeds"]["3"] = std::move(steps);
  return file;
}

TEST_F(ReleaseCommands, BucketsFromElsewhereRunAsTheyAre) {
  const std::string layout = R"("layout": {"name": "fixed", "encoders": {"eye": {"tp": 1, "pp": 1, "dp": 4}},
                                            "llm": {"tp": 1, "pp": 2, "dp": 2}, "microbatches": 2}, "pipeline": "1f1b")";
  const std::string own = R"([{"name": "own", "batching": "random", )" + layout + "}";
  Write(own + "]");
  ASSERT_EQ(Dflop("plan e.json --out plan.json"), 0) << Err();
  const Json plan = ReadJsonFile(folder_ / "plan.json");
  EXPECT_EQ(plan.find("steps")->as<Json::Array>()[0].find("batch")->as<Json::Array>().size(), 8u);
  WriteJsonFile(folder_ / "buckets.json", BucketsOf(plan));
  Write(own + R"(, {"name": "given", "batching": {"name": "buckets", "file": "buckets.json"}, )" + layout + "}]");
  ASSERT_EQ(Dflop("run e.json --out result --quiet"), 0) << Err();
  EXPECT_EQ(Run(0).find("decision_hash")->Dump(), Run(1).find("decision_hash")->Dump());
  EXPECT_EQ(Run(0).find("timeline_hash")->Dump(), Run(1).find("timeline_hash")->Dump());
  EXPECT_EQ(Dflop("run e.json --out other --quiet --seed 4"), 2);
  EXPECT_NE(Err().find("buckets.json:/seeds: lacks the experiment's seed"), std::string::npos) << Err();
}

TEST_F(ReleaseCommands, WhatStoodInForABatchProgramIsNamedWhereverItsFiguresAre) {
  const std::string shown = "released (lpt-2d instead)";
  Write(R"([{"name": "released", "layout": "dflop-as-released", "pipeline": "1f1b",
             "batching": {"name": "dflop-as-released", "max_binaries": 1}}, )" +
        std::string(kPlain) + "]");
  ASSERT_EQ(Dflop("run e.json --out result"), 0) << Err();
  EXPECT_NE(Out().find(shown), std::string::npos) << Out();
  EXPECT_EQ(Out().find("plain ("), std::string::npos) << Out();
  EXPECT_NE(ReadFile(folder_ / "result/table.csv").find("," + shown + ","), std::string::npos);
  EXPECT_NE(ReadFile(folder_ / "result/report.html").find("<strong>" + shown), std::string::npos);
  EXPECT_EQ(Run(0).find("policy")->as<std::string>(), "released");
  EXPECT_EQ(Run(0).find("batching_instead")->as<std::string>(), "lpt-2d");
  EXPECT_EQ(Run(1).find("batching_instead"), nullptr);
}

}  // namespace
}  // namespace dflop
