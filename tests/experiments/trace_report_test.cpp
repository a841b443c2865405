// What `dflop trace inspect` and `compare` say about small traces made by hand.
#include "experiments/profile/trace_report.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "models/trace_kernel_costs.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

CostRow Gemm(double m, double seconds) {
  CostRow row;
  row.op = "gemm";
  row.shape = {{"m", m}, {"n", 1000}, {"k", 1000}};
  row.median = Seconds(seconds);
  return row;
}

CostTrace Trace(std::vector<CostRow> rows) {
  return {"some-gpu", Json::EmptyObject(), Json::EmptyObject(), std::move(rows)};
}

std::shared_ptr<const KernelCosts> BuiltIn() {
  return BuiltInKernelCosts({"a100-sxm-80gb", "test", FlopsPerSecond(312e12), BytesPerSecond(2.039e12), Bytes(80e9)});
}

TEST(TraceInspect, NamesRangesRatesAndTheOctavesWithoutRows) {
  // m = 1, 5 and 40: octaves 2^0, 2^2 and 2^5 hold a row, 2^1, 2^3 and 2^4 do not; 2·40·10^6 FLOPs in 80 µs is 1
  // TFLOP/s.
  const std::string text = InspectionText(Trace({Gemm(1, 2e-5), Gemm(5, 4e-5), Gemm(40, 8e-5)}));
  EXPECT_TRUE(Says(text, "some-gpu")) << text;
  EXPECT_TRUE(Says(text, "gemm, forward, bf16: 3 rows, 3 shapes")) << text;
  EXPECT_TRUE(Says(text, "m         1 – 40, 3 sizes; no row from 2^1, 2^3, 2^4 to its double")) << text;
  EXPECT_TRUE(Says(text, "20 µs – 80 µs")) << text;
  EXPECT_TRUE(Says(text, "0.1 – 1 TFLOP/s")) << text;
  EXPECT_TRUE(Says(text, "3 of 6 cells")) << text;
}

CostRow Attention(double seq, double seconds) {
  CostRow row;
  row.op = "attention_causal";
  row.shape = {{"batch", 1}, {"seq", seq}, {"heads", 8}, {"kv_heads", 8}, {"head_dim", 64}};
  row.median = Seconds(seconds);
  return row;
}

CostRow Pack(const std::vector<std::int64_t>& lengths, double seconds) {
  CostRow row;
  row.op = "attention_packed";
  row.shape = {{"heads", 8}, {"kv_heads", 8}, {"head_dim", 64}};
  row.lengths = lengths;
  row.median = Seconds(seconds);
  return row;
}

TEST(TraceInspect, APacksRateCountsEachSequencesSquare) {
  // 2·8·64·(3,000² + 1,000²) = 1.024e10 FLOPs in 10.24 ms is 1 TFLOP/s.
  const std::string text = InspectionText(Trace({Pack({3000, 1000}, 10.24e-3), Pack({2000}, 10.24e-3)}));
  EXPECT_TRUE(Says(text, "attention_packed, forward, bf16: 2 rows, 2 shapes")) << text;
  EXPECT_TRUE(Says(text, "0.4 – 1 TFLOP/s")) << text;
}

TEST(TraceCompare, APackIsHeldAgainstTheOthersCausalRows) {
  const CostTrace a = Trace({Pack({512}, 1e-3)});
  const CostTrace causal = Trace({Attention(512, 2e-3)});
  EXPECT_EQ(CommonRows(a, causal).rows.size(), 1u);
  EXPECT_EQ(CommonRows(a, Trace({Pack({512}, 1e-3)})).rows.size(), 0u);  // no trace is priced by packs
  const std::string text = ComparisonText(a, MeasuredKernelCosts(causal, "b.json", BuiltIn()), Seconds(50e-6), 1);
  EXPECT_TRUE(Says(text, "+100.0 %  heads 8, kv_heads 8, head_dim 64, lengths 512: measured 1 ms, predicted 2 ms"))
      << text;
}

TEST(TraceCompare, GivesTheErrorOfEveryOperationAndTheWorstShapes) {
  // B says 1 ms where A measured 1 ms, and 3 ms where A measured 2 ms: errors 0 and +50 %.
  const CostTrace a = Trace({Gemm(64, 1e-3), Gemm(1024, 2e-3)});
  const MeasuredKernelCosts b(Trace({Gemm(64, 1e-3), Gemm(1024, 3e-3)}), "b.json", BuiltIn());
  const std::string text = ComparisonText(a, b, Seconds(50e-6), 1);
  EXPECT_TRUE(Says(text, "+50.0 %  m 1024, n 1000, k 1000: measured 2 ms, predicted 3 ms")) << text;
  EXPECT_FALSE(Says(text, "m 64,")) << text;
  EXPECT_TRUE(Says(text, "b.json")) << text;
}

TEST(TraceCompare, OnlyWhatBothMeasuredIsCompared) {
  CostRow norm;
  norm.op = "norm";
  norm.shape = {{"bytes", 1e9}};
  norm.median = Seconds(1e-3);
  const CostTrace a = Trace({Gemm(64, 1e-3), norm});
  EXPECT_EQ(CommonRows(a, Trace({Gemm(8, 1e-3)})).rows.size(), 1u);
  EXPECT_EQ(CommonRows(a, Trace({norm})).rows.front().op, "norm");
  EXPECT_THROW(ComparisonText(CommonRows(a, Trace({})), *BuiltIn(), Seconds(0), 1), InputError);
  EXPECT_THROW(ComparisonText(a, *BuiltIn(), Seconds(1), 1), InputError);
}

TEST(TraceCompare, EqualShapesAreComparedRowByRowAndSteadyOnesApart) {
  // 10 % and 30 % apart; the second scatters by a fifth of its median. m = 4096 is in one trace alone.
  CostRow shaky = Gemm(1024, 2e-3);
  shaky.spread = Seconds(4e-4);
  const std::string text =
      RepeatText(Trace({Gemm(64, 1e-3), shaky, Gemm(4096, 1)}), Trace({Gemm(1024, 2.6e-3), Gemm(64, 1.1e-3)}));
  EXPECT_TRUE(Says(text, "all                                           2     10.0 %     10.0 %")) << text;
  EXPECT_TRUE(Says(text, "spread below 5 % in both                      1     10.0 %")) << text;
  EXPECT_EQ(RepeatText(Trace({Gemm(64, 1e-3)}), Trace({Gemm(65, 1e-3)})), "");
}

TEST(TraceInspect, ShowsRowsThatAreNoKernelsOfTheCostModel) {
  CostRow layer;
  layer.op = "layer";
  for (const std::string& name : ShapeDimensions("layer")) layer.shape.emplace_back(name, name == "causal" ? 0 : 512);
  layer.median = Seconds(1e-3);
  CostRow launch;
  launch.op = "launch";
  launch.median = Seconds(2e-6);
  const std::string text = InspectionText(Trace({layer, launch}));
  EXPECT_TRUE(Says(text, "512 – 512 k tokens/s")) << text;  // 512 tokens in a millisecond
  EXPECT_TRUE(Says(text, "0.5 – 0.5 M launches/s")) << text;
  // Nor do they disturb a comparison.
  const CostTrace a = Trace({Gemm(64, 1e-3), layer, launch});
  EXPECT_FALSE(Says(ComparisonText(a, *BuiltIn(), Seconds(0), 3), "layer"));
}

}  // namespace
}  // namespace dflop
