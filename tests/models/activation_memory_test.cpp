// Against the published formulas of Megatron (arXiv 2205.05198), and sums by term for what they leave out.
#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

/// The stack of arXiv 2205.05198: unfused attention, dropout.
SoftwareStack Megatron(Recompute recompute) {
  SoftwareStack software;
  software.attention = AttentionKind::kUnfused;
  software.dropout = 0.1;
  software.recompute = recompute;
  return software;
}

double LayerBytes(const ModelSpec& model, const SoftwareStack& software, const SequenceBatch& batch, int ranks = 1,
                  bool sequence_parallel = false) {
  ModulePart part = LayersOnly(model.llm_module(), 1, ranks);
  part.mesh.sequence_parallel = sequence_parallel;
  return Priced(model, software).cost.Activations(part, batch).value();
}

// GPT-3 175B of arXiv 2205.05198: a = 96, h = 12,288, s = 2,048, b = 1: s·b·h = 25,165,824 and 5·a·s/h = 80.
const double kSbh = 25'165'824;
ModelSpec Gpt3() { return GptModel(12288, 96, 96, 51200); }

TEST(Activations, GptLayerHasThePublishedBytes) {
  // Table 2 there: s·b·h·(34 + 5·a·s/h) = 114·s·b·h.
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kNone), Sequences(2048, 1)), 114 * kSbh);
}

TEST(Activations, TensorParallelismLeavesTenBytesWhole) {
  // s·b·h·(10 + 24/t + 5·a·s/(h·t)) with t = 8: 10 + 3 + 10 = 23.
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kNone), Sequences(2048, 1), 8), 23 * kSbh);
}

TEST(Activations, SequenceParallelismDividesEverything) {
  // s·b·h/t·(34 + 5·a·s/h) = 14.25·s·b·h.
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kNone), Sequences(2048, 1), 8, true), 14.25 * kSbh);
}

TEST(Activations, SelectiveRecomputeDropsTheScores) {
  // 34·s·b·h/t = 4.25·s·b·h; without sequence parallelism 10 + 24/8 = 13.
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kSelective), Sequences(2048, 1), 8, true), 4.25 * kSbh);
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kSelective), Sequences(2048, 1), 8), 13 * kSbh);
}

TEST(Activations, FullRecomputeKeepsALayersInput) {
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kFull), Sequences(2048, 1), 8), 2 * kSbh);
  EXPECT_EQ(LayerBytes(Gpt3(), Megatron(Recompute::kFull), Sequences(2048, 1), 8, true), 0.25 * kSbh);
}

TEST(Activations, SecondPublishedConfigurationHoldsToo) {
  // 22B of the paper: a = 64, h = 6,144, b = 4, t = 8: s·b·h = 50,331,648, 5·a·s/h = 106.67, so 10 + 3 + 13.33 = 26.33.
  const double bytes = LayerBytes(GptModel(6144, 48, 64, 51200), Megatron(Recompute::kNone), Sequences(2048, 4), 8);
  EXPECT_NEAR(bytes, 50'331'648 * (13 + 40.0 / 3), 1);
}

TEST(Activations, FlashAttentionHasNoScoresAndNoDropoutNoMasks) {
  SoftwareStack software;
  EXPECT_EQ(LayerBytes(Gpt3(), software, Sequences(2048, 1)), 32 * kSbh);
  software.dropout = 0.1;
  EXPECT_EQ(LayerBytes(Gpt3(), software, Sequences(2048, 1)), 34 * kSbh);
}

TEST(Activations, GatedLayersWithGroupedQueriesAreSummedByTerm) {
  // Llama-3 8B, a token: norms 2·2·4096, inputs 2·2·4096, QKV 2·(4096 + 2·1024), output 2·4096, gate and up
  // 2·2·14336, down 2·14336 = 139,264.
  const ModelSpec model = BuiltInModel("llama3-8b");
  EXPECT_EQ(LayerBytes(model, {}, Sequences(1000, 1)), 139'264'000);
}

TEST(Activations, FrozenLayersKeepNoInputsOfLinearLayers) {
  // Without 2·2·4096 and 2·14336 of the above; flash attention still wants its output. 139,264 − 16,384 − 28,672.
  ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  model.llm.frozen = true;
  EXPECT_EQ(LayerBytes(model, {}, Sequences(1000, 1)), 94'208'000);
}

TEST(Activations, LayersWithoutBackwardKeepNothing) {
  ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  model.encoders[0].frozen = true;
  const CostModel cost = Priced(model).cost;
  const SequenceBatch tiles = EncoderBatch(model.encoders[0], 2);
  EXPECT_EQ(cost.Activations(LayersOnly(0, 27), tiles).value(), 0);
  // The training projector keeps its input, its activation's input and its second layer's input.
  EXPECT_EQ(cost.Activations(WholeModule(model, 0), tiles).value(), 2 * 729 * 2.0 * (1152 + 4096 + 4096));
}

TEST(Activations, EndsKeepTheirInputs) {
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  const CostModel cost = Priced(model).cost;
  const ModulePart patches{0, 0, 0, true, false, {.tp = 1}};
  EXPECT_EQ(cost.Activations(patches, EncoderBatch(model.encoders[0], 2)).value(), 2 * 729 * 588 * 2.0);
  const ModulePart head{1, 0, 0, false, true, {.tp = 1}};
  // Inputs of norm and head, and the loss's fp32 probabilities.
  EXPECT_EQ(cost.Activations(head, Sequences(1000, 1)).value(), 1000 * (4096 * 4.0 + 128256 * 4.0));
  // With dropout the embedding keeps a mask of a byte a value (arXiv 2205.05198, section 4.3).
  const ModulePart embedding{0, 0, 0, true, false, {.tp = 1}};
  EXPECT_EQ(Priced(Gpt3(), Megatron(Recompute::kNone)).cost.Activations(embedding, Sequences(2048, 1)).value(), kSbh);
}

TEST(Transient, LogitsAreKeptInTwoPrecisions) {
  const ModelSpec model = BuiltInModel("llama3-8b");
  const ModulePart head{0, 0, 4, false, true, {.tp = 2}};
  // 1,000 tokens × 128,256/2 logits × (4 + 2) bytes.
  // four of which wait for the backward (arXiv 2205.05198, section 4.3).
  const int logits = 1000 * 128256 / 2;
  EXPECT_EQ(Priced(model).cost.Transient(head, Sequences(1000, 1)).value(), logits * 2);
  const ModulePart layers{0, 0, 4, false, false, {.tp = 2}};
  const CostModel cost = Priced(model).cost;
  EXPECT_EQ((cost.Activations(head, Sequences(1000, 1)) - cost.Activations(layers, Sequences(1000, 1))).value(),
            logits * 4 + 1000 * 4096 * 4);
}

TEST(Transient, RecomputeHoldsOneLayer) {
  const SequenceBatch batch = Sequences(2048, 1);
  const ModulePart layers = LayersOnly(0, 10);
  const auto transient = [&](Recompute recompute) {
    return Priced(Gpt3(), Megatron(recompute)).cost.Transient(layers, batch).value();
  };
  EXPECT_EQ(transient(Recompute::kNone), 0);
  EXPECT_EQ(transient(Recompute::kSelective), 80 * kSbh);
  EXPECT_EQ(transient(Recompute::kFull), 114 * kSbh);
}

}  // namespace
}  // namespace dflop
