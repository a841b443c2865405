// Which names mean the same GPU: what drivers, tables and the built-in clusters write.
#include "traces/gpu_name.hpp"

#include <gtest/gtest.h>

namespace dflop {
namespace {

TEST(GpuName, OneGpuHasManySpellings) {
  for (const char* name : {"a100", "A100_SXM", "NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"}) {
    EXPECT_TRUE(MayBeSameDevice(name, "a100-sxm-80gb")) << name;
  }
  for (const char* name : {"h100_sxm", "NVIDIA H100 80GB HBM3", "H100"}) {
    EXPECT_TRUE(MayBeSameDevice(name, "h100-sxm")) << name;
  }
  EXPECT_TRUE(MayBeSameDevice("AMD EPYC, one core", "amd epyc one core"));
}

TEST(GpuName, WhatContradictsIsAnotherGpu) {
  for (const char* name :
       {"h100-sxm", "a100-sxm-40gb", "NVIDIA A100-PCIE-40GB", "a10", "gb200", "AMD EPYC, one core", ""}) {
    EXPECT_FALSE(MayBeSameDevice(name, "a100-sxm-80gb")) << name;
  }
  EXPECT_FALSE(MayBeSameDevice("b200", "gb200"));
  EXPECT_FALSE(MayBeSameDevice("h100-hbm2e-500w", "NVIDIA H100 80GB HBM3"));
  EXPECT_FALSE(MayBeSameDevice("meta-llama", "a100"));
}

TEST(GpuName, OfAPathIsTheInnermostThatIsKnown) {
  EXPECT_EQ(GpuOfPath("/data/a100/meta-llama/Llama-2-7b-hf/mlp.csv"), "a100");
  EXPECT_EQ(GpuOfPath("/h100-machine/profiles/a40/org/model/mlp.csv"), "a40");
  EXPECT_EQ(GpuOfPath("/data/meta-llama/phi-2/mlp.csv"), "");
}

}  // namespace
}  // namespace dflop
