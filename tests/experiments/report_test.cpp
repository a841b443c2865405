// The report of a stored result: complete, self-contained, well-formed, and the same every time.
#include "experiments/report/report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "experiments/report/svg.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/results/picture.hpp"
#include "experiments/results/result_figures.hpp"
#include "models/model_profile.hpp"
#include "tests/experiments/report_fixture.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

using report_fixture::Policy;

const std::vector<Policy> kPolicies = {{"random-fixed", 1.92, 4, 1, 16, 0.7, true},
                                       {"uniform-tuned", 1.35, 2, 2, 8, 0.5, true},
                                       {"uniform-balanced", 1.21, 2, 2, 8, 0.1, true},
                                       {"<b>&\" dflop", 1.18, 3, 2, 8, 0.1, false}};
const std::vector<std::string> kBaselines = {"random-fixed", "uniform-tuned", "uniform-balanced"};

class ReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "report_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Two scenarios × four policies × two seeds, with or without timelines.
  Json WriteResult(bool timelines) {
    Json result = report_fixture::EmptyResult("fixture", kBaselines);
    for (const std::string scenario : {"llama3-8b", "qwen2.5-32b"}) {
      report_fixture::AddScenario(result, scenario);
      for (const Policy& policy : kPolicies) {
        for (const int seed : {1, 2}) result["runs"].push_back(report_fixture::Run(scenario, {}, policy, seed, 4));
        if (timelines) report_fixture::AddPicture(result, folder_, scenario, policy);
      }
    }
    WriteJsonFile(folder_ + "/result.json", result);
    return result;
  }

  std::string Page() const { return ReadFile(folder_ + "/report.html"); }
  std::vector<std::string> Figures() const {
    std::vector<std::string> texts;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/figures")) {
      texts.push_back(ReadFile(entry.path().string()));
    }
    return texts;
  }

  std::string folder_;
};

/// "" when every element closes in order; otherwise where it does not. Knows what the figures use: elements,
/// attributes in double quotes, no comments.
std::string TagImbalance(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos) return "unclosed tag at " + std::to_string(at);
    const std::string tag = text.substr(at + 1, end - at - 1);
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "odd quotes in " + tag;
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" /", 1) - (tag[0] == '/' ? 1 : 0));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name) return "closes " + name;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "leaves open " + open.back();
}

