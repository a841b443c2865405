// Claims on steps whose equal replicas are simulated once: every figure is what it is when all are told apart, to the
// last bit under replay.
#include <gtest/gtest.h>

#include "sim/build/replica_classes.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/measure/timeline_hash.hpp"
#include "tests/sim/random_step.hpp"

namespace dflop {
namespace {

struct Figures {
  Step step;
  StepMetrics metrics;
  MemoryUse memory;
};

CostModel CostOf(const RandomStep& step) {
  return {step.model, step.cluster, std::make_shared<FakeKernelCosts>(), step.software};
}

Figures RunOn(const RandomStep& step, bool fold, Engine& engine) {
  const CostModel cost = CostOf(step);
  const Job job{cost, step.layout, step.orders};
  Figures figures{SimulateStep(job, step.plan, step.batch, engine, {.fold = fold}), {}, {}};
  figures.metrics = MeasureStep(job, figures.step, engine);
  figures.memory = PeakMemory(job, figures.step.work, figures.step.classes);
  return figures;
}

void ExpectEqual(const StepMetrics& a, const StepMetrics& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.model_flops, b.model_flops);
  EXPECT_EQ(a.hardware_flops, b.hardware_flops);
  EXPECT_EQ(a.optimizer, b.optimizer);
  EXPECT_EQ(a.idle_fraction, b.idle_fraction);
  EXPECT_EQ(a.idle.bubble, b.idle.bubble);
  EXPECT_EQ(a.idle.imbalance, b.idle.imbalance);
  EXPECT_EQ(a.idle.data_parallel_wait, b.idle.data_parallel_wait);
  EXPECT_EQ(a.idle.by_kind.stage, b.idle.by_kind.stage);
  EXPECT_EQ(a.idle.by_kind.gradients, b.idle.by_kind.gradients);
  EXPECT_EQ(a.idle.by_kind.parameters, b.idle.by_kind.parameters);
  EXPECT_EQ(a.extrapolated_fraction, b.extrapolated_fraction);
  EXPECT_EQ(a.tensor_parallel_communication_fraction, b.tensor_parallel_communication_fraction);
}

void ExpectEqual(const MemoryUse& a, const MemoryUse& b) {
  EXPECT_EQ(a.peak, b.peak);
  EXPECT_EQ(a.fits, b.fits);
  ASSERT_EQ(a.stages.size(), b.stages.size());
  for (std::size_t s = 0; s < a.stages.size(); ++s) EXPECT_EQ(a.stages[s].total(), b.stages[s].total());
}

/// Random steps of several replicas, some of them equal.
std::vector<RandomStep> StepsToFold(int count) {
  std::vector<RandomStep> steps;
  for (std::uint64_t seed = 0; static_cast<int>(steps.size()) < count; ++seed) {
    RandomStep step = RandomStepMaker(seed).Make();
    const int replicas = step.layout.llm_replicas();
    if (step.layout.joins() || replicas < 2) continue;
    step = WithRepeatedReplicas(std::move(step), seed % 2 == 0 || replicas < 3 ? 1 : 2);
    steps.push_back(std::move(step));
  }
  return steps;
}

TEST(FoldedStep, EqualsTheUnfoldedOneIn200RandomJobs) {
  const auto replay = MakeReplayEngine();
  int folded_away = 0;
  int jobs = 0;
  for (RandomStep step : StepsToFold(200)) {
    SCOPED_TRACE(step.layout.name);
    // Chunks may wait for each other for ever where messages block.
    const bool chunks = step.layout.name.find("chunks") != std::string::npos;
    step.software.blocking_sends = ++jobs % 3 == 0 && !chunks;
    const Figures all = RunOn(step, false, *replay);
    const Figures folded = RunOn(step, true, *replay);
    ExpectEqual(folded.metrics, all.metrics);
    ExpectEqual(folded.memory, all.memory);
    const TimelineHash hash(step.layout);
    EXPECT_EQ(hash.Classes(folded.step.graph, folded.step.times), hash.Classes(all.step.graph, all.step.times));
    EXPECT_EQ(OperationsToldApart(folded.step.graph, step.layout), all.step.graph.operations.size());
    folded_away += folded.step.classes.empty() ? 0 : 1;
  }
  EXPECT_GT(folded_away, 100) << "too few of them had replicas to fold";
}

TEST(FoldedStep, StandsUnderContentionWhereReplicasShareNoLink) {
  if (!HasSimGridEngine()) GTEST_SKIP() << "built without SimGrid";
  int folded_away = 0;
  int seen = 0;
  for (const RandomStep& step : StepsToFold(400)) {
    const CostModel cost = CostOf(step);
    const StepWork work = DivideWork(step.plan, step.layout, cost, step.batch);
    const auto classes = ReplicasToFold({cost, step.layout, step.orders}, work);
    const bool folds = MayFoldUnderContention(classes, step.cluster, step.layout);
    if (!folds && ++seen > 10) continue;  // some of those that are told apart
    SCOPED_TRACE(step.layout.name);
    const auto engine = MakeSimGridEngine(step.cluster);
    const Figures all = RunOn(step, false, *engine);
    const Figures folded = RunOn(step, true, *engine);
    EXPECT_EQ(folds, !folded.step.classes.empty());
    EXPECT_NEAR(folded.metrics.step / all.metrics.step, 1, 1e-12);
    EXPECT_NEAR(folded.metrics.idle_fraction, all.metrics.idle_fraction, 1e-9);
    EXPECT_NEAR(folded.metrics.idle.by_kind.gradients, all.metrics.idle.by_kind.gradients, 1e-9);
    if (folds && ++folded_away == 50) return;
  }
  FAIL() << "only " << folded_away << " jobs were folded";
}

TEST(FoldedStep, IsToldApartWhereSomethingDisturbsIt) {
  const auto replay = MakeReplayEngine();
  for (const RandomStep& step : StepsToFold(5)) {
    const CostModel cost = CostOf(step);
    const auto slow = [](const StepWork&, StepCosts& costs) { costs.stages.back().back().forward.time *= 2.0; };
    const Step told =
        SimulateStep({cost, step.layout, step.orders}, step.plan, step.batch, *replay, {.disturb = slow, .fold = true});
    EXPECT_TRUE(told.classes.empty());
    EXPECT_GT(told.replica_classes, 0);
  }
}

TEST(NextStep, ReusesTheGraphAndIsTheOneBuiltAnew) {
  // The same job with its samples dealt out otherwise, step after step; every third has all replicas alike.
  const auto replay = MakeReplayEngine();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    RandomStep step = RandomStepMaker(seed).Make();
    const CostModel cost = CostOf(step);
    const Job job{cost, step.layout, step.orders};
    Step kept;
    for (int number = 0; number < 4; ++number) {
      std::rotate(step.batch.begin(), step.batch.begin() + 1, step.batch.end());
      RandomStep now = step;
      if (number == 2 && !step.layout.joins()) now = WithRepeatedReplicas(step, 1);
      kept = SimulateStep(job, now.plan, now.batch, *replay, {.fold = true}, std::move(kept));
      const Step anew = SimulateStep(job, now.plan, now.batch, *replay, {.fold = true});
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(number) + ", " + step.layout.name);
      EXPECT_EQ(kept.graph.durations, anew.graph.durations);
      EXPECT_EQ(kept.times.makespan, anew.times.makespan);
      EXPECT_EQ(MeasureStep(job, kept, *replay).idle_fraction, MeasureStep(job, anew, *replay).idle_fraction);
      ASSERT_EQ(kept.graph.communications.size(), anew.graph.communications.size());
      for (int c = 0; c < static_cast<int>(anew.graph.communications.size()); ++c) {
        EXPECT_EQ(kept.graph.communications.BytesOf(c), anew.graph.communications.BytesOf(c));
        EXPECT_EQ(kept.graph.communications.latency(c), anew.graph.communications.latency(c));
      }
    }
  }
}

}  // namespace
}  // namespace dflop
