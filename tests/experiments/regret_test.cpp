// Regret: hand-derived figures, from the step times to the marks of the chart.
#include "experiments/results/regret.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "experiments/report/charts.hpp"
#include "experiments/report/regret_table.hpp"
#include "experiments/results/summary.hpp"
#include "tests/experiments/report_fixture.hpp"

namespace dflop {
namespace {

/// One seed per step time.
SeedFigures Seeds(const std::vector<double>& step_s, const std::string& layout = "one") {
  SeedFigures figures;
  for (const double step : step_s) {
    figures.seeds.push_back(static_cast<std::int64_t>(figures.seeds.size()) + 1);
    figures.step_s.push_back(step);
    figures.layouts.push_back(layout);
    ++figures.steps;
  }
  return figures;
}

TEST(Regrets, AreOverTheFastestThatFits) {
  const SeedFigures a = Seeds({10, 20});  // the best: the mean is 15
  // 17: R = 17/15, residuals 11 − R·10 = −1/3 and 23 − R·20 = 1/3: s² = 2/9, half width 12.706·√(1/9) over 15.
  const SeedFigures b = Seeds({11, 23});
  const SeedFigures c = Seeds({8, 12});  // fits nowhere
  const SeedFigures none;
  const auto regrets = Regrets(std::vector<Contender>{{&b}, {&c, false}, {&a}, {&none}});
  ASSERT_EQ(regrets.size(), 4u);
  EXPECT_NEAR(regrets[0].value().mean, 2.0 / 15, 1e-12);
  EXPECT_NEAR(regrets[0]->half_width.value(), 12.7062 / 3 / 15, 1e-4);
  EXPECT_FALSE(regrets[1].has_value());
  EXPECT_EQ(regrets[2].value().mean, 0);
  EXPECT_EQ(regrets[2]->half_width.value(), 0);
  EXPECT_FALSE(regrets[3].has_value());
}

TEST(Regrets, OfWhatHasNothingToCompareWithAreNone) {
  const SeedFigures a = Seeds({10, 20});
  const SeedFigures none;
  EXPECT_FALSE(Regrets(std::vector<Contender>{{&a}}).front().has_value());
  EXPECT_FALSE(Regrets(std::vector<Contender>{{&a}, {&a, false}, {&none}}).front().has_value());
}

TEST(Regrets, OfUnequalSeedsHaveNoInterval) {
  const SeedFigures a = Seeds({10, 20});
  const SeedFigures b = Seeds({30});
  const auto regrets = Regrets(std::vector<Contender>{{&a}, {&b}});
  EXPECT_DOUBLE_EQ(regrets[1].value().mean, 1);
  EXPECT_FALSE(regrets[1]->half_width.has_value());
}

PolicyFigures PolicyTaking(const std::string& name, double step_s) {
  PolicyFigures policy;
  policy.policy = name;
  policy.seeds = Seeds({step_s, step_s});
  return policy;
}

PointFigures PointWith(const std::string& scenario, int nodes, std::vector<PolicyFigures> policies) {
  PointFigures point;
  point.scenario = scenario;
  point.point = {{"/cluster/nodes", Json(nodes)}};
  point.policies = std::move(policies);
  return point;
}

PolicyFigures Infeasible(const std::string& name) {
  PolicyFigures policy;
  policy.policy = name;
  policy.infeasible = "no room";
  return policy;
}

/// Regrets of a: 0, 25 %, 100 %; of b: 50 %, 0, 0; a third policy fails at one of the points and has no part in
/// another.
std::vector<PointFigures> ThreePoints() {
  return {PointWith("s", 1, {PolicyTaking("a", 1), PolicyTaking("b", 1.5), PolicyTaking("c", 2)}),
          PointWith("s", 2, {PolicyTaking("a", 2), PolicyTaking("b", 1.6), Infeasible("c")}),
          PointWith("t", 1, {PolicyTaking("a", 6), PolicyTaking("b", 3)})};
}

std::vector<std::string> Texts(const RegretRow& row) {
  std::vector<std::string> texts;
  for (const RegretCell& cell : row.cells) texts.push_back(cell.text);
  return texts;
}

TEST(RegretTable, HasARowForEveryPointUnderItsScenario) {
  const RegretTable table = MakeRegretTable(ThreePoints());
  EXPECT_EQ(table.axes, "cluster/nodes");
  EXPECT_EQ(table.policies, (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_EQ(table.rows.size(), 5u);
  EXPECT_EQ(table.rows[0].label, "s");
  EXPECT_TRUE(table.rows[0].cells.empty());
  EXPECT_EQ(table.rows[1].label, "1");
  EXPECT_EQ(Texts(table.rows[1]), (std::vector<std::string>{"best", "50.0", "100"}));
  EXPECT_EQ(Texts(table.rows[2]), (std::vector<std::string>{"25.0", "best", "infeasible"}));
  EXPECT_NE(table.rows[2].cells[2].tip.find("no room"), std::string::npos);
  EXPECT_EQ(table.rows[3].label, "t");
  EXPECT_EQ(Texts(table.rows[4]), (std::vector<std::string>{"100", "best", ""}));
}

TEST(RegretTable, ComparesMeansOverTheSameRowsOnly) {
  // c has a figure at the first point alone, so the means of all three are over that one: 0, 50, 100.
  RegretTable table = MakeRegretTable(ThreePoints());
  ASSERT_EQ(table.summary.size(), 2u);
  EXPECT_EQ(table.summary[0].label, "the one full row");
  EXPECT_EQ(Texts(table.summary[0]), (std::vector<std::string>{"0.0", "50.0", "100"}));
  EXPECT_EQ(Texts(table.summary[1]), (std::vector<std::string>{"100", "50.0", "100"}));
  // Without c: (0 + 25 + 100)/3 and (50 + 0 + 0)/3.
  std::vector<PointFigures> points = ThreePoints();
  for (PointFigures& point : points) point.policies.resize(2);
  table = MakeRegretTable(points);
  EXPECT_EQ(Texts(table.summary[0]), (std::vector<std::string>{"41.7", "16.7"}));
}

TEST(RegretTable, WantsTwoPointsWithSomethingToCompare) {
  std::vector<PointFigures> points = ThreePoints();
  EXPECT_TRUE(HasRegrets(points));
  points.resize(1);
  EXPECT_FALSE(HasRegrets(points));
  points = ThreePoints();
  for (std::size_t i = 1; i < points.size(); ++i) points[i].policies.resize(1);
  EXPECT_FALSE(HasRegrets(points));
}

/// Horizontal places of the marks, in the order in which they are drawn.
std::vector<double> Marks(const std::string& svg) {
  std::vector<double> places;
  const std::string mark = "<path class=\"total\" d=\"M";
  for (std::size_t at = svg.find(mark); at != std::string::npos; at = svg.find(mark, at + 1)) {
    places.push_back(std::stod(svg.substr(at + mark.size())));
  }
  return places;
}

TEST(RegretChart, MarksStandOnASquareRootAxis) {
  // One policy's regrets are 0, 25 % and 100 %: half way at 25 %. The other is the best but for the first row.
  std::vector<PointFigures> points = ThreePoints();
  for (PointFigures& point : points) point.policies.resize(2);
  const std::string svg = RegretChart(MakeRegretTable(points)).Inline();
  const std::vector<double> marks = Marks(svg);
  ASSERT_EQ(marks.size(), 10u);  // three rows and two of the summary, two policies
  const double zero = marks[0];
  const double quarter = marks[2];
  const double whole = marks[4];
  EXPECT_GT(whole - zero, 100);
  EXPECT_NEAR(quarter - zero, (whole - zero) / 2, 0.011);
  EXPECT_NEAR(marks[1] - marks[3], (whole - zero) * std::sqrt(0.5), 0.011);
  EXPECT_NE(svg.find(">cluster/nodes<"), std::string::npos);
}

TEST(RegretChart, ManyPoliciesGoBelowEachOtherAndNoneIsLost) {
  std::vector<PointFigures> points = {PointWith("s", 1, {}), PointWith("s", 2, {})};
  for (PointFigures& point : points) {
    for (int i = 0; i < 23; ++i) point.policies.push_back(PolicyTaking("policy " + std::to_string(i), 1 + 0.1 * i));
  }
  const std::string svg = RegretChart(MakeRegretTable(points)).Inline();
  EXPECT_EQ(Marks(svg).size(), 4u * 23);
  for (int i = 0; i < 23; ++i) EXPECT_NE(svg.find(">policy " + std::to_string(i) + "<"), std::string::npos) << i;
}

TEST(Summary, TableCarriesTheRegretOfEveryRow) {
  // The fixture's step times, summed here without the program's own reader; "late" does not fit.
  const std::vector<report_fixture::Policy> policies = {
      {"slow", 1.9}, {"fast", 1.2}, {"late", 1.0, 4, 2, 8, 0.5, false}};
  Json result = report_fixture::EmptyResult("r", {});
  for (const report_fixture::Policy& policy : policies) {
    for (const int seed : {1, 2}) result["runs"].push_back(report_fixture::Run("s", {}, policy, seed, 3));
  }
  std::vector<double> sums(3);
  const Json::Array& runs = result.find("runs")->as<Json::Array>();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Json& steps = *runs[i].find("metrics")->find("iteration_time_s")->find("per_step");
    for (const Json& step : steps.as<Json::Array>()) sums[i / 2] += step.number();
  }
  const std::vector<SummaryRow> rows = Summarise(JsonReader(result, "result.json"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NEAR(rows[0].regret.value().mean, sums[0] / sums[1] - 1, 1e-12);
  EXPECT_EQ(rows[1].regret.value().mean, 0);
  EXPECT_FALSE(rows[2].regret.has_value());
}

}  // namespace
}  // namespace dflop