std::size_t Count(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

TEST_F(ReportTest, ShowsTheMeanStepTimeOfEveryPolicyOfEveryScenario) {
  const Json result = WriteResult(true);
  WriteReport(folder_);
  const std::string page = Page();
  // The mean over the 2 seeds × 4 steps, from the stored numbers and not through the report's reader.
  const Json::Array& runs = result.find("runs")->as<Json::Array>();
  for (std::size_t i = 0; i < runs.size(); i += 2) {
    double sum = 0;
    for (const std::size_t seed : {i, i + 1}) {
      const Json& steps = *runs[seed].find("metrics")->find("iteration_time_s")->find("per_step");
      for (const Json& step : steps.as<Json::Array>()) sum += step.number();
    }
    char text[32];
    std::snprintf(text, sizeof text, ">%.3f<small>± ", sum / 8);
    EXPECT_NE(page.find(text), std::string::npos) << runs[i].find("policy")->Dump() << text;
  }
  EXPECT_EQ(Count(page, "<section class=\"point\""), 2u);
}

TEST_F(ReportTest, AMalformedValidationIsNamedAndNothingIsDrawn) {
  WriteResult(false);
  WriteFile(folder_ + "/validation.json", R"({"schema": "dflop/validation/1", "backend": "spin", "time_scale": 1})");
  try {
    WriteReport(folder_);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("validation.json:"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("repeats"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/report.html"));
}

TEST_F(ReportTest, ListsTheLayoutsThatAPlannerConsidered) {
  Json result = WriteResult(false);
  Json& planning = result["runs"].as<Json::Array>().front()["planning"];
  planning["reason"] = "the shorter step & the first";
  planning["considered"] = 212;
  planning["candidates"] = ParseJson(R"([{"layout": "tp4 <pp2>", "predicted_s": 1.25, "peak_memory_bytes": 66035122176},
                                         {"layout": "tp1 pp1", "note": "does not fit"}])",
                                     "candidates");
  WriteJsonFile(folder_ + "/result.json", result);
  WriteReport(folder_);
  const std::string page = Page();
  EXPECT_EQ(Count(page, "<details><summary>random-fixed: 212 layouts considered</summary>"), 1u);
  EXPECT_NE(page.find("Why this one: the shorter step &amp; the first."), std::string::npos);
  EXPECT_NE(page.find("tp4 &lt;pp2&gt;</td><td data-value=\"1.25\">1.250</td><td data-value=\"61.5\">61.5</td>"),
            std::string::npos);
  EXPECT_NE(page.find("tp1 pp1<small>does not fit</small></td><td>–</td><td>–</td>"), std::string::npos);
}

TEST_F(ReportTest, NeedsNoOtherFileAndNoNetwork) {
  WriteResult(true);
  WriteReport(folder_);
  const std::string page = Page();
  for (const char* part : {"http:", "https:", " src=", "<link", "@import", "url(", "{{"}) {
    EXPECT_EQ(Count(page, part), 0u) << part;
  }
  for (const std::string& figure : Figures()) {
    EXPECT_EQ(Count(figure, "http"), 1u) << "xmlns alone";
    EXPECT_EQ(Count(figure, "url("), 0u);
  }
}

TEST_F(ReportTest, FiguresAreWellFormed) {
  WriteResult(true);
  WriteReport(folder_);
  // Speedup, idle, pipeline, load and memory of both scenarios, and the regret over them.
  EXPECT_EQ(Figures().size(), 11u);
  for (const std::string& figure : Figures()) {
    EXPECT_EQ(TagImbalance(figure), "");
    EXPECT_EQ(Count(figure, "nan"), 0u);
    EXPECT_EQ(Count(figure, "inf\""), 0u);
  }
}

TEST(TagImbalance, SeesWhatIsBroken) {
  EXPECT_EQ(TagImbalance("<svg><g a=\"1\"><rect/></g></svg>"), "");
  EXPECT_NE(TagImbalance("<svg><g></svg>"), "");
  EXPECT_NE(TagImbalance("<svg><rect a=\"/></svg>"), "");
}

TEST_F(ReportTest, EscapesWhatTheUserWrote) {
  WriteResult(true);
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "<b>"), 0u);
  EXPECT_GT(Count(Page(), "&lt;b&gt;&amp;&quot; dflop"), 10u);
}

TEST_F(ReportTest, RedrawingGivesTheSameBytes) {
  WriteResult(true);
  WriteReport(folder_);
  const std::string page = Page();
  const std::vector<std::string> figures = Figures();
  WriteReport(folder_);
  EXPECT_EQ(Page(), page);
  EXPECT_EQ(Figures(), figures);
}

TEST_F(ReportTest, SaysThatTimelinesAreMissing) {
  WriteResult(false);
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "No timeline is stored for this point"), 2u);
  EXPECT_EQ(Figures().size(), 7u);
}

TEST_F(ReportTest, ATimelineThatIsGoneIsLeftOut) {
  WriteResult(true);
  for (int i = 0; i < 4; ++i) std::filesystem::remove(folder_ + "/timelines/" + std::to_string(i) + ".json");
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "No timeline is stored for this point"), 1u);
}

TEST_F(ReportTest, DrawsTheMemoryThatTheAssumedDeviceHas) {
  WriteResult(false);
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "one device: 74.5 GiB"), 2u);
}

TEST_F(ReportTest, FlagsWhatDoesNotFitAndDoesNotCrownIt) {
  WriteResult(false);
  WriteReport(folder_);
  const std::string page = Page();
  EXPECT_GT(Count(page, "does not fit: optimizer states of llama3-8b stage 0"), 0u);
  // dflop has the smallest step time (1.18 s against 1.21 s) but does not fit.
  EXPECT_EQ(Count(page, "uniform-balanced is fastest at 1."), 2u);
  EXPECT_EQ(Count(page, "<p class=\"verdict\">uniform-balanced is fastest in llama3-8b, "), 1u);
  EXPECT_EQ(Count(page, "Does not fit the devices&#39; memory and so is no choice: &lt;b&gt;&amp;&quot; dflop."), 2u);
}

