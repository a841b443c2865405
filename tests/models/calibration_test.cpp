// The shipped GPU models against measured kernels that their fit never saw.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/csv.hpp"
#include "models/calibration/fit_gpu.hpp"
#include "models/calibration/reference_tables.hpp"
#include "models/cost_errors.hpp"
#include "models/trace_kernel_costs.hpp"
#include "test_paths.hpp"

namespace dflop {
namespace {

const std::string kReference = DFLOP_SHARED_DIR "/reference-data";

CostTrace FiveShapes() {
  CostTrace trace;
  for (const double m : {50.0, 10.0, 40.0, 20.0, 30.0, 60.0, 50.0}) {
    CostRow row;
    row.op = "gemm";
    row.shape = {{"m", m}, {"n", 1}, {"k", 1}};
    row.median = Seconds(1e-4);
    trace.rows.push_back(row);
  }
  return trace;
}

TEST(HoldOut, EveryFifthShapeInAscendingOrderGoesWithAllItsRows) {
  // Ascending shapes 10, 20, 30, 40, 50, 60: index 4 is 50, which two rows measured.
  const SplitTrace split = HoldOutEveryFifthShape(FiveShapes());
  ASSERT_EQ(split.held_out.rows.size(), 2u);
  for (const CostRow& row : split.held_out.rows) EXPECT_EQ(row.dimension("m"), 50);
  EXPECT_EQ(split.training.rows.size(), 5u);
}

TEST(ErrorSummary, QuantilesAreThoseOfTheSortedErrors) {
  std::vector<RowError> errors;
  for (int i = -5; i <= 5; ++i) errors.push_back({0, Seconds(1), false, 0.01 * i});
  const ErrorSummary summary = Summarise(errors);
  EXPECT_EQ(summary.rows, 11u);
  EXPECT_DOUBLE_EQ(summary.median, 0.03);  // 0 1 1 2 2 3 3 4 4 5 5 per cent
  EXPECT_DOUBLE_EQ(summary.p90, 0.05);
  EXPECT_DOUBLE_EQ(summary.bias, 0.0);
}

class Calibration : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kReference + "/aiconfigurator")) GTEST_SKIP() << "no reference data";
    split_ = HoldOutEveryFifthShape(LoadReferenceTrace(kReference, gpu()));
  }
  const ReferenceGpu& gpu() const { return ReferenceGpus()[GetParam()]; }
  SplitTrace split_;
};

TEST_P(Calibration, TheShippedModelPredictsHeldOutKernelsWithinItsBounds) {
  // Bounds of the project: GEMM 5 % median and 18 % at the 90th percentile, attention 5 % and 20 %; rows ≥ 50 µs.
  const auto costs = BuiltInKernelCosts(gpu().spec);
  const Json band = costs->error_band();
  for (const std::string& op : CalibratedOperations()) {
    const std::vector<RowError> errors = PredictionErrors(*costs, split_.held_out, op, kJudgedFrom);
    if (errors.empty()) {
      EXPECT_EQ(op, "attention_full");  // only A100 lacks a table, of encoder attention
      continue;
    }
    const ErrorSummary summary = Summarise(errors);
    EXPECT_GT(summary.rows, 500u);
    EXPECT_LE(summary.median, 0.05) << op;
    EXPECT_LE(summary.p90, op == "gemm" ? 0.18 : 0.20) << op;
    EXPECT_LE(std::abs(summary.bias), 0.01) << op;
    // The band that travels with results is this one.
    ASSERT_NE(band.find(op), nullptr);
    EXPECT_NEAR(band.find(op)->find("median")->number(), summary.median, 2e-3);
    EXPECT_NEAR(band.find(op)->find("p90")->number(), summary.p90, 2e-3);
    // Some held-out shapes are the only ones of their octave; they must stay a rarity.
    const auto extrapolated = std::count_if(errors.begin(), errors.end(), [](const auto& e) { return e.extrapolated; });
    EXPECT_LE(extrapolated, 0.02 * static_cast<double>(errors.size())) << op;
  }
}

TEST_P(Calibration, TheShippedTableIsWhatTheCommandFitsToTheOtherShapes) {
  // Refitting here gives the shipped efficiencies to their four digits, so the held-out rows were indeed not used.
  const GpuCostTable fitted = FitGpu(gpu(), split_.training);
  const GpuKernelCosts refitted(
      gpu().spec,
      [&] {
        GpuCostTable table = fitted;
        if (table.FindAttention(false, 64) == nullptr) table.attention.push_back({false, 64, false, "", fitted.gemm});
        return table;
      }(),
      true);
  const auto shipped = BuiltInKernelCosts(gpu().spec);
  for (std::size_t i = 0; i < split_.held_out.rows.size(); i += 7) {
    const CostRow& row = split_.held_out.rows[i];
    EXPECT_NEAR(Predict(*shipped, row).time / Predict(refitted, row).time, 1, 1e-3);
  }
}

TEST_P(Calibration, ATraceInterpolatesItsOwnGapsAboutAsWell) {
  // Nearest eight shapes: 3.5–5.5 % median, 10–22 % at the 90th percentile, worst on A100.
  const MeasuredKernelCosts costs(split_.training, "training rows", BuiltInKernelCosts(gpu().spec));
  const ErrorSummary gemm = Summarise(PredictionErrors(costs, split_.held_out, "gemm", kJudgedFrom));
  EXPECT_LE(gemm.median, 0.06);
  EXPECT_LE(gemm.p90, 0.25);
}

INSTANTIATE_TEST_SUITE_P(Gpus, Calibration, testing::Range(std::size_t{0}, ReferenceGpus().size()),
                         [](const auto& index) { return ReferenceGpus()[index.param].device; });

TEST(CalibrationReport, TheCommittedErrorTableIsTheBandOfTheShippedModels) {
  const CsvTable table = ReadCsv(DFLOP_SOURCE_DIR "/results/calibration/errors.csv");
  std::set<std::string> seen;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::string& gpu = table.rows[i][table.Column("gpu")];
    for (const ReferenceGpu& reference : ReferenceGpus()) {
      if (reference.name != gpu) continue;
      const Json band = BuiltInKernelCosts(reference.spec)->error_band();
      const Json* op = band.find(table.rows[i][table.Column("op")]);
      ASSERT_NE(op, nullptr);
      EXPECT_EQ(table.Number(i, table.Column("median")), op->find("median")->number());
      EXPECT_EQ(table.Number(i, table.Column("p90")), op->find("p90")->number());
      seen.insert(gpu + op->Dump());
    }
  }
  EXPECT_EQ(seen.size(), table.rows.size());
  EXPECT_EQ(seen.size(), 11u);  // four GPUs, three operations, no encoder attention on A100
}

}  // namespace
}  // namespace dflop
