// What Adaptive Correction learns, what does not move it, and when it gives up.
#include "policies/api/correction.hpp"

#include <gtest/gtest.h>

#include "policies/correction/residual_table.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/step/ground_truth.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Microbatches of four samples out of twenty ranges; samples of range 7 take `factor` times as long as predicted.
/// Every `outlier`-th microbatch takes ten times as long for no reason of its samples (0: none does).
ResidualTable TableAfter(int microbatches, double factor, int outlier) {
  ResidualTable table(100, 5);
  RandomStream random(1, "microbatches");
  for (int m = 1; m <= microbatches; ++m) {
    std::vector<SampleShare> samples;
    double predicted = 0;
    double actual = 0;
    for (int i = 0; i < 4; ++i) {
      const double range = static_cast<double>(random.Below(20));
      const double cost = 1 + range;
      samples.push_back({0, range * 100 + 50, cost});
      predicted += cost;
      actual += cost * (range == 7 ? factor : 1);
    }
    for (SampleShare& sample : samples) sample.share /= predicted;
    if (outlier > 0 && m % outlier == 0) actual *= 10;
    table.Add(0, samples, actual / predicted - 1);
    if (m % 20 == 0) table.Solve();
  }
  return table;
}

void ExpectOnlyRangeSeven(const ResidualTable& table, double factor) {
  for (int range = 0; range < 20; ++range) {
    const double expected = range == 7 ? factor : 1;
    EXPECT_NEAR(table.Factor(0, 0, range * 100 + 1), expected, 0.05 * expected) << "range " << range;
  }
}

TEST(ResidualTable, LearnsTheFactorOfOneRangeAmongMany) {
  ExpectOnlyRangeSeven(TableAfter(400, 2.0, 0), 2.0);
  ExpectOnlyRangeSeven(TableAfter(400, 0.7, 0), 0.7);
}

TEST(ResidualTable, OutliersDoNotMoveIt) { ExpectOnlyRangeSeven(TableAfter(400, 2.0, 20), 2.0); }

TEST(ResidualTable, KeepsStagesAndModulesApartAndWaitsForEnoughObservations) {
  ResidualTable table(100, 3);
  const auto observe = [&] {
    table.Add(1, {{2, 50, 1.0}}, 0.5);
    for (int i = 0; i < 4; ++i) table.Add(1, {{2, 250, 1.0}}, 0);  // most microbatches are as predicted
    table.Solve();
  };
  observe();
  observe();
  EXPECT_EQ(table.Factor(1, 2, 50), 1) << "two observations are not three";
  observe();
  EXPECT_DOUBLE_EQ(table.Factor(1, 2, 50), 1.5);
  EXPECT_EQ(table.Factor(0, 2, 50), 1);
  EXPECT_EQ(table.Factor(1, 1, 50), 1);
  EXPECT_EQ(table.Factor(1, 2, 150), 1);
}

TEST(ResidualTable, WhatAllMicrobatchesShareHoldsForShapesNeverSeen) {
  ResidualTable table(100, 3);
  for (int range = 0; range < 5; ++range) table.Add(0, {{0, range * 100 + 50.0, 1.0}}, 0.3);
  table.Solve();
  EXPECT_DOUBLE_EQ(table.Factor(0, 0, 5000), 1.3);
}