TEST_F(ReportTest, FoldsTheStoredProfilesAwayAndDoesWithoutThem) {
  Json result = WriteResult(false);
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "What the layouts were decided from"), 0u);  // as in results that were stored without
  const std::string before = Page();
  Json entry;
  entry["scenario"] = "llama3-8b";
  entry["points"] = 2;
  entry["gpu"] = "a100-sxm-80gb";
  entry["profile"] = ToJson(ProfileModel(SmallJob()));
  result["model_profiles"].push_back(entry);
  WriteJsonFile(folder_ + "/result.json", result);
  WriteReport(folder_);
  const std::string page = Page();
  EXPECT_EQ(Count(page, "<details><summary>small-vlm on a100-sxm-80gb</summary>"), 1u);
  EXPECT_EQ(Count(page, "Holds for llama3-8b and 1 more. "), 1u);
  // The encoder's curve and the LLM's two, each in TFLOP/s and over that of TP 1.
  EXPECT_EQ(Count(page, "<svg") - Count(before, "<svg"), 6u);
  const std::size_t begin = page.find("<details><summary>small");
  EXPECT_EQ(TagImbalance(page.substr(begin, page.find("</section>", begin) - begin)), "");
}

TEST_F(ReportTest, DrawsASweepWithItsInfeasiblePoints) {
  Json result = report_fixture::EmptyResult("sweep", {"random-fixed"});
  for (const int nodes : {1, 2, 4}) {
    Json point;
    point["/cluster/nodes"] = nodes;
    for (const Policy& policy : kPolicies) {
      result["runs"].push_back(report_fixture::Run("scale", point, policy, 1, 3));
    }
  }
  Json infeasible;
  infeasible["scenario"] = "scale";
  infeasible["point"]["/cluster/nodes"] = 8;
  infeasible["policy"] = "random-fixed";
  infeasible["infeasible"] = "more replicas than samples";
  result["runs"].push_back(infeasible);
  WriteJsonFile(folder_ + "/result.json", result);
  WriteReport(folder_);
  const std::string page = Page();
  EXPECT_EQ(Count(page, "<h2>scale: over nodes</h2>"), 1u);
  EXPECT_EQ(Count(page, "is infeasible: more replicas than samples"), 3u);  // speedup, step time, throughput
  EXPECT_EQ(Count(page, "<small class=\"bad\">infeasible: more replicas than samples"), 1u);
  EXPECT_EQ(Count(page, "No policy is feasible here."), 1u);
}

TEST_F(ReportTest, BadInputIsReportedAndNothingIsWritten) {
  EXPECT_THROW(WriteReport(folder_ + "/absent"), InputError);
  WriteFile(folder_ + "/result.json", "{\"schema\": \"dflop/result/2\"}");
  EXPECT_THROW(WriteReport(folder_), InputError);
  WriteResult(true);
  WriteFile(folder_ + "/timelines/3.json", "{\"schema\": \"dflop/timeline/1\"}");
  EXPECT_THROW(WriteReport(folder_), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/report.html"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/figures"));
}

TEST_F(ReportTest, StaysSmallWithManyGroupsAndMicrobatches) {
  const Policy large{"large", 3.0, 8, 8, 512, 0.4, true};
  Json result = report_fixture::EmptyResult("large", {});
  result["runs"].push_back(report_fixture::Run("wide", {}, large, 1, 1));
  report_fixture::AddPicture(result, folder_, "wide", large);
  WriteJsonFile(folder_ + "/result.json", result);
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "of 64 device groups drawn"), 1u);
  EXPECT_LT(Page().size(), 4'000'000u);
}

TEST_F(ReportTest, LoadsOfBucketsAreForwardPlusBackwardOverTheStages) {
  // Two LLM stages after one encoder stage: forward 1 and backward 2 of the bucket's load, on each stage, so an LLM
  // bucket takes 2 × 3 loads and an encoder bucket 0.8 × 3 of the same load: the ratio is 2.5 for every bucket.
  const Policy policy{"p", 1, 3, 2, 5, 0.5, true};
  WriteJsonFile(folder_ + "/p.json", report_fixture::Timeline("s", policy));
  const StepPicture picture = ReadPicture(folder_ + "/p.json");
  const auto encoder = BucketLoads(picture, Side::kEncoder);
  const auto llm = BucketLoads(picture, Side::kLlm);
  ASSERT_EQ(encoder.size(), 2u);
  for (int replica = 0; replica < 2; ++replica) {
    ASSERT_EQ(encoder.at(replica).size(), 5u);
    for (std::size_t k = 0; k < 5; ++k) EXPECT_NEAR(llm.at(replica)[k] / encoder.at(replica)[k], 2.5, 1e-9);
  }
  EXPECT_TRUE(BucketLoads(picture, Side::kShared).empty());
}

