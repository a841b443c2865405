// Remembered answers are those of the costs behind them, and each is asked for once.
#include "models/remembered_kernel_costs.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

TEST(RememberedKernelCosts, AsksOnceForAShape) {
  const auto fake = std::make_shared<FakeKernelCosts>();
  const RememberedKernelCosts costs(fake);
  for (int i = 0; i < 3; ++i) {
    costs.Gemm(100, 200, 300, Pass::kForward);
    costs.Gemm(100, 200, 300, Pass::kWeightGradient);
    costs.Attention({1, 512, 8, 8, 64, true}, Pass::kForward);
    costs.Attention({1, 512, 8, 8, 64, false}, Pass::kForward);
  }
  EXPECT_EQ(fake->gemms.size(), 2u);
  EXPECT_EQ(fake->attentions.size(), 2u);
}

TEST(RememberedKernelCosts, SayWhatTheCostsBehindThemSayForAnyShapeInAnyOrder) {
  // A hundred thousand shapes, many of them twice, over far fewer places.
  const FakeKernelCosts plain;
  const RememberedKernelCosts costs(std::make_shared<FakeKernelCosts>());
  RandomStream random(3, "shapes");
  for (int i = 0; i < 100'000; ++i) {
    const double m = 1.0 + static_cast<double>(random.Below(300));
    const double n = 1.0 + static_cast<double>(random.Below(300));
    const auto pass = static_cast<Pass>(random.Below(3));
    ASSERT_EQ(costs.Gemm(m, n, 64, pass).time, plain.Gemm(m, n, 64, pass).time) << m << " × " << n;
    const AttentionShape shape{m, n, 1 + static_cast<int>(random.Below(2)), 1, 64, random.Below(2) == 0};
    ASSERT_EQ(costs.Attention(shape, Pass::kForward).time, plain.Attention(shape, Pass::kForward).time);
  }
}

}  // namespace
}  // namespace dflop
