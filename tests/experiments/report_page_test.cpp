// What stands where in a report: the verdict first, then why, then the steps; how far each row may be believed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/headline.hpp"
#include "experiments/report/report.hpp"
#include "experiments/report/timeline_data.hpp"
#include "experiments/report/timeline_panel.hpp"
#include "experiments/report/trust.hpp"
#include "experiments/results/result_figures.hpp"
#include "experiments/run/policy_lines.hpp"
#include "tests/experiments/report_fixture.hpp"

namespace dflop {
namespace {

using report_fixture::Policy;

const std::vector<Policy> kTwoPolicies = {{"random-fixed", 1.92, 4, 1, 16, 0.7, true},
                                          {"balanced", 1.20, 2, 2, 8, 0.1, true}};

class ReportPageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "page_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Json Result(const std::vector<std::string>& scenarios) {
    Json result = report_fixture::EmptyResult("page", {"random-fixed"});
    for (const std::string& scenario : scenarios) {
      report_fixture::AddScenario(result, scenario);
      for (const Policy& policy : kTwoPolicies) {
        for (const int seed : {1, 2}) result["runs"].push_back(report_fixture::Run(scenario, {}, policy, seed, 4));
        report_fixture::AddPicture(result, folder_, scenario, policy);
      }
    }
    return result;
  }
  std::string Page(const Json& result) {
    WriteJsonFile(folder_ + "/result.json", result);
    WriteReport(folder_);
    return ReadFile(folder_ + "/report.html");
  }
  std::string Complaint(const Json& result) {
    WriteJsonFile(folder_ + "/result.json", result);
    try {
      ReadReport(folder_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  std::string folder_;
};

TEST_F(ReportPageTest, TheVerdictComesFirstThenTheChartThenWhyThenTheSteps) {
  const std::string page = Page(Result({"first", "second"}));
  std::size_t before = 0;
  for (const char* part : {"<p class=\"verdict\">balanced is fastest in first", "<h3>Speedup over the baselines</h3>",
                           "<h3>Why: idle device time by cause</h3>", "<h3>One step of every policy</h3>", "<table>",
                           "Regret of every policy", "<h2>second</h2>", "<summary>Charts of second"}) {
    const std::size_t place = page.find(part);
    ASSERT_NE(place, std::string::npos) << part;
    EXPECT_GT(place, before) << part;
    before = place;
  }
}

TEST(ReportHeadline, SaysWhenAnIntervalDoesNotTellTwoApart) {
  Report report;
  report.baselines = {"base"};
  PointFigures& point = report.points.emplace_back();
  point.scenario = "s";
  // Means 2.1 and 2.0933; the paired differences 0.01, −0.05 and 0.06 have 0 well inside their interval.
  for (const auto& [name, steps] : std::vector<std::pair<std::string, std::vector<double>>>{
           {"base", {2.0, 2.2, 2.1}}, {"ours", {1.99, 2.25, 2.04}}}) {
    PolicyFigures& policy = point.policies.emplace_back();
    policy.policy = name;
    policy.seeds = {{1, 2, 3}, steps, {"", "", ""}, 3};
  }
  const std::string verdict = MakeHeadline(report).verdict;
  EXPECT_TRUE(verdict.starts_with("ours is fastest in s, 2.093")) << verdict;
  EXPECT_NE(verdict.find("1.00×"), std::string::npos) << verdict;
  EXPECT_NE(verdict.find("over base, not told apart"), std::string::npos) << verdict;
}

TEST(ReportHeadline, WhatDoesNotFitNeverWins) {
  Report report;
  PointFigures& point = report.points.emplace_back();
  point.scenario = "s";
  for (const auto& [name, seconds] : std::vector<std::pair<std::string, double>>{{"large", 1.0}, {"small", 2.0}}) {
    PolicyFigures& policy = point.policies.emplace_back();
    policy.policy = name;
    policy.seeds = {{1}, {seconds}, {""}, 1};
    policy.figures.fits = name == "small";
  }
  EXPECT_TRUE(MakeHeadline(report).verdict.starts_with("small is fastest in s")) << MakeHeadline(report).verdict;
}

TEST_F(ReportPageTest, EveryRowSaysHowFarItMayBeBelieved) {
  WriteJsonFile(folder_ + "/result.json", Result({"first"}));
  Report report = ReadReport(folder_);
  PointFigures& point = report.points.front();
  PolicyFigures& policy = point.policies.back();
  EXPECT_EQ(TrustOf(report, point, policy).word, "extrapolated 3.4 %");  // the fixture's 0.034
  policy.figures.extrapolated_fraction = 0;
  EXPECT_EQ(TrustOf(report, point, policy).word, "interpolated");
  policy.figures.extrapolated_fraction = 0.31;
  EXPECT_TRUE(TrustOf(report, point, policy).is_bad);
  policy.figures.fits = false;
  EXPECT_EQ(TrustOf(report, point, policy).detail, "does not fit: no choice");
}

TEST_F(ReportPageTest, PoliciesAreToldInALineEach) {
  Json result = Result({"first"});
  result["policies"] = ParseJson(R"([{"name": "balanced", "line": "layout: best <by> hand"}])", "policies");
  EXPECT_NE(Page(result).find("<dt>balanced</dt><dd>layout: best &lt;by&gt; hand</dd>"), std::string::npos);
  EXPECT_EQ(SummaryHead("TP 8, PP 4: the data-blind plan"), "TP 8, PP 4");
  EXPECT_EQ(SummaryHead("shuffled samples (Knuth)"), "shuffled samples");
}

TEST_F(ReportPageTest, RowsOfATimelineSayReplicaStageAndLayers) {
  Json timeline = report_fixture::Timeline("s", kTwoPolicies[1]);
  Json& first = timeline["stages"].as<Json::Array>()[1];
  first["label"] = "llama3-8b layers 8–15, replica 0";
  first["modules"] = ParseJson("[1]", "modules");
  WriteJsonFile(folder_ + "/t.json", timeline);
  const StepPicture picture = ReadPicture(folder_ + "/t.json");
  EXPECT_EQ(MakeTimelinePanel(picture, kMostEvents).rows[1].name(), "replica 0 · stage 1 · LLM layers 8–15");
}

TEST_F(ReportPageTest, SamplesOfAMicrobatchReachTheScript) {
  Json timeline = report_fixture::Timeline("s", kTwoPolicies[1]);
  timeline["samples"] = ParseJson(R"([{"module": 0, "replica": 1, "microbatches": [[3, 7], [4]]}])", "samples");
  WriteJsonFile(folder_ + "/t.json", timeline);
  const StepPicture picture = ReadPicture(folder_ + "/t.json");
  EXPECT_EQ(picture.samples.at({0, 1}).front(), (std::vector<int>{3, 7}));
  EXPECT_NE(TimelineData({&picture}, kMostEvents).find("\"samples\":[[[3,7],[4]]]"), std::string::npos);
}

TEST_F(ReportPageTest, AFigureForAPaperIsSmallAndSaysWhatItMerged) {
  // 8 replicas of 8 stages with 512 microbatches: 64 · 2 · 512 = 65,536 boxes and nearly as many messages.
  WriteJsonFile(folder_ + "/t.json", report_fixture::Timeline("s", {"large", 3.0, 8, 8, 512, 0.4, true}));
  const StepPicture picture = ReadPicture(folder_ + "/t.json");
  const std::string file = PipelineChart("s", {&picture}, 1'000'000).Standalone(FigureStyle());
  EXPECT_LT(file.size(), kMostFigureBytes);
  EXPECT_NE(file.find(" px merged"), std::string::npos);
  EXPECT_NE(file.find("class=\"heading\""), std::string::npos);
  EXPECT_NE(file.find("LLM backward"), std::string::npos);  // of the legend
}

TEST_F(ReportPageTest, EventsAreSharedOutSoThatSmallStepsStayWhole) {
  StepPicture small, large;
  small.events.resize(10);
  large.events.resize(1000);
  // 210 in all: the small one needs 10 of its 105, which leaves 200 for the large one.
  EXPECT_EQ(EventsOfEach({&large, &small}, 210), 200u);
  EXPECT_EQ(EventsOfEach({&small, &small}, 210), 210u);
}

TEST_F(ReportPageTest, FiguresGoToAFolderOfTheirOwn) {
  WriteJsonFile(folder_ + "/result.json", Result({"first"}));
  const FigureFiles files = WriteFigures(folder_, folder_ + "/paper", false);
  EXPECT_EQ(files.figures, 5u);  // speedup, idle, pipeline, load, memory
  EXPECT_EQ(files.pdfs, 0u);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/paper/first-speedup.svg"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/report.html"));
}

TEST_F(ReportPageTest, PdfsAreMadeWhereTheProgramIsThere) {
  if (!CanMakePdfs()) GTEST_SKIP() << "rsvg-convert (librsvg2-bin) is not installed";
  WriteJsonFile(folder_ + "/result.json", Result({"first"}));
  const FigureFiles files = WriteFigures(folder_, folder_ + "/paper", true);
  EXPECT_EQ(files.pdfs, files.figures);
  EXPECT_TRUE(ReadFile(folder_ + "/paper/first-pipeline.pdf").starts_with("%PDF"));
}

TEST_F(ReportPageTest, AnOlderResultNamesWhatIsMissingAndTheCommandThatMakesIt) {
  Json result = Result({"first"});
  result["schema"] = "dflop/result/0";
  EXPECT_NE(Complaint(result).find("is \"dflop/result/0\", this program reads \"dflop/result/1\""), std::string::npos);
  EXPECT_NE(Complaint(result).find("Make it again: dflop run quickstart.json"), std::string::npos);  // as stored

  result = Result({"first"});
  auto& metrics = result["runs"].as<Json::Array>().front()["metrics"].as<Json::Object>();
  std::erase_if(metrics, [](const Json::Member& member) { return member.key == "mfu"; });
  std::erase_if(result.as<Json::Object>(), [](const Json::Member& member) { return member.key == "provenance"; });
  const std::string complaint = Complaint(result);
  EXPECT_NE(complaint.find("/runs/0/metrics"), std::string::npos) << complaint;
  EXPECT_NE(complaint.find("mfu"), std::string::npos) << complaint;
  EXPECT_NE(complaint.find("Make it again: dflop run page.json --out " + folder_), std::string::npos) << complaint;
}

TEST_F(ReportPageTest, ASweepOverTheClusterShowsHowItScales) {
  Json result = report_fixture::EmptyResult("sweep", {"random-fixed"});
  for (const int nodes : {1, 2}) {
    Json point;
    point["/cluster/nodes"] = nodes;
    for (const Policy& policy : kTwoPolicies) {
      result["runs"].push_back(report_fixture::Run("scale", point, policy, 1, 3));
    }
    Json scenario;
    scenario["name"] = "scale";
    scenario["point"] = point;
    scenario["assumptions"]["cluster"]["name"] = "hgx-a100-800g";
    scenario["assumptions"]["cluster"]["nodes"] = nodes;
    result["scenarios"].push_back(scenario);
  }
  const std::string page = Page(result);
  EXPECT_LT(page.find("<h2>scale: over nodes</h2>"), page.find("class=\"point\""));
  for (const char* chart : {"Throughput, samples/s", "Scaling efficiency", "Cost of a sample"}) {
    EXPECT_NE(page.find(std::string(">") + chart), std::string::npos) << chart;
  }
  // The same step time on twice the GPUs is half the efficiency, up to the fixture's noise of one percent.
  EXPECT_NE(page.find("balanced at 1: 100.0 %"), std::string::npos);
  EXPECT_NE(page.find("balanced at 2: "), std::string::npos);
}

}  // namespace
}  // namespace dflop
