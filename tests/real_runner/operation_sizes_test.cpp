// How many values and rows stand behind a memory-bound row's bytes.
#include "real_runner/kernels/operation_sizes.hpp"

#include <gtest/gtest.h>

#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

// A row of 4,096 bf16 values is 8,192 bytes. A norm reads x and writes y: 16,384 bytes a row; its backward reads dy and
// x and writes dx: 24,576.
TEST(OperationSizes, NormRowsFollowFromReadsAndWrites) {
  EXPECT_EQ(RowsFor(MemoryRow("norm", 163840, "forward", "bf16"), 2), 10);
  EXPECT_EQ(RowsFor(MemoryRow("norm", 245760, "backward", "bf16"), 2), 10);
}

// u and v in, y out: 3 × 4 bytes a value in fp32; backward dy, u, v in, du and dv out: 5 × 4.
TEST(OperationSizes, ActivationCountsBothInputsAndBothGradients) {
  EXPECT_EQ(ValuesFor(MemoryRow("activation", 1200, "forward", "fp32"), 4), 100);
  EXPECT_EQ(ValuesFor(MemoryRow("activation", 2000, "backward", "fp32"), 4), 100);
}

TEST(OperationSizes, FewerBytesThanARowAreStillOneRow) {
  for (const char* op : {"rope", "softmax", "embedding"}) {
    EXPECT_EQ(RowsFor(MemoryRow(op, 1, "forward", "bf16"), 2), 1) << op;
  }
  EXPECT_EQ(ValuesFor(MemoryRow("copy", 1, "forward", "bf16"), 2), 1);
}

// 2³⁴ bytes of copies are 2³² values: beyond 32 bits.
TEST(OperationSizes, SizesBeyondThirtyTwoBitsAreKept) {
  EXPECT_EQ(ValuesFor(MemoryRow("copy", 17179869184.0, "forward", "bf16"), 2), std::int64_t{1} << 32);
}

}  // namespace
}  // namespace dflop
