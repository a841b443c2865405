// Which names mean the same GPU: what drivers, tables and the built-in clusters write.
#include "traces/gpu_name.hpp"

#include <gtest/gtest.h>

#include "tests/input_error.hpp"

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

TEST(GpuName, ANameWithOtherWordsIsNoGpu) {
  for (const char* name : {"model-h100-7b", "H100 vs A100", "T4-labs", "h100-lovers", "H100 MIG 1g.10gb", "perf"}) {
    EXPECT_FALSE(ParseGpuName(name)) << name;
    EXPECT_FALSE(MayBeSameDevice(name, "h100-sxm")) << name;
  }
}

TEST(GpuName, AMemoryThatIsStatedMustBeTheGpus) {
  constexpr double kGibibyte = 1024.0 * 1024 * 1024;
  EXPECT_TRUE(MayBeDevice("NVIDIA H100 80GB HBM3", "h100-sxm", 80 * kGibibyte));
  EXPECT_TRUE(MayBeDevice("NVIDIA H100 80GB HBM3", "h100-sxm", 80e9));
  EXPECT_FALSE(MayBeDevice("NVIDIA H100 64GB", "h100-sxm", 80 * kGibibyte));
  EXPECT_TRUE(MayBeDevice("H100", "h100-sxm", 80 * kGibibyte));
}

TEST(GpuName, TwoGpusOnAPathAreAnError) {
  EXPECT_EQ(GpuOfPath("/a100/a100_sxm/x/mlp.csv"), "a100_sxm");
  EXPECT_NE(ErrorOf([] { GpuOfPath("/a100/h100/x/mlp.csv"); }).find("two GPUs on its way, a100, h100"),
            std::string::npos);
}

TEST(GpuName, OfAPathIsTheInnermostThatIsKnown) {
  EXPECT_EQ(GpuOfPath("/data/a100/meta-llama/Llama-2-7b-hf/mlp.csv"), "a100");
  EXPECT_EQ(GpuOfPath("/h100-machine/profiles/a40/org/model/mlp.csv"), "a40");
  EXPECT_EQ(GpuOfPath("/data/meta-llama/phi-2/mlp.csv"), "");
}

}  // namespace
}  // namespace dflop