TEST(CorrectedTime, DeferringCostlySamplesIsNoGain) {
  // One device, on which a step takes as long as what it runs. Four small samples and four of ten times as much:
  // without the large ones a step has half of the samples in an eleventh of the time, but a second per second of work
  // as before.
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(HomogeneousDegrees{.microbatches = 2}, cost.model(), cost.cluster());
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  std::vector<SampleShape> batch(4, {{8}, 4000, 400});
  batch.resize(8, {{80}, 40'000, 4000});
  const BatchContext context{cost, layout, orders, batch};
  const StageFactor as_predicted = [](int, int, double) { return 1.0; };
  const BatchPlan everything{{{{0, 1, 4, 5}, {2, 3, 6, 7}}}};
  BatchPlan small{{{{0, 1}, {2, 3}}}};
  small.deferred = {4, 5, 6, 7};
  EXPECT_NEAR(CorrectedTime(context, small, as_predicted) / CorrectedTime(context, everything, as_predicted), 1, 0.25);
}

/// A small job over many steps: planned with the correction, run under a ground truth.
class CorrectedJob {
 public:
  CorrectedJob(const std::string& correction, const std::vector<Anomaly>& anomalies)
      : correction_(Plugin<Correction>(correction)), truth_(anomalies, 1) {}

  void Run(int steps) {
    for (int step = 0; step < steps; ++step) RunStep(number_++);
  }
  const Correction& correction() const { return *correction_; }
  const Layout& layout() const { return layout_; }
  double gain() const { return correction_->Report().find("mean_predicted_gain")->number(); }

 private:
  void RunStep(int number) {
    const std::vector<SampleShape> batch = UnevenSamples(48, static_cast<std::uint64_t>(number));
    const bool tracks = correction_->tracking();
    const BatchContext context{cost_, layout_, orders_, batch, tracks ? correction_.get() : nullptr};
    const BatchPlan plan = Plan(context);
    const BatchPlan plain = Plan({cost_, layout_, orders_, batch});
    const auto disturb = [&](const StepWork& work, StepCosts& costs) {
      truth_.Disturb({cost_, layout_, plan, batch, work, number}, costs);
      if (tracks) SlowDown(costs, 1 + correction_->monitoring_cost());
    };
    const Step step = SimulateStep({cost_, layout_, orders_}, plan, batch, *replay_, {.disturb = disturb});
    if (!tracks) return;
    correction_->Observe({context, plan, plain, step.predicted, MakeTimeline(step.graph, step.times)});
  }
  BatchPlan Plan(const BatchContext& context) const {
    RandomStream random(1, "unused");
    return Plugin<BatchScheduler>("lpt-2d")->Schedule(MakeBatchProblem(context), random);
  }

  CostModel cost_ = SmallJob(2);
  Layout layout_ = BuildLayout(SeparateDegrees{{{1, 1, 4}}, {1, 2, 5}, 4}, cost_.model(), cost_.cluster());
  std::vector<DeviceOrder> orders_ = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout_);
  std::unique_ptr<Engine> replay_ = MakeReplayEngine();
  std::unique_ptr<Correction> correction_;
  GroundTruth truth_;
  int number_ = 0;
};

/// All samples of 640 to 767 LLM tokens, a tenth of them or so.
SlowShapes SlowTenth() { return {.module = 1, .share = 0.1, .delay = 2, .ranges = {{5, 0.1}}}; }

constexpr const char* kDecidesLate = R"({"name": "adaptive", "window": 1000})";

TEST(AdaptiveCorrection, SwitchesItselfOffWhereNothingIsWrong) {
  CorrectedJob job(R"({"name": "adaptive", "window": 5})", {});
  job.Run(4);
  EXPECT_TRUE(job.correction().tracking());
  job.Run(1);
  EXPECT_FALSE(job.correction().tracking());
  job.Run(3);
  const Json report = job.correction().Report();
  EXPECT_EQ(report.find("steps_tracked")->number(), 5);
  EXPECT_FALSE(report.find("tracking_at_end")->as<bool>());
  EXPECT_EQ(job.gain(), 0) << "the cost of watching is no slowness of the samples";
}

TEST(AdaptiveCorrection, StaysOnWhereItPaysAndKnowsWhichShapesAreSlow) {
  CorrectedJob job(R"({"name": "adaptive", "window": 20})", {SlowTenth()});
  job.Run(40);
  EXPECT_TRUE(job.correction().tracking());
  EXPECT_GT(job.gain(), 0.04);
  EXPECT_GT(job.correction().Factor(1, 700), 1.5);
  EXPECT_NEAR(job.correction().Factor(1, 1500), 1, 0.1);
  EXPECT_NEAR(job.correction().Factor(0, 729), 1, 1e-9) << "the encoder is as predicted";
}

TEST(AdaptiveCorrection, ForgetsItsCorrectionsWhenItStops) {
  // No gain is worth a cost of 100 %.
  CorrectedJob job(R"({"name": "adaptive", "window": 20, "monitoring_cost": 1})", {SlowTenth()});
  job.Run(19);
  EXPECT_GT(job.correction().Factor(1, 700), 1.5);
  job.Run(1);
  EXPECT_FALSE(job.correction().tracking());
  EXPECT_EQ(job.correction().Factor(1, 700), 1);
}

TEST(AdaptiveCorrection, ASlowDeviceIsNotBlamedOnTheSamples) {
  const CorrectedJob layout(kDecidesLate, {});
  const DeviceGroup& last = layout.layout().groups.back();
  CorrectedJob job(kDecidesLate, {SlowDevice{.gpu = last.first_gpu, .factor = 1.5, .from_step = 0}});
  job.Run(30);
  // One LLM replica of five is slow: the median of what a range was told last hardly ever is of it. A range that is
  // seen rarely may be unlucky; most are not.
  int blamed = 0;
  for (int tokens = 230; tokens < 1600; tokens += 128) blamed += job.correction().Factor(1, tokens) > 1.1 ? 1 : 0;
  EXPECT_LE(blamed, 1);
}

TEST(AdaptiveCorrection, FollowsADriftOfOneModule) {
  CorrectedJob job(kDecidesLate, {Drift{.module = 0, .per_step = 0.02, .limit = 0.3}});
  job.Run(40);
  for (const int tiles : {1, 5, 20}) EXPECT_NEAR(job.correction().Factor(0, 729.0 * tiles), 1.3, 1e-6);
  EXPECT_NEAR(job.correction().Factor(1, 700), 1, 1e-9);
}

TEST(AdaptiveCorrection, OffWatchesNothingAndSaysNothing) {
  const auto off = Plugin<Correction>("off");
  EXPECT_FALSE(off->tracking());
  EXPECT_EQ(off->monitoring_cost(), 0);
  EXPECT_TRUE(off->Report().is_null());
}

}  // namespace
}  // namespace dflop
