// Plans executed by ranks that only wait: does what happened take as long as the simulator says?
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "real_runner/execute/run_session.hpp"
#include "real_runner/kernels/steady_clock.hpp"
#include "real_runner/program/plan_check.hpp"
#include "tests/real_runner/runner_plans.hpp"

namespace dflop {
namespace {

constexpr double kRealSeconds = 0.25;  // of a step
constexpr int kAttempts = 20;          // of a step that other processes disturb

/// Executes a plan as threads, slowed down or sped up so that its step lasts kRealSeconds.
Execution Spin(const Plan& plan) {
  const double predicted = PredictedTimeline(plan, 0).makespan.value();
  const StageBackend backend = FindStageBackend("spin", RanksOf(plan), kRealSeconds / predicted);
  const SessionResult result = RunAsThreads({plan}, backend, {1, 0, 0.005, kAttempts});
  EXPECT_EQ(result.failure, "");
  return result.executions.front();
}

class SpinRun : public testing::TestWithParam<std::size_t> {};

TEST_P(SpinRun, TakesAsLongAsSimulatedAndReplaysExactly) {
  const Plan plan = MakePlan(SmallJob(), EveryKindOfPlan()[GetParam()]);
  CheckPlan(plan, "plan.json");
  const double predicted = PredictedTimeline(plan, 0).makespan.value();
  const Execution run = Spin(plan);
  const double measured = run.measured.timeline.makespan.value();
  if (run.measured.lost_share() > 0.005) GTEST_SKIP() << "disturbed " << kAttempts << " times";
  EXPECT_NEAR(measured / predicted, 1, 0.02) << plan.layout.name;
  EXPECT_NEAR(run.measured.replayed.value() / measured, 1, 0.02) << plan.layout.name;
  EXPECT_LE(run.measured.executor_share(), 0.02);
  EXPECT_EQ(run.measured.timeline.events.size(), PredictedTimeline(plan, 0).events.size());
}

INSTANTIATE_TEST_SUITE_P(Plans, SpinRun, testing::Range(std::size_t{0}, EveryKindOfPlan().size()));

/// Links that carry gradients beside the last backward, on ranks with one stage and with two.
TEST(SpinRun, OverlappedReductionsTakeAsLongAsSimulated) {
  for (const HomogeneousDegrees& degrees : {HomogeneousDegrees{1, 2, 2, 1, 4}, HomogeneousDegrees{1, 1, 2, 0, 2}}) {
    const Plan plan = MakePlan(SmallJob(1, {.overlap_gradients = true}), {Homogeneous(degrees)});
    CheckPlan(plan, "plan.json");
    const Timeline predicted = PredictedTimeline(plan, 0);
    const Execution run = Spin(plan);
    if (run.measured.lost_share() > 0.005) GTEST_SKIP() << "disturbed " << kAttempts << " times";
    const double measured = run.measured.timeline.makespan.value();
    EXPECT_NEAR(measured / predicted.makespan.value(), 1, 0.02) << plan.layout.name;
    EXPECT_NEAR(run.measured.replayed.value() / measured, 1, 0.02) << plan.layout.name;
    EXPECT_EQ(run.measured.timeline.events.size(), predicted.events.size());
  }
}

/// The pair that a policy study compares: what the simulator calls a speedup is one.
TEST(SpinRun, SpeedupsAreThoseSimulatedToAPoint) {
  const CostModel cost = SmallJob();
  const std::vector<Plan> plans = {MakePlan(cost, {Homogeneous({1, 1, 2, 0, 4})}),
                                   MakePlan(cost, {Homogeneous({1, 1, 2, 0, 4}), "1f1b", "lpt-2d"}),
                                   MakePlan(cost, {Homogeneous({1, 2, 1, 1, 8})}),
                                   MakePlan(cost, {Separate({1, 1, 1}, {1, 1, 1}, 8, Communicator::kHub)})};
  const double baseline = PredictedTimeline(plans[0], 0).makespan.value();
  const StageBackend backend = FindStageBackend("spin", 2, kRealSeconds / baseline);
  const SessionResult result = RunAsThreads(plans, backend, {1, 0, 0.002, kAttempts});
  ASSERT_EQ(result.executions.size(), plans.size());
  for (const Execution& run : result.executions) {
    if (run.measured.lost_share() > 0.002) GTEST_SKIP() << "disturbed " << kAttempts << " times";
  }
  const double first = result.executions[0].measured.timeline.makespan.value();
  for (std::size_t i = 1; i < plans.size(); ++i) {
    const double predicted = baseline / PredictedTimeline(plans[i], 0).makespan.value();
    EXPECT_NEAR(first / result.executions[i].measured.timeline.makespan.value(), predicted, 0.01) << i;
  }
}

TEST(SpinRun, RanksThatAPlanDoesNotWantStandBy) {
  const CostModel cost = SmallJob();
  const std::vector<Plan> plans = {MakePlan(cost, {Homogeneous({1, 1, 1, 0, 4})}),
                                   MakePlan(cost, {Homogeneous({1, 4, 1, 2, 8})})};
  const SessionResult result = RunAsThreads(plans, FindStageBackend("spin", 4, 0.01), {2, 1});
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.executions.size(), 4u);
}

/// A backend whose third computation on rank 1 fails.
class FailingWorker final : public StageWorker {
 public:
  explicit FailingWorker(int rank) : rank_(rank) {}
  void Prepare(const StepProgram&, std::size_t) override {}
  Span Run(const Action&) override {
    if (rank_ == 1 && ++runs_ == 3) throw RunError("out of memory");
    const double now = NowSeconds();
    return {now, now};
  }
  Span StepOptimizer(int) override { return {}; }
  Payload Pack(const Message&) override { return {}; }
  void Unpack(const Message&, Payload) override {}
  std::span<float> CollectiveValues(Collective::What, int) override { return {}; }

 private:
  int rank_;
  int runs_ = 0;
};

TEST(SpinRun, ARankThatFailsEndsTheRunWithItsOperationAndWhatWasMeasured) {
  const Plan plan = MakePlan(SmallJob(), {Homogeneous({1, 2, 1, 1, 8}), "gpipe"});
  StageBackend backend = FindStageBackend("spin", 2, 1);
  backend.make_worker = [](const Plan&, int rank) { return std::make_unique<FailingWorker>(rank); };
  backend.links = [](const Plan&, std::size_t, const StepProgram& program) { return RealLinks(program); };
  const SessionResult result = RunAsThreads({plan}, backend, {});
  EXPECT_EQ(result.failure, "rank 1 failed: out of memory; it was running forward of microbatch 2 on stage 1");
  const auto& events = result.executions.back().measured.timeline.events;
  const auto ended = std::count_if(events.begin(), events.end(), [](const TimelineEvent& event) {
    return event.kind == OpKind::kForward && event.stage == 1;
  });
  EXPECT_EQ(ended, 2);
}

}  // namespace
}  // namespace dflop
