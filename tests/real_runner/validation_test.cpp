// Prediction against measurement on numbers whose comparison is done by hand.
#include "real_runner/validate/validation.hpp"

#include <gtest/gtest.h>

namespace dflop {
namespace {

/// Two steps, executed in turn as often as the times allow.
PolicyMeasurement Measured(const std::string& name, const std::vector<double>& predicted,
                           const std::vector<double>& times) {
  PolicyMeasurement policy;
  policy.policy = name;
  policy.predicted_s = predicted;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::size_t step = i % predicted.size();
    policy.executions.push_back({step, static_cast<int>(i / predicted.size()), times[i], times[i], 0, 0, 0});
  }
  return policy;
}

TEST(Validation, SpeedupAndItsIntervalAreHandDerived) {
  const PolicyMeasurement slow = Measured("slow", {4, 8}, {4.4, 8.8, 4.2, 8.6});
  const PolicyMeasurement fast = Measured("fast", {2, 4}, {2.2, 4.2, 2.0, 4.4});
  const ScenarioComparison comparison = CompareScenario("s", "slow", {slow, fast}, 0.02);
  const PolicyComparison& own = comparison.policies[1];
  EXPECT_DOUBLE_EQ(own.predicted_s, 3);
  EXPECT_DOUBLE_EQ(own.predicted_speedup, 2);
  EXPECT_NEAR(own.measured_s.mean, 3.2, 1e-12);
  // Means 6.5 and 3.2, R = 2.03125. Residuals slow − R·fast: −0.06875, 0.26875, 0.1375, −0.3375; Σr² = 0.2097656,
  // √(Σr²/3/4) = 0.132214, t(3) = 3.18245.
  EXPECT_NEAR(own.measured_speedup.mean, 6.5 / 3.2, 1e-12);
  EXPECT_NEAR(own.measured_speedup.half_width.value(), 3.18245 * 0.132214 / 3.2, 1e-5);
  EXPECT_DOUBLE_EQ(comparison.policies[0].predicted_speedup, 1);
  EXPECT_DOUBLE_EQ(comparison.policies[0].measured_speedup.mean, 1);
}

TEST(Validation, ReplayErrorsRejectedAndDisturbedOnesAreCounted) {
  PolicyMeasurement policy = Measured("p", {1, 1}, {1, 2, 1, 2});
  policy.executions[1].replayed_s = 1.96;  // 2 % short
  policy.executions[2].replayed_s = 1.01;
  policy.executions[0].rejected = 2;
  policy.executions[3].rejected = 4;
  policy.executions[3].lost_share = 0.03;
  policy.executions[2].executor_share = 0.004;
  const PolicyComparison comparison = CompareScenario("s", "p", {policy}, 0.02).policies[0];
  EXPECT_NEAR(comparison.mean_replay_error, 0.03 / 4, 1e-12);
  EXPECT_NEAR(comparison.most_replay_error, 0.02, 1e-12);
  EXPECT_EQ(comparison.rejected, 6);
  EXPECT_EQ(comparison.disturbed, 1);
  EXPECT_EQ(comparison.executions, 4u);
  EXPECT_DOUBLE_EQ(comparison.most_executor_share, 0.004);
}

TEST(Validation, CostErrorsAreSummedByKindAndByModule) {
  PolicyMeasurement policy = Measured("p", {1}, {1});
  policy.operations = {{OpKind::kForward, "llm", 1, 1.1},
                       {OpKind::kForward, "llm", 2, 2},
                       {OpKind::kForward, "eye", 4, 5},
                       {OpKind::kBackward, "llm", 10, 9},
                       {OpKind::kTransfer, "", 0, 0.5}};
  const PolicyComparison comparison = CompareScenario("s", "p", {policy}, 0.02).policies[0];
  ASSERT_EQ(comparison.kinds.size(), 3u);
  const CostError& forward = comparison.kinds[0];
  EXPECT_EQ(forward.name, "forward");
  EXPECT_EQ(forward.operations, 3u);
  EXPECT_NEAR(forward.ratio(), 8.1 / 7, 1e-12);
  // Deviations 0, 0.1, 0.25; the 90th percentile lies at place 1.8 between the last two.
  EXPECT_NEAR(forward.median_error, 0.1, 1e-12);
  EXPECT_NEAR(forward.p90_error, 0.22, 1e-12);
  EXPECT_EQ(comparison.kinds[2].name, "transfer");
  EXPECT_EQ(comparison.kinds[2].ratio(), 0);  // nothing was predicted, so there is nothing to divide by
  ASSERT_EQ(comparison.modules.size(), 2u);   // communication belongs to none
  EXPECT_EQ(comparison.modules[1].name, "llm");
  EXPECT_NEAR(comparison.modules[1].ratio(), 12.1 / 13, 1e-12);
}

TEST(Ranking, OnlyWhatWasMeasuredBeyondItsIntervalContradicts) {
  // Predicted a < b < c. Differences a − b: −0.05, 0.02, within noise. a − c: 0.50, 0.52, mean 0.51 ± 12.706·0.01 and
  // b − c: 0.55, 0.50, mean 0.525 ± 12.706·0.025 = 0.318: c is faster than both.
  const RankAgreement ranking = CompareOrder(
      {Measured("a", {1}, {1.00, 1.10}), Measured("b", {2}, {1.05, 1.08}), Measured("c", {3}, {0.5, 0.58})});
  EXPECT_EQ(ranking.predicted, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(ranking.measured, (std::vector<std::string>{"c", "a", "b"}));
  EXPECT_EQ(ranking.not_separable, (std::vector<PolicyPair>{{"a", "b"}}));
  EXPECT_EQ(ranking.contradicted, (std::vector<PolicyPair>{{"a", "c"}, {"b", "c"}}));
  EXPECT_NEAR(ranking.kendall_tau, -1.0 / 3, 1e-12);
}

TEST(Ranking, OneExecutionSeparatesNothing) {
  const RankAgreement ranking = CompareOrder({Measured("a", {1}, {2}), Measured("b", {2}, {1})});
  EXPECT_TRUE(ranking.contradicted.empty());
  EXPECT_EQ(ranking.not_separable, (std::vector<PolicyPair>{{"a", "b"}}));
  EXPECT_EQ(ranking.kendall_tau, -1);
}

TEST(Ranking, EqualPredictionsCannotBeContradicted) {
  const RankAgreement ranking = CompareOrder({Measured("a", {1}, {2, 2.01}), Measured("b", {1}, {1, 1.02})});
  EXPECT_TRUE(ranking.contradicted.empty());
  EXPECT_TRUE(ranking.not_separable.empty());
  EXPECT_EQ(ranking.kendall_tau, 0);
}

TimelineEvent Event(OpKind kind, int stage, int to_stage, double start, double end, int group) {
  return {kind, stage, to_stage, 0, group, Seconds(start), Seconds(end)};
}

TEST(MatchOperations, GoesByNameAndWhereNamesAreSharedByStart) {
  // A hub's gathering and scattering are both transfers from stage 0 to itself.
  Timeline predicted;
  predicted.events = {Event(OpKind::kForward, 1, -1, 0, 1, 1), Event(OpKind::kTransfer, 0, 0, 1, 1.5, -1),
                      Event(OpKind::kTransfer, 0, 0, 5, 5.25, -1), Event(OpKind::kOptimizerStep, 0, -1, 6, 7, 0)};
  Timeline measured;
  measured.events = {Event(OpKind::kTransfer, 0, 0, 6, 6.5, -1), Event(OpKind::kTransfer, 0, 0, 2, 2.75, -1),
                     Event(OpKind::kForward, 1, -1, 0, 3, 1)};
  const auto matched = MatchOperations(predicted, measured, {"eye", "llm"});
  ASSERT_EQ(matched.size(), 3u);
  EXPECT_EQ(matched[0].module, "llm");
  EXPECT_DOUBLE_EQ(matched[0].measured_s, 3);
  EXPECT_DOUBLE_EQ(matched[1].predicted_s, 0.5);
  EXPECT_DOUBLE_EQ(matched[1].measured_s, 0.75);
  EXPECT_DOUBLE_EQ(matched[2].predicted_s, 0.25);
  EXPECT_DOUBLE_EQ(matched[2].measured_s, 0.5);
  EXPECT_EQ(matched[2].module, "");
}

TEST(MedianExecution, IsOfItsStepAndTheShorterOfTwo) {
  const PolicyMeasurement policy = Measured("p", {1, 1}, {3, 9, 1, 8, 2, 7, 4, 6});
  EXPECT_EQ(MedianExecution(policy.executions, 0), 4u);  // 1, 2, 3, 4
  EXPECT_EQ(MedianExecution(policy.executions, 1), 5u);  // 6, 7, 8, 9
}

}  // namespace
}  // namespace dflop
