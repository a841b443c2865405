// Parts of a GPU: CUDA's guideline is at least 8 multiprocessors in multiples of 8 from compute capability 9.0 on, at
// least 4 in multiples of 2 on 8.x.
#include "real_runner/cuda/partition_size.hpp"

#include <gtest/gtest.h>

namespace dflop::cuda {
namespace {

TEST(PartSize, AnH100With132MultiprocessorsHasPartsOfWholeEights) {
  const PartRules rules = RulesOf(9);
  EXPECT_EQ(PartSize(132, 1, rules), 128);
  EXPECT_EQ(PartSize(132, 2, rules), 64);
  EXPECT_EQ(PartSize(132, 3, rules), 40);
  EXPECT_EQ(PartSize(132, 4, rules), 32);
  EXPECT_EQ(PartSize(132, 16, rules), 8);
  EXPECT_EQ(PartSize(132, 17, rules), 0);
}

TEST(PartSize, AnA100With108MultiprocessorsHasPartsOfWholePairs) {
  const PartRules rules = RulesOf(8);
  EXPECT_EQ(PartSize(108, 2, rules), 54);
  EXPECT_EQ(PartSize(108, 4, rules), 26);
  EXPECT_EQ(PartSize(108, 27, rules), 4);
  EXPECT_EQ(PartSize(108, 28, rules), 0);
}

}  // namespace
}  // namespace dflop::cuda
