// The profiler on a fake device: budgets, disturbed launches, refused kernels, and what is on disk when it is killed.
#include "real_runner/profile/profiler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.hpp"
#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/profile/profile_summary.hpp"
#include "tests/real_runner/fake_backend.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

class Profiler : public testing::Test {
 protected:
  ProfilePlan Gemms(int count) {
    ProfilePlan plan;
    for (int i = 1; i <= count; ++i) plan.rows.push_back(GemmRow(i, 8, 8, "forward", "fp32"));
    return plan;
  }

  ProfileOutcome Run(const ProfilePlan& plan, double budget) {
    ProfileOptions options;
    options.budget_s = budget;
    options.out = out_;
    options.quiet = true;
    options.now = [this] { return backend_.clock; };
    options.stop = stop_;
    return Profile(backend_, plan, options);
  }

  FakeBackend backend_;
  TemporaryFolder folder_;
  std::string out_ = folder_ / "trace.json";
  std::function<bool()> stop_;
};

TEST_F(Profiler, EveryRowOfThePlanIsMeasuredInItsOrder) {
  const ProfilePlan plan = Gemms(7);
  const ProfileOutcome outcome = Run(plan, 1000);
  const CostTrace trace = ReadCostTrace(out_);
  ASSERT_EQ(trace.rows.size(), 7u);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(RowKey(trace.rows[i]), RowKey(plan.rows[i]));
    EXPECT_EQ(trace.rows[i].median, Seconds(0.01));
    EXPECT_EQ(trace.rows[i].count, kLeastLaunches);  // all alike: no need for more
    EXPECT_EQ(trace.rows[i].kernel, "fake");
  }
  EXPECT_EQ(trace.device, "fake device");
  EXPECT_EQ(outcome.planned, 7u);
  EXPECT_EQ(outcome.skipped, 0u);
}

TEST_F(Profiler, BudgetEndsItWithAValidFileThatHoldsTheFirstRows) {
  // A row takes 2 + 5 launches of 10 ms: after one second 15 rows (1.05 s) have begun within the budget.
  Run(Gemms(100), 1);
  const CostTrace trace = ReadCostTrace(out_);
  EXPECT_EQ(trace.rows.size(), 15u);
  EXPECT_EQ(trace.method.find("planned_rows")->as<std::int64_t>(), 100);
}

TEST_F(Profiler, EvenABudgetBelowTheFirstRowGivesAFile) {
  backend_.launch = [](const CostRow&, int) { return TimedLaunch{100, false}; };
  Run(Gemms(5), 1);
  EXPECT_EQ(ReadCostTrace(out_).rows.size(), 1u);
}

TEST_F(Profiler, WhatAKilledRunMeasuredIsOnDisk) {
  // The device dies in its 40th row of 70 ms, 2.73 s after the start: saved was after 1.05 s and after 2.10 s.
  backend_.refuses = [this](const CostRow&) -> bool {
    if (backend_.prepared.size() == 40) throw RunError("killed");
    return false;
  };
  EXPECT_THROW(Run(Gemms(100), 1000), RunError);
  const CostTrace trace = ReadCostTrace(out_);
  EXPECT_EQ(trace.rows.size(), 30u);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().string(), out_);  // no temporary file stays behind
  }
}

TEST_F(Profiler, ASignalEndsItAfterTheKernelAtHandAndKeepsAll) {
  stop_ = [this] { return backend_.prepared.size() == 12; };
  EXPECT_TRUE(Run(Gemms(100), 1000).stopped);
  EXPECT_EQ(ReadCostTrace(out_).rows.size(), 12u);
}

TEST_F(Profiler, DisturbedLaunchesAreRejectedCountedAndRepeated) {
  // Every other launch takes ten times as long because of others: 10 launches give the 5 good ones. Two warm-up
  // launches, one of them disturbed, do not count.
  backend_.launch = [](const CostRow&, int n) {
    return n % 2 == 0 ? TimedLaunch{0.01, false} : TimedLaunch{0.1, true};
  };
  const ProfileOutcome outcome = Run(Gemms(1), 1000);
  const CostTrace trace = ReadCostTrace(out_);
  EXPECT_EQ(trace.rows[0].median, Seconds(0.01));
  EXPECT_EQ(trace.rows[0].spread, Seconds(0));
  EXPECT_GE(trace.rows[0].count, kLeastLaunches);
  EXPECT_EQ(outcome.disturbed, 5u);
  EXPECT_EQ(trace.method.find("disturbed_launches")->as<std::int64_t>(), 5);
}

TEST_F(Profiler, AKernelThatNeverRunsUndisturbedIsListedAndDoesNotHoldUpTheRest) {
  backend_.launch = [](const CostRow& row, int) { return TimedLaunch{0.01, row.dimension("m") == 1}; };
  Run(Gemms(3), 1000);
  const CostTrace trace = ReadCostTrace(out_);
  EXPECT_EQ(trace.rows.size(), 2u);
  const Json& skipped = *trace.method.find("skipped");
  ASSERT_EQ(skipped.as<Json::Array>().size(), 1u);
  EXPECT_NE(skipped.Dump().find("the machine is busy"), std::string::npos) << skipped.Dump();
}

