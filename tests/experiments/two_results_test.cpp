// `dflop compare` on results written by hand: ratios and their intervals derived on paper.
#include "experiments/results/two_results.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.hpp"
#include "tests/input_error.hpp"

namespace dflop {
namespace {

struct Told {
  std::string scenario = "s";
  std::string policy = "p";
  std::string layout = "tp8";
  std::string decisions = "d";
  double bubble = 0.1;
  double communication = 0.1;
  bool fits = true;
};

Json ToldRun(std::int64_t seed, double step_s, const Told& told) {
  Json run;
  run["scenario"] = told.scenario;
  run["policy"] = told.policy;
  run["seed"] = seed;
  run["layout"]["name"] = told.layout;
  RunFigures figures;
  figures.iteration_time_s = step_s;
  figures.step_s = {step_s};
  figures.bubble = told.bubble;
  figures.communication = told.communication;
  figures.idle_fraction = told.bubble + told.communication;
  figures.fits = told.fits;
  run["metrics"] = ToJson(figures);
  run["decision_hash"] = told.decisions;
  return run;
}

/// One run a seed, from seed `first`.
Json::Array ToldRuns(const std::vector<double>& steps, const Told& told = {}, std::int64_t first = 1) {
  Json::Array runs;
  for (const double step : steps) runs.push_back(ToldRun(first + static_cast<std::int64_t>(runs.size()), step, told));
  return runs;
}

Json ResultOf(const std::vector<Json::Array>& rows, const std::string& name = "e") {
  Json result;
  result["schema"] = "dflop/result/1";
  result["experiment"] = name;
  result["runs"] = Json::EmptyArray();
  for (const Json::Array& runs : rows) {
    for (const Json& run : runs) result["runs"].push_back(run);
  }
  return result;
}

TwoResults CompareJson(const Json& a, const Json& b, const ResultMatching& matching = {}) {
  return CompareTwoResults(JsonReader(a, "a"), JsonReader(b, "b"), matching);
}

std::string TextOf(const Json& a, const Json& b, const TextStyle& style = {}) {
  return TwoResultsText(CompareJson(a, b), JsonReader(a, "a"), JsonReader(b, "b"), style);
}

TEST(TwoResultsComparison, TheRatioIsPairedOverTheSeeds) {
  // R = 31.1/30. Residuals B − R·A are ∓ 1/15: √(2/225/1/2) = 1/15, over the mean 15, times t(0.975, 1) = 12.7062.
  const ComparedRow row = CompareJson(ResultOf({ToldRuns({10, 20})}), ResultOf({ToldRuns({10.3, 20.8})})).rows.at(0);
  EXPECT_TRUE(row.paired);
  EXPECT_NEAR(row.ratio->mean, 31.1 / 30, 1e-12);
  EXPECT_NEAR(row.ratio->half_width.value(), 12.7062 / 225, 1e-5);
}

TEST(TwoResultsComparison, OnlyCommonSeedsCountAndWithoutAnyThereIsNoInterval) {
  // A has the seeds 1 to 3, B 2 to 4: 2 and 3 remain, 12/10 and 24/20, a ratio of 1.2 without a doubt.
  const Json a = ResultOf({ToldRuns({99, 10, 20})});
  const ComparedRow row = CompareJson(a, ResultOf({ToldRuns({12, 24, 99}, {}, 2)})).rows.at(0);
  EXPECT_EQ(row.a.seeds, (std::vector<std::int64_t>{2, 3}));
  EXPECT_NEAR(row.ratio->mean, 1.2, 1e-12);
  EXPECT_NEAR(row.ratio->half_width.value(), 0, 1e-12);
  // Seeds 7 and 8 are not among A's: means 43 and 21.5.
  const Json other = ResultOf({ToldRuns({21, 22}, {}, 7)});
  const ComparedRow unpaired = CompareJson(a, other).rows.at(0);
  EXPECT_FALSE(unpaired.paired);
  EXPECT_NEAR(unpaired.ratio->mean, 0.5, 1e-12);
  EXPECT_FALSE(unpaired.ratio->half_width.has_value());
  EXPECT_NE(TextOf(a, other).find("unpaired and so without interval, A has the seeds 1, 2, 3, B the seeds 7, 8"),
            std::string::npos);
}

TEST(TwoResultsComparison, NamesTheCauseOfIdleTimeThatMovedMost) {
  // The bubble loses 4 points, communication gains 6.
  const Json a = ResultOf({ToldRuns({10}, {.bubble = 0.10, .communication = 0.05})});
  const Json b = ResultOf({ToldRuns({10}, {.bubble = 0.06, .communication = 0.11})});
  const MovedCause moved = MostMovedCause(CompareJson(a, b).rows.at(0));
  EXPECT_EQ(moved.name, "communication");
  EXPECT_NEAR(moved.change, 0.06, 1e-12);
  EXPECT_NE(TextOf(a, b).find("communication +6.0"), std::string::npos);
}

TEST(TwoResultsComparison, CountsTheSeedsWithAnotherLayoutOrOtherDecisions) {
  const Json a = ResultOf({ToldRuns({10, 10})});
  Json b = a;
  b["runs"].as<Json::Array>()[1]["layout"]["name"] = "tp4";
  for (Json& run : b["runs"].as<Json::Array>()) run["decision_hash"] = "other";
  const ComparedRow row = CompareJson(a, b).rows.at(0);
  EXPECT_EQ(row.other_layouts, 1u);
  EXPECT_EQ(row.other_decisions, 2u);
  EXPECT_NE(TextOf(a, b).find("1 of 2 other"), std::string::npos);
  EXPECT_EQ(CompareJson(a, a).rows.at(0).other_layouts, 0u);
}

TEST(TwoResultsComparison, SaysWhenAnotherPolicyIsTheFastest) {
  const Json a = ResultOf({ToldRuns({10, 10}), ToldRuns({11, 11}, {.policy = "q"})});
  const Json b = ResultOf({ToldRuns({12, 12}), ToldRuns({11, 11}, {.policy = "q"})});
  const RankOrder order = CompareJson(a, b).ranks.at(0);
  EXPECT_TRUE(order.other_fastest());
  EXPECT_NEAR(order.lead->mean, 12.0 / 11, 1e-12);
  EXPECT_NE(TextOf(a, b).find("the fastest was p, is q\n"), std::string::npos);
  EXPECT_EQ(TextOf(a, a).find("the fastest was"), std::string::npos);
  // What does not fit is no choice, however fast.
  const Json too_large = ResultOf({ToldRuns({12, 12}), ToldRuns({11, 11}, {.policy = "q", .fits = false})});
  EXPECT_TRUE(CompareJson(a, too_large).ranks.empty());
}

TEST(TwoResultsComparison, ALeadWithinItsIntervalIsSaidToBe) {
  // In B p takes 13 and 9, q 10 and 11: R = 22/21. Residuals 13 − 10·22/21 = 53/21 and −53/21: h = 12.7·2.52/10.5 = 3.
  const Json a = ResultOf({ToldRuns({10, 10}), ToldRuns({11, 11}, {.policy = "q"})});
  const Json b = ResultOf({ToldRuns({13, 9}), ToldRuns({10, 11}, {.policy = "q"})});
  EXPECT_NE(TextOf(a, b).find("the fastest was p, is q (by 1.048, within the 95 % interval)"), std::string::npos);
}

TEST(TwoResultsComparison, RowsOfOneResultAloneAreListed) {
  const Json a = ResultOf({ToldRuns({10}), ToldRuns({10}, {.policy = "old"})});
  const Json b = ResultOf({ToldRuns({10}), ToldRuns({10}, {.policy = "new"})});
  const TwoResults comparison = CompareJson(a, b);
  EXPECT_EQ(comparison.rows.size(), 1u);
  EXPECT_EQ(comparison.only_a, std::vector<std::string>{"s, old"});
  EXPECT_EQ(comparison.only_b, std::vector<std::string>{"s, new"});
  EXPECT_TRUE(CompareJson(a, b, {.policies = {"p"}}).only_a.empty());
}

TEST(TwoResultsComparison, SingleScenariosOfOtherNamesAreMatchedByPolicy) {
  const Json a = ResultOf({ToldRuns({10}, {.scenario = "four-nodes"})});
  const Json b = ResultOf({ToldRuns({5}, {.scenario = "eight-nodes"})});
  const TwoResults comparison = CompareJson(a, b);
  EXPECT_EQ(comparison.matched_by, "point and policy");
  EXPECT_NEAR(comparison.rows.at(0).ratio->mean, 0.5, 1e-12);
  EXPECT_NE(TextOf(a, b).find("matched by point and policy"), std::string::npos);
}

TEST(TwoResultsComparison, OfSeveralScenariosAMappingSaysWhichBelongTogether) {
  const Json a = ResultOf({ToldRuns({10}, {.scenario = "x"}), ToldRuns({10}, {.scenario = "y"})});
  const Json b = ResultOf({ToldRuns({20}, {.scenario = "y"}), ToldRuns({40}, {.scenario = "z"})});
  // x with z, then; y stays y.
  const TwoResults comparison = CompareJson(a, b, {.scenarios = {{"x", "z"}}});
  ASSERT_EQ(comparison.rows.size(), 2u);
  EXPECT_NEAR(comparison.rows[0].ratio->mean, 4, 1e-12);
  EXPECT_NEAR(comparison.rows[1].ratio->mean, 2, 1e-12);
  // x with y: B's y is then no longer the partner of A's y.
  const TwoResults crossed = CompareJson(a, b, {.scenarios = {{"x", "y"}}});
  EXPECT_NEAR(crossed.rows.at(0).ratio->mean, 2, 1e-12);
  EXPECT_EQ(crossed.only_a, std::vector<std::string>{"y, p"});
  EXPECT_EQ(crossed.only_b, std::vector<std::string>{"z, p"});
}

TEST(TwoResultsComparison, NamesThatAreNowhereAndNothingInCommonAreBadInput) {
  const Json a = ResultOf({ToldRuns({10}), ToldRuns({10}, {.scenario = "t"})});
  const Json b = ResultOf({ToldRuns({10}, {.scenario = "u"})});
  EXPECT_NE(ErrorOf([&] { CompareJson(a, b); }).find("nothing to compare"), std::string::npos);
  EXPECT_NE(ErrorOf([&] { CompareJson(a, a, {.policies = {"pp"}}); }).find("did you mean \"p\"?"), std::string::npos);
  EXPECT_NE(ErrorOf([&] {
              CompareJson(a, b, {.scenarios = {{"s", "v"}}});
            }).find("\"v\" is not in B"),
            std::string::npos);
}

TEST(TwoResultsComparison, InfeasibleRowsHaveNoRatioButAReason) {
  const Json a = ResultOf({ToldRuns({10})});
  Json b = ResultOf({});
  b["runs"].push_back(ParseJson(R"({"scenario": "s", "policy": "p", "infeasible": "nothing fits"})", "run"));
  const ComparedRow row = CompareJson(a, b).rows.at(0);
  EXPECT_FALSE(row.has_figures());
  EXPECT_NE(TextOf(a, b).find("infeasible in B: nothing fits"), std::string::npos);
}

Json Stated(const char* assumptions, const char* inputs) {
  Json result = ResultOf({ToldRuns({10})});
  result["engine"] = "replay";
  result["inputs"] = ParseJson(inputs, "inputs");
  Json scenario;
  scenario["name"] = "s";
  scenario["assumptions"] = ParseJson(assumptions, "assumptions");
  result["scenarios"].push_back(scenario);
  return result;
}

TEST(InputDifferences, AreTheLeavesAndFilesInWhichTwoResultsDiffer) {
  const Json a = Stated(R"({"cluster": {"nodes": 4, "name": "c"}, "heads": [1, 2]})", R"({"e.json": "aa", "t": "cc"})");
  Json b = Stated(R"({"cluster": {"nodes": 8, "name": "c"}, "heads": [1, 3], "new": true})",
                  R"({"e.json": "bb", "moved/t": "cc"})");
  b["engine"] = "simgrid";
  std::vector<std::string> keys;
  const TwoResults comparison = CompareJson(a, b);
  for (const InputDifference& difference : comparison.differences) keys.push_back(difference.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"engine", "/cluster/nodes", "/heads/1", "/new", "e.json"}));
  EXPECT_FALSE(comparison.differences[3].a.has_value());
  EXPECT_NE(TextOf(a, b).find("  /cluster/nodes  4 -> 8\n"), std::string::npos) << TextOf(a, b);
  EXPECT_TRUE(CompareJson(a, a).differences.empty());
}

TEST(TwoResultsText, FitsTheTerminalAndKeepsTheRatio) {
  const Json a = ResultOf({ToldRuns({10, 20}), ToldRuns({11, 11}, {.policy = "a-policy-with-a-name"})});
  for (const std::size_t width : {60U, 80U, 120U}) {
    std::string text = TextOf(a, a, {width, false});
    EXPECT_NE(text.find("1.000 ± 0.000"), std::string::npos);
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      EXPECT_LE(Columns(text.substr(0, end)), width) << text.substr(0, end);
    }
  }
}

}  // namespace
}  // namespace dflop
