// `dflop check` as CI sees it: exit codes, the lines, the JUnit file.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

/// Holds the small experiment's result in stored/.
class CheckCommand : public ProgramTest {
 protected:
  void SetUp() override {
    WriteJsonFile(folder_ / "e.json", SmallExperiment());
    ASSERT_EQ(Dflop("run e.json --out stored --quiet"), 0);
  }

  int Dflop(const std::string& arguments) {
    const Outcome outcome = Shell(DFLOP_BINARY " " + arguments);
    out_ = outcome.out;
    err_ = outcome.err;
    return outcome.code;
  }

  void ScaleStoredTimes(const std::string& policy, double factor) {
    Json stored = ReadJsonFile(folder_ / "stored/result.json");
    for (Json& run : stored["runs"].as<Json::Array>()) {
      if (run.find("policy")->as<std::string>() != policy) continue;
      Json& time = run["metrics"]["iteration_time_s"]["mean"];
      time = Json(time.number() * factor);
    }
    WriteJsonFile(folder_ / "stored/result.json", stored);
  }

  bool Says(const std::string& text) const { return dflop::Says(out_, text); }

  std::string out_;
  std::string err_;
};

constexpr const char* kNothing = "0 regressions, 0 undecided, 0 improvements, 0 other changes\n";

TEST_F(CheckCommand, FindsAnUnchangedResultEqual) {
  EXPECT_EQ(Dflop("check e.json --against stored --tolerance 0"), 0) << err_;
  EXPECT_EQ(out_, std::string("2 rows (4 runs) compared with stored: ") + kNothing);
  Json older = ReadJsonFile(folder_ / "stored/result.json");  // stored before results kept the curves of their models
  ASSERT_EQ(std::erase_if(older.as<Json::Object>(), [](const auto& key) { return key.key == "model_profiles"; }), 1u);
  WriteJsonFile(folder_ / "stored/result.json", older);
  EXPECT_EQ(Dflop("check e.json --against stored"), 0);
  EXPECT_TRUE(Says(kNothing)) << out_;
}

TEST_F(CheckCommand, OfOneSeedMissesNoOther) {
  EXPECT_EQ(Dflop("check e.json --against stored --seed 2"), 0) << out_;
  EXPECT_EQ(out_, std::string("not compared, as only the stored result has them: seeds 1\n"
                              "2 rows (2 runs) compared with stored: ") +
                      kNothing);
  EXPECT_EQ(Dflop("check e.json --against stored --seed 3"), 2);
  EXPECT_EQ(err_.find("stored/result.json:/runs: "), 0u) << err_;
}

TEST_F(CheckCommand, FailsWhereAPolicyIsSlowerThanStored) {
  ScaleStoredTimes("plain", 1 / 1.0375);
  ScaleStoredTimes("split", 1.02);
  EXPECT_EQ(Dflop("check e.json --against stored --junit check.xml"), 1);
  EXPECT_EQ(out_.find("regressions:\n  tiny, plain: step "), 0u) << out_;
  EXPECT_TRUE(Says("s (+3.75 % ± 0.00)\nimprovements:\n  tiny, split: step ")) << out_;
  EXPECT_TRUE(Says("1 regressions, 0 undecided, 1 improvements, 0 other changes\n")) << out_;
  const std::string xml = ReadFile(folder_ / "check.xml");
  EXPECT_NE(xml.find("<testcase classname=\"small\" name=\"tiny, plain\">\n<failure message=\"step "),
            std::string::npos);
  EXPECT_NE(xml.find("tests=\"2\" failures=\"1\""), std::string::npos);
  EXPECT_EQ(Dflop("check e.json --against stored --quiet"), 1);
  EXPECT_FALSE(Says("improvements:")) << out_;
  EXPECT_EQ(Dflop("check e.json --against stored --tolerance 0.04"), 0);
}

TEST_F(CheckCommand, BadInputIsToldBeforeAnythingRuns) {
  EXPECT_EQ(Dflop("check e.json --against nowhere"), 2);
  EXPECT_EQ(Dflop("check e.json --against stored --junit nowhere/check.xml"), 2);
  EXPECT_EQ(Dflop("check e.json --against stored --junit stored"), 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "nowhere"));
  const std::string whole = ReadFile(folder_ / "stored/result.json");
  WriteFile(folder_ / "stored/result.json", whole.substr(0, whole.size() / 2));
  EXPECT_EQ(Dflop("check e.json --against stored --junit check.xml"), 2);
  EXPECT_EQ(err_.find("stored/result.json:"), 0u) << err_;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "check.xml"));
}

}  // namespace
}  // namespace dflop
