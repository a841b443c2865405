// Verdicts of `dflop check` on results written by hand, their intervals derived on paper.
#include "experiments/results/comparison.hpp"

#include <gtest/gtest.h>

#include "experiments/report/junit.hpp"
#include "experiments/results/run_figures.hpp"
#include "tests/input_error.hpp"

namespace dflop {
namespace {

struct Figures {
  double step_s = 10;
  double mfu = 0.4;
  double memory_gib = 60;
  bool fits = true;
};

Json RunOf(std::int64_t seed, const Figures& figures, const std::string& scenario = "s") {
  Json run;
  run["scenario"] = scenario;
  run["policy"] = "p";
  run["seed"] = seed;
  run["layout"]["name"] = "tp8";
  RunFigures all;
  all.iteration_time_s = figures.step_s;
  all.step_s = {figures.step_s};
  all.mfu = figures.mfu;
  all.peak_memory_bytes = figures.memory_gib * 1024 * 1024 * 1024;
  all.fits = figures.fits;
  all.planning_time_s = figures.step_s * 3.25;  // the wall clock is not compared
  run["metrics"] = ToJson(all);
  return run;
}

Json Result(const Json::Array& runs) {
  Json result;
  result["runs"] = runs;
  return result;
}

/// One run a seed, from seed 1.
Json Steps(const std::vector<double>& seconds) {
  Json::Array runs;
  for (const double step : seconds) runs.push_back(RunOf(static_cast<std::int64_t>(runs.size()) + 1, {.step_s = step}));
  return Result(runs);
}

Comparison Compare(const Json& stored, const Json& fresh, double tolerance = kDefaultTolerance) {
  return CompareResults(JsonReader(stored, "stored"), JsonReader(fresh, "fresh"), tolerance);
}

RowComparison OnlyRow(const Json& stored, const Json& fresh, double tolerance = kDefaultTolerance) {
  const Comparison comparison = Compare(stored, fresh, tolerance);
  EXPECT_EQ(comparison.rows.size(), 1u);
  return comparison.rows.front();
}

TEST(Comparison, OfEqualResultsIsUnchangedEvenWithoutTolerance) {
  const Json result = Steps({9.7, 10.1, 13.3});
  const RowComparison row = OnlyRow(result, result, 0);
  EXPECT_EQ(row.verdict, Verdict::kUnchanged);
  EXPECT_EQ(row.text, "");
  EXPECT_EQ(Compare(result, result).runs, 3u);
}

TEST(Comparison, AnIntervalAboveOneIsARegression) {
  // R = 50.8/50. Residuals 4 × 0.04 and −0.16: √(0.032/4/5)/10 = 0.004, times t(0.975, 4) = 2.776: 1.11 %.
  const RowComparison row = OnlyRow(Steps({10, 10, 10, 10, 10}), Steps({10.2, 10.2, 10.2, 10.2, 10}));
  EXPECT_EQ(row.verdict, Verdict::kRegression);
  EXPECT_EQ(row.name, "s, p");
  EXPECT_EQ(row.text, "step 10.0 -> 10.2 s (+1.60 % ± 1.11)");
}

TEST(Comparison, EverySeedSlowerBeyondTheToleranceIsARegressionHoweverWideTheInterval) {
  // R = 31.1/30. Residuals ∓ 1/15: √(2/225/2) = 1/15, over the mean 15, times t(0.975, 1) = 12.706: 5.65 %.
  const RowComparison row = OnlyRow(Steps({10, 20}), Steps({10.3, 20.8}));
  EXPECT_EQ(row.verdict, Verdict::kRegression);
  EXPECT_EQ(row.text, "step 15.0 -> 15.6 s (+3.67 % ± 5.65, slower with all 2 seeds)");
  EXPECT_EQ(OnlyRow(Steps({10, 20}), Steps({10.3, 20.8}), 0.04).verdict, Verdict::kUndecided);
}

TEST(Comparison, SeedsThatDisagreeAreUndecided) {
  // R = 30.3/30. Residuals −0.6, 0.3, 0.3: √(0.54/2/3)/10 = 0.03, times t(0.975, 2) = 4.303: 12.9 %.
  const RowComparison row = OnlyRow(Steps({10, 10, 10}), Steps({9.5, 10.4, 10.4}));
  EXPECT_EQ(row.verdict, Verdict::kUndecided);
  EXPECT_EQ(row.text, "step 10.0 -> 10.1 s (+1.0 % ± 12.9: slower with 2, faster with 1 of 3 seeds)");
}

TEST(Comparison, OfOneSeedTheRatioAloneMeetsTheTolerance) {
  EXPECT_EQ(OnlyRow(Steps({10}), Steps({10.06})).text, "step 10.0 -> 10.1 s (+0.600 %)");
  EXPECT_EQ(OnlyRow(Steps({10}), Steps({10.06})).verdict, Verdict::kRegression);
  EXPECT_EQ(OnlyRow(Steps({10}), Steps({9.94})).verdict, Verdict::kImprovement);
  const RowComparison within = OnlyRow(Steps({10}), Steps({10.04}));
  EXPECT_EQ(within.verdict, Verdict::kOtherChange);
  EXPECT_EQ(within.text, "differs in iteration_time_s");
}

TEST(Comparison, GrownMemoryAndFallenMfuAreRegressionsOnOneLine) {
  const Json stored = Result({RunOf(1, {}), RunOf(2, {.memory_gib = 70})});
  EXPECT_EQ(OnlyRow(stored, Result({RunOf(1, {.memory_gib = 69}), RunOf(2, {.memory_gib = 70})})).verdict,
            Verdict::kOtherChange);  // the largest over the seeds is as before
  const RowComparison row =
      OnlyRow(stored, Result({RunOf(1, {.mfu = 0.38}), RunOf(2, {.step_s = 10, .mfu = 0.38, .memory_gib = 77})}));
  EXPECT_EQ(row.verdict, Verdict::kRegression);
  EXPECT_EQ(row.text, "peak memory 70.0 -> 77.0 GiB (+10.0 %); MFU 0.400 -> 0.380 (-5.00 % ± 0.00)");
}

TEST(Comparison, WhatDoesNotFitOrIsMissingOrInfeasibleIsARegression) {
  const Json stored = Result({RunOf(1, {}), RunOf(2, {})});
  EXPECT_EQ(OnlyRow(stored, Result({RunOf(1, {}), RunOf(2, {.fits = false})})).text,
            "does not fit into memory any more (seed 2)");
  Json infeasible = RunOf(1, {});
  std::erase_if(infeasible.as<Json::Object>(),
                [](const auto& member) { return member.key == "metrics" || member.key == "seed"; });
  infeasible["infeasible"] = "tp 3 does not divide";
  const RowComparison row = OnlyRow(stored, Result({infeasible}));
  EXPECT_EQ(row.verdict, Verdict::kRegression);
  EXPECT_EQ(row.text, "became infeasible: tp 3 does not divide");
  EXPECT_EQ(OnlyRow(Result({infeasible}), stored).verdict, Verdict::kImprovement);
  EXPECT_EQ(OnlyRow(Result({infeasible}), Result({infeasible})).verdict, Verdict::kUnchanged);
  const Comparison moved = Compare(stored, Result({RunOf(1, {}, "t"), RunOf(2, {}, "t")}));
  ASSERT_EQ(moved.rows.size(), 2u);
  EXPECT_EQ(moved.rows[0].text, "is missing");
  EXPECT_EQ(moved.rows[1].verdict, Verdict::kNew);
}

TEST(Comparison, IsOverTheSeedsOfBothSides) {
  const Json stored = Result({RunOf(1, {}), RunOf(2, {})});
  const Comparison comparison = Compare(stored, Result({RunOf(2, {}), RunOf(3, {})}));
  EXPECT_EQ(comparison.rows.front().verdict, Verdict::kUnchanged);
  EXPECT_EQ(comparison.runs, 1u);
  EXPECT_EQ(comparison.seeds_only_stored, std::vector<std::int64_t>{1});
  EXPECT_EQ(comparison.seeds_only_fresh, std::vector<std::int64_t>{3});
  EXPECT_EQ(ErrorOf([&] { Compare(stored, Result({RunOf(3, {})})); }).find("/runs: "), 0u);
  EXPECT_EQ(ErrorOf([&] { CheckComparable(JsonReader(stored, "stored"), {3}); }).find("/runs: "), 0u);
}

TEST(Comparison, ARunThatLacksAFigureIsBadInput) {
  Json stored = Steps({10, 10});
  Json& metrics = stored["runs"].as<Json::Array>()[1]["metrics"];
  std::erase_if(metrics.as<Json::Object>(), [](const auto& member) { return member.key == "mfu"; });
  EXPECT_EQ(ErrorOf([&] { Compare(stored, Steps({10, 10})); }).find("/runs/1/metrics: "), 0u);
  const Json twice = Result({RunOf(1, {}), RunOf(1, {})});
  EXPECT_EQ(ErrorOf([&] { Compare(twice, twice); }).find("/runs/1/seed: "), 0u);
}

TEST(JUnit, NamesAreEscapedAndForbiddenCharactersLeftOut) {
  Comparison comparison;
  comparison.rows.push_back({"a<b> & \"c\"\x01\xEF\xBF\xBF, p", Verdict::kRegression, "step 1 -> 2 s"});
  comparison.rows.push_back({"u", Verdict::kUndecided, "x"});
  comparison.rows.push_back({"same", Verdict::kUnchanged, ""});
  EXPECT_EQ(JUnitXml("e'1", comparison),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuites tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"0\">\n"
            "<testsuite name=\"e&#39;1\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"0\">\n"
            "<testcase classname=\"e&#39;1\" name=\"a&lt;b&gt; &amp; &quot;c&quot;  , p\">\n"
            "<failure message=\"step 1 -&gt; 2 s\"/>\n</testcase>\n"
            "<testcase classname=\"e&#39;1\" name=\"u\">\n<system-out>undecided: x</system-out>\n</testcase>\n"
            "<testcase classname=\"e&#39;1\" name=\"same\"/>\n"
            "</testsuite>\n</testsuites>\n");
}

}  // namespace
}  // namespace dflop