TEST(ReportSummary, NamesATieAndABaselineOnTop) {
  PointFigures point;
  point.scenario = "s";
  for (const auto& [name, steps] : std::vector<std::pair<std::string, std::vector<double>>>{
           {"base", {2.0, 2.2, 2.1}}, {"ours", {2.05, 2.15, 2.13}}}) {
    PolicyFigures& policy = point.policies.emplace_back();
    policy.policy = name;
    policy.seeds = {{1, 2, 3}, steps, {"", "", ""}, 3};
  }
  // Means 2.1 and 2.11; the paired differences 0.05, −0.05, 0.03 have a mean of 0.01 well inside their interval.
  const std::string summary = Summary(point, {"base"});
  // The base's own steps: s = 0.1, so ± 4.303·0.1/√3 = 0.248.
  EXPECT_EQ(summary.find("base is fastest at 2.100 ± 0.248 s per step"), 0u) << summary;
  EXPECT_NE(summary.find("Its lead over ours (1.005×) is within the 95 % interval."), std::string::npos) << summary;
  EXPECT_NE(summary.find("The fastest policy that is no baseline, ours, reaches 0.995×"), std::string::npos) << summary;
}

TEST(SvgText, WrapsAndCutsAtWholeCharacters) {
  const std::vector<std::string> lines = WrapText("DFLOP, optimizer only, with a very long explanation", 120, 3);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "DFLOP, optimizer ");
  for (const std::string& line : lines) EXPECT_LE(TextWidth(line), 120 + 12);
  // "é" has two bytes; none may be cut in half.
  for (double width = 1; width < 90; ++width) {
    const std::string cut = CutText("éééééééééé", width);
    const std::size_t letters = cut.ends_with("…") ? cut.size() - 3 : cut.size();
    EXPECT_EQ(letters % 2, 0u) << width;
  }
}

TEST(SvgText, TicksAreRoundAndInside) {
  EXPECT_EQ(RoundTicks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  for (const double tick : RoundTicks(0.93, 2.71, 4)) {
    EXPECT_GE(tick, 0.93 - 1e-9);
    EXPECT_LE(tick, 2.71 + 1e-9);
    EXPECT_NEAR(std::remainder(tick, 0.5), 0, 1e-9);
  }
}

TEST_F(ReportTest, AHugeSweepKeepsItsChartsButNotASectionForEveryPoint) {
  Json result = report_fixture::EmptyResult("huge", {});
  for (int nodes = 1; nodes <= 205; ++nodes) {
    Json point;
    point["/cluster/nodes"] = nodes;
    report_fixture::AddScenario(result, "scale");
    result["runs"].push_back(report_fixture::Run("scale", point, kPolicies.front(), 1, 1));
  }
  WriteJsonFile(folder_ + "/result.json", result);
  WriteReport(folder_);
  const std::string page = Page();
  EXPECT_EQ(ReadReport(folder_).points.size(), 205u);
  EXPECT_EQ(Count(page, "<section class=\"point\""), 200u);
  EXPECT_EQ(Count(page, "Assumptions and defaults: "), 200u);
  EXPECT_EQ(Count(page, "The first 200 of 205 points have a section here"), 1u);
  EXPECT_EQ(Count(page, "<h2>scale: over nodes</h2>"), 1u);
}

TEST_F(ReportTest, APolicyWithoutRivalsIsNotCalledTheFastest) {
  Json result = report_fixture::EmptyResult("alone", {});
  result["runs"].push_back(report_fixture::Run("scale", {}, kPolicies.front(), 1, 1));
  WriteJsonFile(folder_ + "/result.json", result);
  WriteReport(folder_);
  EXPECT_EQ(Count(Page(), "random-fixed takes "), 2u);  // the verdict and the sentence of its one scenario
  EXPECT_EQ(Count(Page(), "is fastest"), 0u);
  EXPECT_EQ(Count(Page(), "class=\"fastest\""), 0u);
  EXPECT_EQ(Count(Page(), "1 seed, 1 step in all;"), 1u);
}

}  // namespace
}  // namespace dflop
