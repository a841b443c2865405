// What `dflop run` draws of a step: on request nothing, and nothing of what comes to no result.
#include <filesystem>

#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

class RunPictures : public ProgramTest {
 protected:
  Outcome Dflop(const std::string& arguments) { return Shell("'" DFLOP_BINARY "' " + arguments); }
  Json Result(const std::string& name) { return ReadJsonFile(folder_ / (name + "/result.json")); }
};

TEST_F(RunPictures, PicturesAndReportCanBeLeftOut) {
  WriteJsonFile(folder_ / "e.json", SmallExperiment());
  ASSERT_EQ(Dflop("run e.json --out result").code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "result/figures/tiny-pipeline.svg"));
  WriteFile(folder_ / "result/figures/own.svg", "<svg/>");
  const Json with = Result("result");
  const Outcome run = Dflop("run e.json --out result --trace none --no-report");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("result: result/result.json"), std::string::npos) << run.out;
  // What stood there belongs to another result.
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/report.html"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/figures/tiny-pipeline.svg"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "result/figures/own.svg"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/traces/tiny-plain.json"));
  const Json without = Result("result");
  EXPECT_TRUE(without.find("pictures")->as<Json::Array>().empty());
  for (std::size_t i = 0; i < with.find("runs")->as<Json::Array>().size(); ++i) {
    for (const char* hash : {"decision_hash", "timeline_hash"}) {
      EXPECT_EQ(*with.find("runs")->as<Json::Array>()[i].find(hash),
                *without.find("runs")->as<Json::Array>()[i].find(hash));
    }
  }
  EXPECT_EQ(Dflop("report result").code, 0);
  EXPECT_EQ(Dflop("run e.json --out result --trace some").code, 2);
}

TEST_F(RunPictures, APointThatFailsAfterItsFirstStepIsNotDrawn) {
  Json experiment = SmallExperiment();
  experiment["sweep"] = ParseJson(R"({"/planning_samples": [32, 33]})", "sweep");
  experiment["seeds"] = ParseJson("[2]", "seeds");
  experiment["steps"] = 4;
  // Between what the first step and all four steps price beyond the measured shapes.
  experiment["scenarios"].as<Json::Array>()[0]["costs"]["max_extrapolated_fraction"] = 0.28;
  WriteJsonFile(folder_ / "e.json", experiment);
  ASSERT_EQ(Dflop("run e.json --out result").code, 0);
  std::size_t infeasible = 0;
  const Json result = Result("result");
  for (const Json& run : result.find("runs")->as<Json::Array>()) infeasible += run.find("infeasible") != nullptr;
  ASSERT_EQ(infeasible, result.find("runs")->as<Json::Array>().size());
  EXPECT_TRUE(result.find("pictures")->as<Json::Array>().empty());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/traces"));
}

}  // namespace
}  // namespace dflop
