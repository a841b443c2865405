// Parts of a sequence that pass a pipeline one by one: together they are the whole.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

SequenceBatch SumOf(const std::vector<SequenceBatch>& parts) {
  SequenceBatch sum;
  for (const SequenceBatch& part : parts) {
    sum.tokens += part.tokens;
    sum.useful_tokens += part.useful_tokens;
    sum.useful_squares += part.useful_squares;
  }
  return sum;
}

TEST(SequenceSplits, APackIsCutEndToEnd) {
  // Samples of 3 and 5 tokens in halves of 4: the first holds the 3 and one of the 5, the second the other four behind
  // it. Scores of causal attention, twice: 3² + 1², then 5² − 1²; together 3² + 5².
  const std::vector<SequenceBatch> halves = LlmBatchInSplits({3, 5}, Packing::kPacked, 2);
  ASSERT_EQ(halves.size(), 2u);
  const std::vector<SequenceBatch::Group> first = {{3, 1, 0}, {1, 1, 0}}, second = {{4, 1, 1}};
  EXPECT_EQ(halves[0].groups, first);
  EXPECT_EQ(halves[1].groups, second);
  EXPECT_DOUBLE_EQ(halves[0].useful_squares, 10);
  EXPECT_DOUBLE_EQ(halves[1].useful_squares, 24);
}

TEST(SequenceSplits, OfAPaddedBatchEveryRowIsCut) {
  // Two rows of 6, of which the first holds 2 tokens: its second half is padding alone.
  const std::vector<SequenceBatch> halves = LlmBatchInSplits({2, 6}, Packing::kPadded, 2);
  const std::vector<SequenceBatch::Group> rows = {{3, 2, 3}}, real = {{3, 1, 3}};
  EXPECT_EQ(halves[1].groups, rows);
  EXPECT_EQ(halves[1].unpadded, real);
  EXPECT_DOUBLE_EQ(halves[0].useful_tokens, 5);
  EXPECT_DOUBLE_EQ(halves[1].useful_tokens, 3);
  EXPECT_DOUBLE_EQ(halves[1].tokens, 6);
  EXPECT_DOUBLE_EQ(halves[1].useful_squares, 36 - 9);
}

TEST(SequenceSplits, TogetherTheyAreTheWhole) {
  RandomStream random(1, "splits");
  for (int job = 0; job < 200; ++job) {
    std::vector<int> samples;
    for (std::uint64_t i = 0; i <= random.Below(12); ++i) samples.push_back(1 + static_cast<int>(random.Below(5000)));
    const int splits = 1 + static_cast<int>(random.Below(9));
    for (const Packing packing : {Packing::kPacked, Packing::kPadded}) {
      const SequenceBatch whole = LlmBatch(samples, packing);
      const SequenceBatch sum = SumOf(LlmBatchInSplits(samples, packing, splits));
      EXPECT_NEAR(sum.tokens, whole.tokens, 1e-9 * whole.tokens);
      EXPECT_NEAR(sum.useful_tokens, whole.useful_tokens, 1e-9 * whole.tokens);
      EXPECT_NEAR(sum.useful_squares, whole.useful_squares, 1e-9 * whole.useful_squares);
    }
  }
}

// One sequence of s tokens in k splits. The test kernels' attention takes a time that grows with its scores alone, and
// FLOPs do so anywhere: both add up to those of the whole, whatever share each split has of them.
TEST(SequenceSplits, AttentionOfTheSplitsIsThatOfTheWhole) {
  for (const int window : {0, 700}) {
    ModelSpec model = GptModel(1024, 4, 16, 32000);
    model.llm.shape.window = window;
    const CostModel cost(model, TestCluster(), std::make_shared<FakeKernelCosts>(), {});
    const ModulePart part{.module = model.llm_module(), .layers = 2};
    const PartCost whole = cost.Part(part, LlmBatch({4096}, Packing::kPacked));
    double flops = 0, seconds = 0, longest = 0;
    for (const SequenceBatch& split : LlmBatchInSplits({4096}, Packing::kPacked, 4)) {
      const PartCost of_split = cost.Part(part, split);
      flops += of_split.model_flops.value();
      EXPECT_GE(of_split.forward.time.value(), longest * (1 - 1e-9)) << "later splits attend to more";
      longest = of_split.forward.time.value();
      seconds += longest;
    }
    EXPECT_NEAR(flops / whole.model_flops.value(), 1, 1e-9) << "window " << window;
    EXPECT_NEAR(seconds / whole.forward.time.value(), 1, 1e-9) << "window " << window;
  }
}

}  // namespace
}  // namespace dflop
