// What kernels cost: the arithmetic of the fitted tables on a table made by hand, the sanity of the built-in GPUs, and
// costs read from a trace.
#include "models/kernel_costs.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "models/cost_errors.hpp"
#include "models/extrapolated_shapes.hpp"
#include "models/gpu_kernel_costs.hpp"
#include "models/trace_kernel_costs.hpp"
#include "traces/committed_traces.hpp"

namespace dflop {
namespace {

GpuSpec Gpu(const std::string& name, double peak, double bandwidth) {
  return {name, "test", FlopsPerSecond(peak), BytesPerSecond(bandwidth), Bytes(80e9)};
}

const std::vector<GpuSpec>& BuiltInGpus() {
  static const std::vector<GpuSpec> kGpus = {Gpu("a100-sxm-80gb", 312e12, 2.039e12), Gpu("h100-sxm", 989e12, 3.35e12),
                                             Gpu("h200-sxm", 989e12, 4.8e12), Gpu("b200-sxm", 2250e12, 8e12)};
  return kGpus;
}

/// Efficiency 1/2, 1/4, 1/8 as n goes 128, 256, 512; independent of m (16…64) and k (128…512).
LogGrid FallingInN() {
  std::vector<double> values;
  for (int m = 0; m < 3; ++m) {
    for (int n = 0; n < 3; ++n) {
      for (int k = 0; k < 3; ++k) values.push_back(std::log(0.5) * (n + 1));
    }
  }
  return {{{{4, 3}, {7, 3}, {7, 3}}}, values};
}

AttentionSurface Flat(bool causal, int head_dim, double efficiency, bool measured = true) {
  const LogGrid::Axes axes = {{{0, 11}, {4, 11}, {0, 4}}};
  return {causal,
          head_dim,
          measured,
          "test",
          {LogGrid(axes, std::vector<double>(LogGrid::Nodes(axes), std::log(efficiency))), Seconds(0)}};
}

GpuKernelCosts HandMade() {
  GpuCostTable table;
  table.gpu = "test";
  table.peak = FlopsPerSecond(1e12);
  table.gemm = {FallingInN(), Seconds(1e-6)};
  table.attention = {Flat(true, 64, 0.25), Flat(true, 128, 0.5), Flat(false, 64, 0.4), Flat(false, 128, 0.5, false)};
  table.memory_efficiency = 0.8;
  table.backward = {1.25, 1.5, 3.0, "test"};
  return GpuKernelCosts(Gpu("test", 1e12, 1e12), table, true);
}

TEST(GpuKernelCosts, AGemmTakesItsFlopsOverPeakTimesEfficiency) {
  const GpuKernelCosts costs = HandMade();
  // 2·32·256·128 FLOPs at a quarter of 10^12 per second.
  const KernelCost cost = costs.Gemm(32, 256, 128, Pass::kForward);
  EXPECT_NEAR(cost.time.value(), 2.0 * 32 * 256 * 128 / 0.25e12, 1e-15);
  EXPECT_FALSE(cost.extrapolated);
  // Half way between 128 and 256 in log2, the log of efficiency is half way: 2^-1.5.
  const double n = 128 * std::sqrt(2.0);
  EXPECT_NEAR(costs.Gemm(32, n, 128, Pass::kForward).time.value(), 2 * 32 * n * 128 / (std::pow(2, -1.5) * 1e12),
              1e-12);
}

TEST(GpuKernelCosts, GradientsReadTheTableAtTheirOwnShape) {
  const GpuKernelCosts costs = HandMade();
  const double flops = 2.0 * 128 * 512 * 256;
  // dX[m,k] = dY[m,n]·W: its "n" is the forward's k = 256, efficiency 1/4; m = 128 lies beyond the table.
  EXPECT_NEAR(costs.Gemm(128, 512, 256, Pass::kInputGradient).time.value(), 1.25 * flops / 0.25e12, 1e-12);
  // dW[n,k]: an (n × k) product of inner size m; again n = 256 in the table's sense, and the table's m is 512.
  EXPECT_NEAR(costs.Gemm(128, 512, 256, Pass::kWeightGradient).time.value(), 1.5 * flops / 0.25e12, 1e-12);
  // Forward: n = 512, efficiency 1/8.
  EXPECT_NEAR(costs.Gemm(128, 512, 256, Pass::kForward).time.value(), flops / 0.125e12, 1e-12);
}

TEST(GpuKernelCosts, BelowTheTableAKernelCostsWhatItsEdgeCosts) {
  const GpuKernelCosts costs = HandMade();
  const KernelCost edge = costs.Gemm(16, 256, 512, Pass::kForward);
  const KernelCost below = costs.Gemm(3, 256, 512, Pass::kForward);
  EXPECT_DOUBLE_EQ(below.time.value(), edge.time.value());
  EXPECT_FALSE(edge.extrapolated);
  EXPECT_TRUE(below.extrapolated);
  // 2·16·128·128 / 0.5e12 = 1.05 µs is just above the floor; nothing is ever below it.
  EXPECT_GE(costs.Gemm(1, 1, 1, Pass::kForward).time.value(), 1e-6);
}

TEST(GpuKernelCosts, BeyondTheTableTheEdgesEfficiencyHolds) {
  const GpuKernelCosts costs = HandMade();
  const KernelCost edge = costs.Gemm(64, 128, 128, Pass::kForward);
  const KernelCost beyond = costs.Gemm(6400, 128, 128, Pass::kForward);
  EXPECT_NEAR(beyond.time / edge.time, 100, 1e-9);
  EXPECT_TRUE(beyond.extrapolated);
}

TEST(GpuKernelCosts, NothingCostsNothing) {
  const GpuKernelCosts costs = HandMade();
  EXPECT_EQ(costs.Gemm(0, 128, 128, Pass::kForward).time.value(), 0);
  EXPECT_EQ(costs.Attention({.sequences = 0, .length = 64, .heads = 1, .kv_heads = 1, .head_dim = 64}, Pass::kForward)
                .time.value(),
            0);
}

TEST(GpuKernelCosts, AttentionCountsHalfTheSquareWhenCausal) {
  const GpuKernelCosts costs = HandMade();
  AttentionShape shape{.sequences = 2, .length = 1024, .heads = 16, .kv_heads = 4, .head_dim = 128, .causal = true};
  const double square = 2.0 * 16 * 1024 * 1024 * 128;
  EXPECT_NEAR(costs.Attention(shape, Pass::kForward).time.value(), 2 * square / 0.5e12, 1e-12);
  EXPECT_NEAR(costs.Attention(shape, Pass::kInputGradient).time.value(), 3 * 2 * square / 0.5e12, 1e-12);
  shape.causal = false;
  EXPECT_NEAR(costs.Attention(shape, Pass::kForward).time.value(), 4 * square / 0.5e12, 1e-12);
  EXPECT_TRUE(costs.Attention(shape, Pass::kForward).extrapolated);  // that surface was not measured
}

TEST(GpuKernelCosts, UnmeasuredHeadSizesPayForThePaddedOne) {
  const GpuKernelCosts costs = HandMade();
  const auto cost = [&](int head_dim) {
    return costs.Attention({.sequences = 4, .length = 512, .heads = 8, .kv_heads = 8, .head_dim = head_dim},
                           Pass::kForward);
  };
  EXPECT_EQ(cost(48).time, cost(64).time);
  EXPECT_TRUE(cost(48).extrapolated);
  EXPECT_FALSE(cost(64).extrapolated);
  EXPECT_EQ(cost(80).time, cost(128).time);
  EXPECT_EQ(cost(200).time, cost(256).time);  // beyond the table: the next multiple of 64
  EXPECT_NEAR(cost(256).time / cost(128).time, 2, 1e-9);
  EXPECT_TRUE(cost(256).extrapolated);
}

TEST(GpuKernelCosts, StreamingTakesBytesOverTheReachableBandwidth) {
  EXPECT_NEAR(HandMade().MemoryBound(Bytes(4e9)).time.value(), 4e9 / 0.8e12, 1e-12);
}

TEST(BuiltInGpus, EfficienciesStayPhysicalAndMoreWorkIsNeverMuchCheaper) {
  RandomStream random(7, "built-in");
  const auto size = [&](double low, double high) { return low * std::pow(high / low, random.Uniform()); };
  for (const GpuSpec& gpu : BuiltInGpus()) {
    const auto costs = BuiltInKernelCosts(gpu);
    for (int i = 0; i < 20000; ++i) {
      std::array<double, 3> s = {size(16, 32768), size(128, 65536), size(128, 65536)};
      const KernelCost cost = costs->Gemm(s[0], s[1], s[2], Pass::kForward);
      EXPECT_FALSE(cost.extrapolated);
      EXPECT_LT(2 * s[0] * s[1] * s[2] / cost.time.value(), gpu.peak.value());
      s[random.Below(3)] *= 2;
      // Measured kernels have steps (another tile size is chosen): A100 takes 8.6 µs for 16 × 4096 × 512, 6.9 µs for
      // twice the m. Where it matters, from 50 µs on, a doubled shape costs more.
      const double ratio = costs->Gemm(s[0], s[1], s[2], Pass::kForward).time / cost.time;
      EXPECT_GT(ratio, cost.time < Seconds(50e-6) ? 0.75 : 0.9);
      AttentionShape a{
          .sequences = size(1, 64), .length = size(16, 16384), .heads = 16, .kv_heads = 4, .head_dim = 128};
      const KernelCost attention = costs->Attention(a, Pass::kForward);
      EXPECT_LT(a.flops() / attention.time, gpu.peak);
      a.length *= 2;
      EXPECT_GT(costs->Attention(a, Pass::kForward).time / attention.time, 1.0);
    }
  }
}

TEST(BuiltInGpus, ANewerGpuIsFaster) {
  std::vector<double> times;
  for (const GpuSpec& gpu : BuiltInGpus()) {
    times.push_back(BuiltInKernelCosts(gpu)->Gemm(8192, 8192, 8192, Pass::kForward).time.value());
  }
  EXPECT_GT(times[0], 2 * times[1]);           // A100 against H100: peaks differ 3.2 times
  EXPECT_NEAR(times[1] / times[2], 1.0, 0.1);  // H100 and H200 have the same cores
  EXPECT_GT(times[2], 1.5 * times[3]);
}

TEST(BuiltInGpus, A100sEncoderAttentionIsAdmittedToBeExtrapolated) {
  const auto cost = [](const GpuSpec& gpu, bool causal) {
    return BuiltInKernelCosts(gpu)->Attention(
        {.sequences = 8, .length = 729, .heads = 16, .kv_heads = 16, .head_dim = causal ? 128 : 72, .causal = causal},
        Pass::kForward);
  };
  EXPECT_FALSE(cost(BuiltInGpus()[0], true).extrapolated);
  EXPECT_TRUE(cost(BuiltInGpus()[0], false).extrapolated);
  EXPECT_FALSE(cost(BuiltInGpus()[1], false).extrapolated);
  EXPECT_GT(cost(BuiltInGpus()[0], false).time, cost(BuiltInGpus()[1], false).time);
}

TEST(BuiltInGpus, AnUnknownGpuBorrowsTheNearestSurfaceAtItsOwnRate) {
  const GpuSpec faster = Gpu("mine", 400e12, 3e12);  // nearest in log peak: A100
  const auto own = BuiltInKernelCosts(faster);
  const auto a100 = BuiltInKernelCosts(BuiltInGpus()[0]);
  const KernelCost mine = own->Gemm(4096, 4096, 4096, Pass::kForward);
  const KernelCost theirs = a100->Gemm(4096, 4096, 4096, Pass::kForward);
  EXPECT_NEAR(theirs.time / mine.time, 400.0 / 312.0, 1e-9);
  EXPECT_TRUE(mine.extrapolated);
  EXPECT_FALSE(theirs.extrapolated);
  EXPECT_NE(own->description().find("extrapolated"), std::string::npos);
  // A built-in's name with another peak is another GPU.
  EXPECT_TRUE(BuiltInKernelCosts(Gpu("h100-sxm", 756e12, 2e12))->Gemm(64, 128, 128, Pass::kForward).extrapolated);
}

TEST(BuiltInGpus, TheErrorBandTravelsWithTheCosts) {
  for (const GpuSpec& gpu : BuiltInGpus()) {
    const Json band = BuiltInKernelCosts(gpu)->error_band();
    ASSERT_NE(band.find("gemm"), nullptr);
    EXPECT_GT(band.find("gemm")->find("median")->number(), 0);
    EXPECT_EQ(band.find("attention_full") != nullptr, gpu.name != "a100-sxm-80gb");
  }
}

CostRow GemmRow(double m, double n, double k, double seconds, const std::string& direction = "forward") {
  CostRow row;
  row.op = "gemm";
  row.direction = direction;
  row.shape = {{"m", m}, {"n", n}, {"k", k}};
  row.median = Seconds(seconds);
  return row;
}

MeasuredKernelCosts FromRows(std::vector<CostRow> rows) {
  return {CostTrace{"d", Json::EmptyObject(), Json::EmptyObject(), std::move(rows)}, "t.json",
          BuiltInKernelCosts(BuiltInGpus()[0])};
}

// Rates 1, 2 and 1 at sizes 1, 2 and 4: without the middle one its neighbours say rate 1, twice its time. The ends lie
// outside of the others' box.
TEST(MeasuredTimes, LeavingOneShapeOutShowsWhatTheOthersMakeOfIt) {
  const std::vector<MeasuredTimes::Row> rows = {
      {{0, 0, 0, 0}, Seconds(1)}, {{1, 0, 0, 0}, Seconds(1)}, {{2, 0, 0, 0}, Seconds(4)}};
  const MeasuredTimes times({1, 0, 0, 0}, rows);
  ASSERT_EQ(times.LeaveOneOutErrors(Seconds(0)).size(), 1u);
  EXPECT_NEAR(times.LeaveOneOutErrors(Seconds(0))[0], 1, 1e-12);
  EXPECT_TRUE(times.LeaveOneOutErrors(Seconds(2)).empty());
}

TEST(MeasuredKernelCosts, HaveTheirOwnErrorBandOrNone) {
  std::vector<CostRow> rows;
  rows.reserve(12);
  for (int i = 0; i < 12; ++i) rows.push_back(GemmRow(64 << i, 256, 512, 1e-3 * (1 << i)));  // one rate: no error
  const Json band = FromRows(rows).error_band();
  EXPECT_EQ(band.find("gemm")->find("rows")->number(), 10);
  EXPECT_NEAR(band.find("gemm")->find("p90")->number(), 0, 1e-12);
  EXPECT_NE(band.find("attention_causal"), nullptr);  // not measured: the built-in model fills the gap
  EXPECT_EQ(FromRows({GemmRow(64, 256, 512, 1e-3)}).error_band().find("gemm"), nullptr);  // too few to judge
}

TEST(MeasuredKernelCosts, AMeasuredShapeCostsWhatWasMeasured) {
  const MeasuredKernelCosts costs =
      FromRows({GemmRow(64, 256, 512, 3e-5), GemmRow(128, 256, 512, 5e-5), GemmRow(64, 256, 512, 12e-5)});
  EXPECT_NEAR(costs.Gemm(128, 256, 512, Pass::kForward).time.value(), 5e-5, 1e-15);
  // Two measurements of one shape: their geometric mean, √(3·12) = 6.
  EXPECT_NEAR(costs.Gemm(64, 256, 512, Pass::kForward).time.value(), 6e-5, 1e-15);
  EXPECT_FALSE(costs.Gemm(64, 256, 512, Pass::kForward).extrapolated);
}

TEST(MeasuredKernelCosts, BetweenTwoShapesTheRatesMeetInTheMiddle) {
  // Rates 1 and 4 (in units of the first): half way in log2 the rate is 2.
  const double flops = 2.0 * 64 * 256 * 512;
  const MeasuredKernelCosts costs =
      FromRows({GemmRow(64, 256, 512, flops / 1e12), GemmRow(256, 256, 512, 4 * flops / 4e12)});
  EXPECT_NEAR(costs.Gemm(128, 256, 512, Pass::kForward).time.value(), 2 * flops / 2e12, 1e-15);
  EXPECT_FALSE(costs.Gemm(128, 256, 512, Pass::kForward).extrapolated);
  EXPECT_TRUE(costs.Gemm(257, 256, 512, Pass::kForward).extrapolated);
  // Below the smallest shape a kernel costs what the smallest costs.
  EXPECT_NEAR(costs.Gemm(1, 256, 512, Pass::kForward).time.value(), flops / 1e12, 1e-15);
}

TEST(MeasuredKernelCosts, GradientsAreMeasuredOnesOrTheForwardOfTheirShapeTimesTheBuiltInRatio) {
  const MeasuredKernelCosts costs = FromRows(
      {GemmRow(64, 256, 512, 3e-5), GemmRow(64, 512, 256, 7e-5), GemmRow(64, 256, 512, 9e-5, "weight_gradient")});
  EXPECT_NEAR(costs.Gemm(64, 256, 512, Pass::kWeightGradient).time.value(), 9e-5, 1e-15);
  const double factor =
      std::dynamic_pointer_cast<const GpuKernelCosts>(BuiltInKernelCosts(BuiltInGpus()[0]))->backward().input_gradient;
  EXPECT_NEAR(costs.Gemm(64, 256, 512, Pass::kInputGradient).time.value(), factor * 7e-5,
              1e-12);  // shape (64, 512, 256)
}

TEST(MeasuredKernelCosts, MissingOperationsComeFromTheBuiltInModelAndSaySo) {
  const MeasuredKernelCosts costs = FromRows({GemmRow(64, 256, 512, 3e-5)});
  const auto built_in = BuiltInKernelCosts(BuiltInGpus()[0]);
  const AttentionShape shape{.sequences = 2, .length = 512, .heads = 16, .kv_heads = 16, .head_dim = 128};
  EXPECT_EQ(costs.Attention(shape, Pass::kForward).time, built_in->Attention(shape, Pass::kForward).time);
  EXPECT_TRUE(costs.Attention(shape, Pass::kForward).extrapolated);
  EXPECT_FALSE(built_in->Attention(shape, Pass::kForward).extrapolated);
  EXPECT_TRUE(costs.MemoryBound(Bytes(1e6)).extrapolated);
}

TEST(MeasuredKernelCosts, SixteenBitRowsAreNotMixedWithWiderOnes) {
  CostRow wide = GemmRow(64, 256, 512, 9e-5);
  wide.dtype = "fp32";
  EXPECT_NEAR(FromRows({GemmRow(64, 256, 512, 3e-5), wide}).Gemm(64, 256, 512, Pass::kForward).time.value(), 3e-5,
              1e-15);
  EXPECT_NEAR(FromRows({wide}).Gemm(64, 256, 512, Pass::kForward).time.value(), 9e-5, 1e-15);
}

CostRow CausalRow(double batch, double seq, double seconds) {
  CostRow row;
  row.op = "attention_causal";
  row.shape = {{"batch", batch}, {"seq", seq}, {"heads", 8}, {"kv_heads", 8}, {"head_dim", 64}};
  row.median = Seconds(seconds);
  return row;
}

CostRow PackRow(const std::vector<std::int64_t>& lengths, double seconds) {
  CostRow row;
  row.op = "attention_packed";
  row.shape = {{"heads", 8}, {"kv_heads", 8}, {"head_dim", 64}};
  row.lengths = lengths;
  row.median = Seconds(seconds);
  return row;
}

TEST(MeasuredKernelCosts, APackBesideTheGridChangesNoPrice) {
  // Nor does it stand in for the causal rows that a trace lacks.
  const std::vector<CostRow> grid = {CausalRow(1, 512, 1e-3), CausalRow(2, 512, 2e-3), CausalRow(1, 1024, 4e-3)};
  std::vector<CostRow> more = grid;
  more.push_back(PackRow({512, 512, 700}, 7));
  const MeasuredKernelCosts plain = FromRows(grid), packed = FromRows(more), alone = FromRows({PackRow({512}, 7)});
  const auto price = [](const KernelCosts& costs, double length) {
    return costs.Attention({.length = length, .heads = 8, .kv_heads = 8, .head_dim = 64}, Pass::kForward).time.value();
  };
  for (const double length : {300.0, 512.0, 600.0, 700.0, 2000.0})
    EXPECT_EQ(price(plain, length), price(packed, length));
  EXPECT_EQ(price(alone, 512), price(*BuiltInKernelCosts(BuiltInGpus()[0]), 512));
}

TEST(CostErrors, APackIsPredictedAsASumOverItsSequences) {
  // Of 256 tokens, 64 are a quarter: a quarter of four sequences of 64 (4 · 1 ms), and three quarters of what 4/3
  // sequences of 192 cost; at the rate of one, 9 ms, that is 12 ms. Together 1 + 9.
  const MeasuredKernelCosts costs = FromRows({CausalRow(4, 64, 4e-3), CausalRow(4.0 / 3, 192, 12e-3)});
  const KernelCost cost = Predict(costs, PackRow({64, 192}, 1));
  EXPECT_NEAR(cost.time.value(), 10e-3, 1e-9);
  EXPECT_FALSE(cost.extrapolated);
  // Two of equal length are one question; a length beyond the rows is owned up to.
  EXPECT_NEAR(Predict(costs, PackRow({64, 64, 64, 64}, 1)).time.value(), 4e-3, 1e-9);
  EXPECT_TRUE(Predict(costs, PackRow({64, 19200}, 1)).extrapolated);
}

TEST(ExtrapolatedShapes, NamesWhatWasNotMeasuredLongestFirstAndAnswersTheSame) {
  const auto costs = BuiltInKernelCosts(BuiltInGpus().front());
  const ExtrapolatedShapes shapes(costs);
  const KernelCost inside = shapes.Gemm(4096, 4096, 4096, Pass::kForward);
  EXPECT_FALSE(inside.extrapolated);
  EXPECT_EQ(shapes.size(), 0u);
  const KernelCost small = shapes.Gemm(1e7, 4096, 4096, Pass::kForward);  // no table goes to ten million rows
  const KernelCost large = shapes.Gemm(3e7, 4096, 4096, Pass::kWeightGradient);
  EXPECT_TRUE(small.extrapolated && large.extrapolated);
  EXPECT_EQ(large.time, costs->Gemm(3e7, 4096, 4096, Pass::kWeightGradient).time);
  shapes.Gemm(1e7, 4096, 4096, Pass::kForward);  // seen before
  EXPECT_EQ(shapes.size(), 2u);
  const std::vector<std::string> one = shapes.Longest(1);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(one.front().starts_with("gemm m 3")) << one.front();
  EXPECT_TRUE(one.front().ends_with("n 4096 k 4096, weight gradient")) << one.front();
}

TEST(MeasuredKernelCosts, MemoryBoundRowsAreReadByTheValuesThatTheyMove) {
  const auto row = [](const std::string& op, const std::string& direction, double seconds) {
    CostRow norm;
    norm.op = op;
    norm.direction = direction;
    norm.dtype = "fp32";
    norm.shape = {{op == "layer" ? "tokens" : "bytes", 4e6}};
    norm.median = Seconds(seconds);
    return norm;
  };
  // 4 MB of fp32 are 10^6 values, which the cost model counts as 2 MB. Forward and backward of 1 and 4 ms give their
  // geometric mean, 2 ms; a whole layer is no memory-bound kernel.
  const MeasuredKernelCosts costs =
      FromRows({row("norm", "forward", 1e-3), row("norm", "backward", 4e-3), row("layer", "forward", 9)});
  EXPECT_NEAR(costs.MemoryBound(Bytes(2e6)).time.value(), 2e-3, 1e-12);
  EXPECT_FALSE(costs.MemoryBound(Bytes(2e6)).extrapolated);
}

TEST(DefaultKernelCosts, AreTheFittedModelWhereNoTraceIsCommitted) {
  EXPECT_FALSE(CommittedTrace("a100-sxm-80gb").has_value());
  const GpuSpec gpu = BuiltInGpus()[0];
  EXPECT_EQ(DefaultKernelCosts(gpu)->description(), BuiltInKernelCosts(gpu)->description());
}

TEST(DefaultKernelCosts, AreTheCommittedTraceOfExactlyThatGpu) {
  for (const EmbeddedFile& file : TraceData()) {
    const std::string name(file.path.substr(0, file.path.size() - 5));
    const Json json(name);
    GpuSpec gpu = ReadGpu(JsonReader(json, "gpu"));  // every trace belongs to a built-in GPU
    EXPECT_EQ(DefaultKernelCosts(gpu)->description().substr(0, 12), "measured on ");
    gpu.peak *= 2;
    EXPECT_EQ(DefaultKernelCosts(gpu)->description().substr(0, 9), "built-in ");
  }
}

}  // namespace
}  // namespace dflop
