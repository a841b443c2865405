// The clock that power sustains and the attention that a stack runs, against factors by hand.
#include "models/loaded_kernel_costs.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "models/model_data.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

/// Everything at one share of an H100's peak.
class AtShareOfPeak final : public FakeKernelCosts {
 public:
  AtShareOfPeak(double share, std::string gpu) : share_(share) {
    const Json name(std::move(gpu));
    gpu_ = ReadGpu(JsonReader(name, "test"));
  }
  KernelCost Gemm(double m, double n, double k, Pass) const override {
    return {Flops(2 * m * n * k) / (gpu_.peak * share_), false};
  }
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override {
    return {shape.flops() * (pass == Pass::kForward ? 1.0 : 2.5) / (gpu_.peak * share_), false};
  }
  const GpuSpec& gpu() const override { return gpu_; }

 private:
  double share_;
  GpuSpec gpu_;
};

constexpr AttentionShape kShape{1, 4096, 16, 16, 128, true};

double GemmSlowdown(double share, const std::string& gpu, const SoftwareStack& software) {
  const auto plain = std::make_shared<AtShareOfPeak>(share, gpu);
  return UnderLoad(plain, software)->Gemm(4096, 4096, 4096, Pass::kForward).time /
         plain->Gemm(4096, 4096, 4096, Pass::kForward).time;
}

TEST(LoadedKernelCosts, ClocksFallByTheCubeRootOfWhatPowerCannotSustain) {
  SoftwareStack software;
  software.sustained_clocks = true;
  // An H100 sustains 0.52 of its peak: at 0.8 its clock falls to (0.52 / 0.8)^⅓ = 0.8662; below 0.52 it does not.
  EXPECT_NEAR(GemmSlowdown(0.8, "h100-sxm", software), 1 / 0.8662, 1e-4);
  EXPECT_DOUBLE_EQ(GemmSlowdown(0.5, "h100-sxm", software), 1);
  // 500 W instead of 700, 150 of them for what has no clock: 350 / 550 of it, 0.33; (0.33 / 0.8)^⅓ = 0.7444.
  EXPECT_NEAR(GemmSlowdown(0.8, "h100-hbm2e-500w", software), 1 / 0.7444, 1e-4);
  EXPECT_DOUBLE_EQ(GemmSlowdown(0.8, "h100-sxm", SoftwareStack{}), 1);
}

TEST(LoadedKernelCosts, MemoryKeepsItsTime) {
  SoftwareStack software;
  software.sustained_clocks = true;
  const auto plain = std::make_shared<AtShareOfPeak>(0.8, "a100-sxm-80gb");
  EXPECT_EQ(UnderLoad(plain, software)->MemoryBound(Bytes(1e9)).time, plain->MemoryBound(Bytes(1e9)).time);
}

TEST(LoadedKernelCosts, AttentionOfAnotherGenerationRunsAtItsShareOfTheTablesRate) {
  const auto plain = std::make_shared<AtShareOfPeak>(0.3, "h100-sxm");
  SoftwareStack software;
  software.attention_kernel = AttentionKernel::kFlash2;
  const auto loaded = UnderLoad(plain, software);
  const auto ratio = [&](AttentionShape shape, Pass pass) {
    return loaded->Attention(shape, pass).time / plain->Attention(shape, pass).time;
  };
  // arXiv 2407.08608, figure 5: 335 of 616 TFLOP/s forward, 322 of 561 backward; heads of 64 by their own row.
  EXPECT_NEAR(ratio(kShape, Pass::kForward), 616.0 / 335, 0.01);
  EXPECT_NEAR(ratio(kShape, Pass::kInputGradient), 561.0 / 322, 0.01);
  AttentionShape narrow = kShape;
  narrow.head_dim = 64;
  EXPECT_LT(ratio(narrow, Pass::kForward), ratio(kShape, Pass::kForward));
  software.attention_kernel = AttentionKernel::kFlash3;  // the table's own
  EXPECT_EQ(UnderLoad(plain, software)->Attention(kShape, Pass::kForward).time,
            plain->Attention(kShape, Pass::kForward).time);
}

TEST(LoadedKernelCosts, ASlowerKernelDrawsLessAndIsThrottledLess) {
  // At 0.8 of the peak the table's attention falls to 0.8662 of its clock; FlashAttention-2's, at 0.8·0.545 = 0.436,
  // keeps it.
  const auto plain = std::make_shared<AtShareOfPeak>(0.8, "h100-sxm");
  SoftwareStack software;
  software.sustained_clocks = true;
  const Seconds table = plain->Attention(kShape, Pass::kForward).time;
  EXPECT_NEAR(UnderLoad(plain, software)->Attention(kShape, Pass::kForward).time / table, 1 / 0.8662, 1e-4);
  software.attention_kernel = AttentionKernel::kFlash2;
  EXPECT_NEAR(UnderLoad(plain, software)->Attention(kShape, Pass::kForward).time / table, 1 / 0.545, 1e-9);
}

TEST(LoadedKernelCosts, EveryBuiltInTableHasItsFiguresAndTheirSources) {
  const Json document = BuiltInJson("device_load.json");
  for (const std::string& gpu : BuiltInGpuNames()) {
    if (gpu == "cpu-core") continue;  // real runs only, whose costs are measured
    const JsonReader load = JsonReader(document, "device_load.json").At(gpu);
    load.AllowOnly(
        {"low_precision", "sustained_efficiency", "sustained_source", "attention_source", "attention_kernels"});
    EXPECT_GT(load.At("sustained_source").String().size(), 20u) << gpu;
    EXPECT_GT(load.At("attention_source").String().size(), 20u) << gpu;
    for (const std::string& kernel : load.At("attention_kernels").Keys()) {
      for (const JsonReader& rates : load.At("attention_kernels").At(kernel).Elements()) {
        EXPECT_LE(rates.At("forward").Number(0, 10), 1) << gpu << " " << kernel;
      }
    }
  }
}

TEST(LoadedKernelCosts, ANameGivesAGpuNoFiguresThatItsPeakDoesNot) {
  const Json word("h100-hbm2e-500w");
  GpuSpec gpu = ReadGpu(JsonReader(word, "test"));
  EXPECT_EQ(LoadNameOf(gpu), "h100-hbm2e-500w");
  gpu.name = "a100-sxm-80gb";  // at the peak of an H100
  EXPECT_EQ(LoadNameOf(gpu), "h100-sxm");
  EXPECT_TRUE(HasRates(gpu, AttentionKernel::kCudnn));
  gpu.peak = FlopsPerSecond(312e12);
  EXPECT_EQ(LoadNameOf(gpu), "a100-sxm-80gb");
  EXPECT_FALSE(HasRates(gpu, AttentionKernel::kCudnn));
}

TEST(LoadedKernelCosts, WhatNothingAsksForIsLeftAsItIs) {
  const auto plain = std::make_shared<AtShareOfPeak>(0.8, "h100-sxm");
  EXPECT_EQ(UnderLoad(plain, SoftwareStack{}), plain);
}

}  // namespace
}  // namespace dflop