TEST_F(Profiler, RefusedKernelsAreListedWithShapeAndReason) {
  backend_.refuses = [](const CostRow& row) { return row.dimension("m") == 2; };
  const ProfileOutcome outcome = Run(Gemms(3), 1000);
  EXPECT_EQ(outcome.skipped, 1u);
  const CostTrace trace = ReadCostTrace(out_);
  EXPECT_EQ(trace.rows.size(), 2u);
  EXPECT_EQ(trace.method.find("skipped")->Dump(),
            R"([{"op":"gemm","direction":"forward","shape":{"m":2,"n":8,"k":8},"reason":"refused gemm"}])");
}

TEST_F(Profiler, NothingMeasuredIsAnErrorAndWritesNothing) {
  backend_.refuses = [](const CostRow&) { return true; };
  EXPECT_THROW(Run(Gemms(3), 1000), RunError);
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(Profiler, MedianAndSpreadOfScatteredLaunches) {
  // 1, 2, … 10 ms in turn: never a small spread, so it goes on for a share of the budget (5 s) or 50 launches. Of five
  // whole turns the median lies between 5 and 6 ms, the 10th percentile is 1 and the 90th 9 ms (nearest rank, down).
  backend_.launch = [](const CostRow&, int n) { return TimedLaunch{1e-3 * (n % 10 + 1), false}; };
  Run(Gemms(1), 1000);
  const CostRow row = ReadCostTrace(out_).rows[0];
  EXPECT_EQ(row.count, kMostLaunches);
  EXPECT_NEAR(row.median.value(), 5.5e-3, 1e-12);
  EXPECT_NEAR(row.spread.value(), 8e-3, 1e-12);
}

TEST_F(Profiler, LayersAreHeldAgainstTheSumOfTheirKernels) {
  // Every kernel takes 1 ms, the whole layer 20: a forward layer of an LLM has four GEMMs, attention, two norms, two
  // additions, activation and rotation, 11 kernels.
  const CostRow layer = LayerRow({64, 128, 1, 4, 2, true}, true, 32, 16, "forward", "fp32");
  ProfilePlan plan;
  for (const LayerPart& part : LayerParts(layer)) plan.rows.push_back(part.row);
  plan.rows.push_back(layer);
  plan.layers = {layer};
  backend_.launch = [](const CostRow& row, int) { return TimedLaunch{row.op == "layer" ? 0.02 : 0.001, false}; };
  const ProfileOutcome outcome = Run(plan, 1000);
  const std::vector<LayerCheck> checks = CheckLayers(plan, outcome.trace);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_NEAR(checks[0].sum.value(), 0.011, 1e-12);
  EXPECT_NEAR(checks[0].ratio(), 0.55, 1e-12);
  EXPECT_NE(SummaryText(plan, outcome).find("0.550"), std::string::npos) << SummaryText(plan, outcome);
}

TEST_F(Profiler, PacksAreHeldAgainstTheSumOverTheirSequences) {
  // A launch takes 1 ns per score of each head. A pack of 64 + 192 tokens is priced as a quarter of a batch of four
  // sequences of 64 and three quarters of one of 4/3 sequences of 192: 64² + 192² = 40,960 scores a head, 81,920 in
  // two. It is measured at half of that.
  ProfilePlan plan;
  for (const double batch : {1, 2, 4}) {
    for (const double length : {64, 192}) {
      plan.rows.push_back(AttentionRow(true, {batch, length, 2, 2, 16}, "forward", "fp32"));
    }
  }
  plan.rows.push_back(PackedAttentionRow({64, 192}, 2, 2, 16, "forward", "fp32"));
  plan.rows.push_back(PackedAttentionRow({64, 192}, 2, 2, 16, "backward", "fp32"));  // nothing to hold it against
  backend_.launch = [](const CostRow& row, int) {
    const double scores = IsPacked(row.op) ? 20480 : row.dimension("batch") * std::pow(row.dimension("seq"), 2);
    return TimedLaunch{2e-9 * scores, false};
  };
  const ProfileOutcome outcome = Run(plan, 1000);
  const std::vector<PackCheck> checks = CheckPacks(outcome.trace);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_NEAR(checks[0].sum.time.value(), 81920e-9, 1e-12);
  EXPECT_FALSE(checks[0].sum.extrapolated);
  EXPECT_NEAR(checks[0].ratio(), 2, 1e-9);
  EXPECT_NE(SummaryText(plan, outcome).find("2 sequences of 64 to 192, 2/2 heads"), std::string::npos)
      << SummaryText(plan, outcome);
}

}  // namespace
}  // namespace dflop
