// Seeds as the unit of independence: what a policy's intervals count, and what is said where seeds chose differently.
#include "experiments/results/seed_figures.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "experiments/results/summary.hpp"

namespace dflop {
namespace {

Json StoredRun(const std::string& policy, int seed, const std::vector<double>& steps, const std::string& layout) {
  Json run;
  run["scenario"] = "s";
  run["policy"] = policy;
  run["seed"] = seed;
  run["layout"]["name"] = layout;
  RunFigures figures;
  figures.iteration_time_s = MeanInterval(steps).mean;
  figures.step_s = steps;
  run["metrics"] = ToJson(figures);
  return run;
}

std::vector<SummaryRow> Rows(std::vector<Json> runs) {
  Json result;
  result["baselines"] = Json::ArrayOf(std::vector<std::string>{"base"});
  result["runs"] = Json(Json::Array(runs.begin(), runs.end()));
  return Summarise(JsonReader(result, "result.json"));
}

TEST(SeedFigures, ASeedIsOneObservationHoweverManyStepsItRan) {
  // Seeds' means 2 and 4: 3 ± 12.706·√2/√2. Its six steps as observations would give ± 1.2.
  const auto rows = Rows({StoredRun("base", 1, {1, 2, 3}, "a"), StoredRun("base", 2, {3, 4, 5}, "a")});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].step.mean, 3);
  EXPECT_NEAR(rows[0].step.half_width.value(), 12.7062, 1e-4);
}

TEST(SeedFigures, OfOneSeedHaveNoIntervalAnywhere) {
  const auto rows = Rows({StoredRun("base", 1, {1, 2}, "a"), StoredRun("own", 1, {1, 1}, "b")});
  EXPECT_FALSE(rows[1].step.half_width.has_value());
  EXPECT_FALSE(rows[1].speedup.at("base").half_width.has_value());
  EXPECT_NE(SummaryTable(rows, {"base"}).find("1.500 ± –"), std::string::npos);
  const std::string json = ToJson(rows).Dump();
  EXPECT_NE(json.find("\"half_width\":null"), std::string::npos) << json;
}

TEST(SeedFigures, SpeedupsArePairedBySeed) {
  // The baseline takes 1.5 times as long with either seed: no uncertainty, though seeds differ by a factor of 10.
  const auto rows = Rows({StoredRun("base", 1, {3}, "a"), StoredRun("base", 2, {30}, "a"),
                          StoredRun("own", 1, {2}, "b"), StoredRun("own", 2, {20}, "b")});
  EXPECT_DOUBLE_EQ(rows[1].speedup.at("base").mean, 1.5);
  EXPECT_NEAR(rows[1].speedup.at("base").half_width.value(), 0, 1e-12);
}

TEST(SeedFigures, SeedsThatChoseDifferentLayoutsAreCountedAndMarked) {
  std::vector<Json> runs;
  for (const int seed : {1, 2, 3}) runs.push_back(StoredRun("base", seed, {3}, "a"));
  for (const int seed : {1, 2, 3}) runs.push_back(StoredRun("own", seed, {1.0 * seed}, seed == 2 ? "b" : "c"));
  const auto rows = Rows(runs);
  EXPECT_TRUE(rows[0].step.seeds_agree);
  EXPECT_FALSE(rows[1].step.seeds_agree);
  EXPECT_FALSE(rows[1].speedup.at("base").seeds_agree);
  EXPECT_EQ(LayoutsText(rows[0].seeds), "a");
  EXPECT_EQ(LayoutsText(rows[1].seeds), "2 × c; 1 × b");
  const std::string table = SummaryTable(rows, {"base"});
  EXPECT_NE(table.find("2.000 ± 2.484*"), std::string::npos) << table;  // 4.3027·1/√3
  EXPECT_NE(table.find("* seeds chose different layouts (own 2 + 1;"), std::string::npos) << table;
}

TEST(SeedFigures, OfUnequalSeedsAreNoPairs) {
  const auto rows = Rows({StoredRun("base", 1, {3}, "a"), StoredRun("base", 2, {3}, "a"), StoredRun("own", 2, {2}, "b"),
                          StoredRun("own", 3, {2}, "b")});
  EXPECT_DOUBLE_EQ(rows[1].speedup.at("base").mean, 1.5);
  EXPECT_FALSE(rows[1].speedup.at("base").half_width.has_value());
}

}  // namespace
}  // namespace dflop
