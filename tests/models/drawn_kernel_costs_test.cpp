// Draws within an error band: what decides them, how wide they are, and that a draw of nothing changes nothing.
#include "models/drawn_kernel_costs.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "base/statistics.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

class BandedCosts final : public FakeKernelCosts {
 public:
  explicit BandedCosts(const char* band) : band_(ParseJson(band, "band")) {}
  Json error_band() const override { return band_; }

 private:
  Json band_;
};

std::shared_ptr<const KernelCosts> Banded() {
  return std::make_shared<BandedCosts>(R"({"gemm": {"rows": 10, "median": 0.05, "p90": 0.10, "bias": 0},
                                           "attention_causal": {"rows": 10, "median": 0.03, "p90": 0.17, "bias": 0}})");
}

AttentionShape Shape(double sequences, double length, bool causal) {
  return {.sequences = sequences, .length = length, .heads = 8, .kv_heads = 8, .head_dim = 64, .causal = causal};
}

TEST(CostSpread, ReachesTheMedianAndTheNinetiethPercentileOfTheBand) {
  const CostSpread spread = SpreadOf(*Banded());
  EXPECT_NEAR(spread.Of(CostKind::kGemm, false), 0.05 / 0.6745, 1e-12);            // above 0.10 / 1.645 = 0.061
  EXPECT_NEAR(spread.Of(CostKind::kCausalAttention, false), 0.17 / 1.645, 1e-12);  // above 0.03 / 0.6745 = 0.044
}

TEST(CostSpread, IsTheAllowanceWhereNothingWasHeldOutOrTheShapeWasNotMeasured) {
  const CostSpread spread = SpreadOf(*Banded());
  EXPECT_EQ(spread.Of(CostKind::kFullAttention, false), kUnjudgedSigma);
  EXPECT_EQ(spread.Of(CostKind::kMemoryBound, false), kUnjudgedSigma);
  EXPECT_EQ(spread.Of(CostKind::kGemm, true), kUnjudgedSigma);
  const BandedCosts wide(R"({"gemm": {"rows": 10, "median": 0.5, "p90": 0.6, "bias": 0}})");
  EXPECT_EQ(SpreadOf(wide).Of(CostKind::kGemm, true), SpreadOf(wide).Of(CostKind::kGemm, false));  // never narrower
}

TEST(CostDraws, AreDecidedByTheirNumberAlone) {
  EXPECT_EQ(DrawCosts(7), DrawCosts(7));
  EXPECT_NE(DrawCosts(7), DrawCosts(8));
  // The stream's name is part of every stored result.
  EXPECT_EQ(DrawCosts(7)[0], RandomStream(0, "kernel costs/draw7").Normal());
}

TEST(DrawnKernelCosts, MultiplyAllShapesOfAKindByOneFactor) {
  const CostSpread spread = SpreadOf(*Banded());
  const CostDraw draw = {1.5, -0.5, 2, -1};
  const auto plain = Banded();
  const DrawnKernelCosts drawn(Banded(), spread, draw);
  RandomStream random(3, "shapes");
  for (int i = 0; i < 100; ++i) {
    const double m = 1.0 + static_cast<double>(random.Below(9999));
    const double n = 1.0 + static_cast<double>(random.Below(9999));
    for (const Pass pass : {Pass::kForward, Pass::kInputGradient, Pass::kWeightGradient}) {
      EXPECT_NEAR(drawn.Gemm(m, n, 64, pass).time / plain->Gemm(m, n, 64, pass).time, std::exp(1.5 * 0.05 / 0.6745),
                  1e-12);
    }
    for (const Pass pass : {Pass::kForward, Pass::kInputGradient}) {
      const auto ratio = [&](bool causal) {
        return drawn.Attention(Shape(m, n, causal), pass).time / plain->Attention(Shape(m, n, causal), pass).time;
      };
      EXPECT_NEAR(ratio(true), std::exp(-0.5 * 0.17 / 1.645), 1e-12);
      EXPECT_NEAR(ratio(false), std::exp(2 * kUnjudgedSigma), 1e-12);
    }
    EXPECT_NEAR(drawn.MemoryBound(Bytes(m)).time / plain->MemoryBound(Bytes(m)).time, std::exp(-kUnjudgedSigma), 1e-12);
  }
}

TEST(DrawnKernelCosts, SpreadExtrapolatedShapesWider) {
  const auto plain = std::make_shared<BandedCosts>(R"({"gemm": {"rows": 9, "median": 0.01, "p90": 0.02, "bias": 0}})");
  plain->extrapolated_above = 100;
  const DrawnKernelCosts drawn(plain, SpreadOf(*plain), {1, 0, 0, 0});
  const auto ratio = [&](double m) {
    return drawn.Gemm(m, 64, 64, Pass::kForward).time / plain->Gemm(m, 64, 64, Pass::kForward).time;
  };
  EXPECT_NEAR(ratio(100), std::exp(0.01 / 0.6745), 1e-12);
  EXPECT_NEAR(ratio(101), std::exp(kUnjudgedSigma), 1e-12);
}

// The standard error of a standard deviation over n draws is sigma / √(2n), of a mean sigma / √n; four of them.
TEST(DrawnKernelCosts, ScatterByTheirSpread) {
  const auto plain = Banded();
  const CostSpread spread = SpreadOf(*plain);
  constexpr int kDraws = 4000;
  const double sigma = 0.05 / 0.6745;
  const Seconds predicted = plain->Gemm(512, 512, 512, Pass::kForward).time;
  double sum = 0;
  double squares = 0;
  for (int number = 0; number < kDraws; ++number) {
    const DrawnKernelCosts drawn(plain, spread, DrawCosts(number));
    const double log = std::log(drawn.Gemm(512, 512, 512, Pass::kForward).time / predicted);
    sum += log;
    squares += log * log;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 0, 4 * sigma / std::sqrt(kDraws));
  EXPECT_NEAR(std::sqrt(squares / kDraws - mean * mean), sigma, 4 * sigma / std::sqrt(2.0 * kDraws));
}

// The 32 draws of a run are no odd ones either.
TEST(CostDraws, OfARunScatterAsTheyShouldInEveryKind) {
  constexpr int kDraws = 32;
  for (const CostKind kind : kCostKinds) {
    double squares = 0;
    for (int number = 0; number < kDraws; ++number) {
      const double normal = DrawCosts(number)[static_cast<std::size_t>(kind)];
      squares += normal * normal;
    }
    EXPECT_NEAR(std::sqrt(squares / kDraws), 1, 3 / std::sqrt(2.0 * kDraws)) << NameOf(kind);
  }
}

TEST(DrawnKernelCosts, OfNothingChangeNoBit) {
  const auto plain = BuiltInKernelCosts(A100Nodes(1).only_node().gpu);
  const DrawnKernelCosts drawn(plain, SpreadOf(*plain), {});
  EXPECT_EQ(drawn.Gemm(777, 1234, 99, Pass::kWeightGradient).time,
            plain->Gemm(777, 1234, 99, Pass::kWeightGradient).time);
  EXPECT_EQ(drawn.Attention(Shape(3, 777, true), Pass::kForward).time,
            plain->Attention(Shape(3, 777, true), Pass::kForward).time);
  EXPECT_EQ(drawn.MemoryBound(Bytes(12345)).time, plain->MemoryBound(Bytes(12345)).time);
}

}  // namespace
}  // namespace dflop
