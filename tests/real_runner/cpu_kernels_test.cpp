// Every operation of the CPU backend against a float64 reference, on random numbers and odd shapes.
#include <gtest/gtest.h>

#include <array>

#include "real_runner/kernels/row_shapes.hpp"
#include "tests/real_runner/cpu_backend_support.hpp"
#include "tests/real_runner/kernel_reference.hpp"

namespace dflop {
namespace {

// fp32 keeps 7 digits; sums of up to a few thousand products and vectorised exponentials lose two or three of them.
constexpr double kKernelTolerance = 2e-5;

class CpuKernels : public testing::Test {
 protected:
  void SetUp() override {
    backend_ = CpuBackendOrNull();
    if (!backend_) GTEST_SKIP() << "built without OpenBLAS";
  }

  void ExpectCorrect(const CostRow& row, double tolerance = kKernelTolerance) {
    const std::unique_ptr<PreparedKernel> kernel = backend_->Prepare(row);
    const KernelError error = CompareWithReference(row, kernel->RunOnce());
    EXPECT_LT(error.relative, tolerance) << RowKey(row) << ", tensor " << error.tensor;
  }

  void ExpectMemoryBoundCorrect(const std::string& op, const std::string& direction) {
    // A single row, a few, and sizes that fit no row or vector.
    for (const double bytes : {4.0, 32768.0, 98304.0, 655360.0, 1000004.0}) {
      ExpectCorrect(MemoryRow(op, bytes, direction, "fp32"));
    }
  }

