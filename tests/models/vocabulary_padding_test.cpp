// The vocabulary is padded as Megatron-LM pads it, everywhere; widths that tensor parallelism does not divide are
// refused with the nearest that work.
#include <gtest/gtest.h>

#include <cmath>

#include "models/flop_count.hpp"
#include "models/tensor_parallel.hpp"
#include "sim/plan/layout.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

SoftwareStack PaddedTo(int multiple) {
  SoftwareStack software;
  software.vocabulary_multiple = multiple;
  return software;
}

// GPT-2's 50,257: 393·128 = 50,304, 197·256 = 50,432 and 50·1,024 = 51,200; Llama 3's 128,256 is 1,002·128, and
// 126·1,024 = 129,024.
TEST(VocabularyPadding, IsTheNextMultipleOf128TimesTheRanks) {
  EXPECT_EQ(PaddedVocabulary(50257, 128, 1), 50304);
  EXPECT_EQ(PaddedVocabulary(50257, 128, 2), 50432);
  EXPECT_EQ(PaddedVocabulary(50257, 128, 8), 51200);
  EXPECT_EQ(PaddedVocabulary(50304, 128, 8), 51200);
  EXPECT_EQ(PaddedVocabulary(51200, 128, 8), 51200);
  EXPECT_EQ(PaddedVocabulary(128256, 128, 1), 128256);
  EXPECT_EQ(PaddedVocabulary(128256, 128, 8), 129024);
  EXPECT_EQ(PaddedVocabulary(50257, 1, 8), 50264);
  EXPECT_EQ(PaddedVocabulary(50257, 1, 1), 50257);
  EXPECT_EQ(PaddedVocabulary(100'000'000, 1 << 20, 1024), 1 << 30);
}

// Three vocabularies that TP 8 pads to one are one job: parameters, memory, FLOPs, time.
TEST(VocabularyPadding, EqualPaddedVocabulariesCostTheSameInEverything) {
  const ModelSpec reference = GptModel(768, 12, 16, 51200);
  const ModulePart part = WholeModule(reference, 0, 8);
  const SequenceBatch batch = LlmBatch({2048}, Packing::kPacked);
  const Priced expected(reference);
  for (const int vocabulary : {50257, 50304}) {
    const Priced padded(GptModel(768, 12, 16, vocabulary));
    EXPECT_EQ(padded.cost.Parameters(part), expected.cost.Parameters(part));
    EXPECT_EQ(padded.cost.State(part, 1).weights.value(), expected.cost.State(part, 1).weights.value());
    EXPECT_EQ(padded.cost.GradientBytes(part).value(), expected.cost.GradientBytes(part).value());
    EXPECT_EQ(padded.cost.Activations(part, batch).value(), expected.cost.Activations(part, batch).value());
    EXPECT_EQ(padded.cost.Transient(part, batch).value(), expected.cost.Transient(part, batch).value());
    EXPECT_EQ(padded.cost.Part(part, batch).model_flops.value(), expected.cost.Part(part, batch).model_flops.value());
    EXPECT_EQ(padded.cost.Part(part, batch).forward.time, expected.cost.Part(part, batch).forward.time);
    EXPECT_EQ(padded.cost.OptimizerStep(part, 1), expected.cost.OptimizerStep(part, 1));
  }
}

// Embedding and head: 2 · (51,200 − 50,264) · 768 parameters more at a multiple of 128 than of 1, TP 8; an eighth of
// them on each rank, two bytes each.
TEST(VocabularyPadding, TheMultipleIsTheSoftwares) {
  const ModelSpec model = GptModel(768, 12, 16, 50257);
  const ModulePart part = WholeModule(model, 0, 8);
  const CostModel megatron = Priced(model).cost;
  const CostModel least = Priced(model, PaddedTo(1)).cost;
  const double more = 2.0 * (51200 - 50264) * 768;
  EXPECT_EQ(megatron.Parameters(part) - least.Parameters(part), more);
  EXPECT_EQ(megatron.State(part, 1).weights.value() - least.State(part, 1).weights.value(), 2 * more / 8);
}

TEST(VocabularyPadding, EveryRankHasAsManyWholeRows) {
  const ModelSpec model = GptModel(768, 12, 16, 50257);
  for (const int ranks : {1, 2, 4, 8, 16}) {
    const double rows = PaddedVocabulary(model.llm.vocab, 128, ranks) / ranks;
    EXPECT_EQ(rows, std::floor(rows)) << ranks;
    EXPECT_EQ(std::fmod(rows, 128), 0) << ranks;
  }
}

std::string WhyNot(const ModelSpec& model, int tp) {
  return WhyImpossible(HomogeneousDegrees{.tp = tp}, model, TestCluster());
}

// 2,050 = 2·5²·41 and 16 heads: TP 1 and 2 divide both; 8·256 = 2,048 and 8·257 = 2,056.
TEST(Dividing, AnFfnThatTensorParallelismDoesNotDivideIsRefusedWithTheNearestThatWork) {
  ModelSpec model = GptModel(768, 12, 16, 51200);
  EXPECT_EQ(WhyNot(model, 8), "");
  model.llm.shape.ffn_hidden = 2050;
  EXPECT_EQ(WhyNot(model, 2), "");
  EXPECT_EQ(
      WhyNot(model, 8),
      "tensor parallelism 8 does not divide the FFN width 2050 of llm; nearest that does: 2, or a width of 2048 or "
      "2056");
  model.llm.shape.ffn_hidden = 3072;
  EXPECT_EQ(WhyNot(model, 3), "tensor parallelism 3 does not divide the 16 heads of llm; nearest that does: 2 or 4");
}

// The projector's inner width is the LLM's hidden width, which 20 heads divide and TP 16 does not.
TEST(Dividing, AProjectorIsDividedLikeAnyLayer) {
  ModelSpec model = GptModel(1000, 2, 20, 32000);
  EncoderSpec encoder;
  encoder.name = "vision";
  encoder.shape = {1024, 4096, 4, 16, 16, false};
  model.encoders = {encoder};
  EXPECT_TRUE(DividesAmong(model, 0, 8));
  EXPECT_FALSE(DividesAmong(model, 0, 16));
  model.encoders[0].projector_layers = 1;
  EXPECT_TRUE(DividesAmong(model, 0, 16));
}

}  // namespace
}  // namespace dflop