  std::unique_ptr<Backend> backend_;
};

TEST_F(CpuKernels, GemmsInAllDirections) {
  for (const char* direction : {"forward", "input_gradient", "weight_gradient"}) {
    for (const auto& [m, n, k] :
         {std::array{1.0, 1.0, 1.0}, {7.0, 13.0, 5.0}, {64.0, 128.0, 32.0}, {129.0, 65.0, 257.0}}) {
      ExpectCorrect(GemmRow(m, n, k, direction, "fp32"));
    }
  }
}

TEST_F(CpuKernels, AttentionOfAllKindsOfHeadsBeyondOneTile) {
  for (const bool causal : {false, true}) {
    for (const char* direction : {"forward", "backward"}) {
      ExpectCorrect(AttentionRow(causal, {1, 2, 1, 1, 8}, direction, "fp32"));
      ExpectCorrect(AttentionRow(causal, {2, 37, 4, 4, 16}, direction, "fp32"));
      ExpectCorrect(AttentionRow(causal, {3, 130, 6, 2, 24}, direction, "fp32"));  // grouped queries
      ExpectCorrect(AttentionRow(causal, {1, 700, 2, 1, 8}, direction, "fp32"));   // several tiles of keys
    }
  }
}

TEST_F(CpuKernels, AttentionOverPacksOfUnequalSequences) {
  for (const char* direction : {"forward", "backward"}) {
    ExpectCorrect(PackedAttentionRow({3}, 1, 1, 8, direction, "fp32"));
    ExpectCorrect(PackedAttentionRow({37, 1, 130, 5}, 6, 2, 24, direction, "fp32"));  // grouped queries
    ExpectCorrect(PackedAttentionRow({12, 700, 64}, 2, 1, 8, direction, "fp32"));     // several tiles of keys
  }
}

TEST_F(CpuKernels, APackOfEqualSequencesIsABatch) {
  // The same numbers in the same places: [3·40, heads, d] and [3, 40, heads, d] are one layout.
  const auto last = [&](const CostRow& row) { return backend_->Prepare(row)->RunOnce().back().values; };
  EXPECT_EQ(last(PackedAttentionRow({40, 40, 40}, 4, 2, 16, "forward", "fp32")),
            last(AttentionRow(true, {3, 40, 4, 2, 16}, "forward", "fp32")));
}

TEST_F(CpuKernels, Norms) {
  ExpectMemoryBoundCorrect("norm", "forward");
  ExpectMemoryBoundCorrect("norm", "backward");
}

TEST_F(CpuKernels, Activations) {
  ExpectMemoryBoundCorrect("activation", "forward");
  ExpectMemoryBoundCorrect("activation", "backward");
}

TEST_F(CpuKernels, AdditionCopyEmbeddingAndSoftmax) {
  for (const char* op : {"add", "copy", "embedding", "softmax"}) ExpectMemoryBoundCorrect(op, "forward");
}

TEST_F(CpuKernels, RotationStaysExactOverHundredsOfPositions) {
  ExpectMemoryBoundCorrect("rope", "forward");
  ExpectCorrect(MemoryRow("rope", 2.0 * 4 * 4096 * 300, "forward", "fp32"));
}

TEST_F(CpuKernels, LossWithItsGradient) {
  ExpectCorrect(MakeRow("loss", "forward", "fp32", {5, 11}));
  ExpectCorrect(MakeRow("loss", "forward", "fp32", {33, 1000}));
}

TEST_F(CpuKernels, OptimizerInPlace) {
  ExpectCorrect(MakeRow("optimizer", "forward", "fp32", {1}));
  ExpectCorrect(MakeRow("optimizer", "forward", "fp32", {1003}));
}

TEST_F(CpuKernels, WholeLayersForwardAndBackward) {
  // tokens, seq, hidden, ffn_hidden, heads, kv_heads, gated, causal: an LLM with grouped queries, an encoder, and the
  // two mixed kinds.
  for (const char* direction : {"forward", "backward"}) {
    ExpectCorrect(MakeRow("layer", direction, "fp32", {66, 33, 48, 80, 6, 2, 1, 1}));
    ExpectCorrect(MakeRow("layer", direction, "fp32", {40, 20, 32, 72, 4, 4, 0, 0}));
    ExpectCorrect(MakeRow("layer", direction, "fp32", {20, 20, 32, 40, 2, 1, 1, 0}));
    ExpectCorrect(MakeRow("layer", direction, "fp32", {20, 10, 32, 40, 2, 2, 0, 1}));
  }
}

TEST_F(CpuKernels, ReferenceSeesAWrongValue) {
  const CostRow row = GemmRow(4, 3, 2, "forward", "fp32");
  std::vector<HostTensor> tensors = backend_->Prepare(row)->RunOnce();
  ASSERT_EQ(tensors.back().name, "y");
  tensors.back().values[5] += 1;
  EXPECT_GT(CompareWithReference(row, tensors).relative, 0.01);
  EXPECT_EQ(CompareWithReference(row, tensors).tensor, "y");
}

TEST_F(CpuKernels, EveryLaunchTakesTheNextInputsAndIsTimed) {
  const std::unique_ptr<PreparedKernel> kernel = backend_->Prepare(GemmRow(32, 32, 32, "forward", "fp32"));
  const std::vector<TimedLaunch> launches = backend_->Time(*kernel, 7);
  ASSERT_EQ(launches.size(), 7u);
  for (const TimedLaunch& launch : launches) EXPECT_GT(launch.seconds, 0);
}

TEST_F(CpuKernels, TheCallersDenormalsSurviveAKernel) {
  // Kernels run with denormals flushed to zero; the thread must count with them again afterwards.
  const std::unique_ptr<PreparedKernel> kernel = backend_->Prepare(MemoryRow("add", 1024, "forward", "fp32"));
  backend_->Time(*kernel, 1);
  kernel->RunOnce();
  volatile double tiny = 1e-310;
  EXPECT_GT(tiny * 0.5, 0.0);
}

TEST_F(CpuKernels, WhatDoesNotFitOrIsUnknownIsRefusedWithAReason) {
  const auto reason = [&](const CostRow& row) -> std::string {
    try {
      backend_->Prepare(row);
    } catch (const Unsupported& refusal) {
      return refusal.what();
    }
    return "";
  };
  // Three matrices of 10^6 × 10^6 values of 4 bytes.
  const std::string memory = reason(GemmRow(1e6, 1e6, 1e6, "forward", "fp32"));
  EXPECT_EQ(memory.substr(0, 36), "needs 12000.00 GB of memory, there a");
  EXPECT_NE(reason(GemmRow(8, 8, 8, "forward", "bf16")), "");
  EXPECT_NE(reason(MakeRow("all_reduce", "forward", "fp32", {1024, 2})), "");
  EXPECT_NE(reason(MemoryRow("softmax", 4096, "backward", "fp32")), "");
  EXPECT_NE(reason(AttentionRow(true, {1, 8, 3, 2, 8}, "forward", "fp32")), "");
  EXPECT_NE(reason(PackedAttentionRow({8, 4}, 3, 2, 8, "forward", "fp32")), "");
}

TEST_F(CpuKernels, DeviceIsDescribed) {
  const DeviceInfo info = backend_->Describe();
  EXPECT_FALSE(info.name.empty());
  EXPECT_GT(info.memory_bytes, 1e6);
  EXPECT_GT(info.cache_bytes, 1e5);
  EXPECT_NE(info.software.find("openblas"), nullptr);
  EXPECT_EQ(backend_->dtype(), "fp32");
}

}  // namespace
}  // namespace dflop
