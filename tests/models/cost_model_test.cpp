// Every term of a part's time, against sums by hand over kernels of known speed (tests/models/model_test_support.hpp:
// GEMMs at 100, 50 and 25 TFLOP/s forward, input and weight gradient; attention at 10 TFLOP/s, backward 2.5 × as long;
// memory at 1 TB/s; NVLink 100 GB/s and 1 µs).
#include "models/cost_model.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

using GemmCall = FakeKernelCosts::GemmCall;

SoftwareStack With(Recompute recompute) {
  SoftwareStack software;
  software.recompute = recompute;
  return software;
}

// One GPT layer, h = 1,024, 16 heads, one sequence of 2,048 tokens. t·h = 2,097,152.
//   GEMMs      2·t·12·h² = 5.15396e10 FLOP → 515.396 µs forward, 1,030.792 and 2,061.584 backward
//   attention  2·s²·h = 8.58993e9 FLOP     → 858.993 µs, backward 2,147.484
//   memory     norms 2·2·2, residuals 2·3·2, activation 2·4·2 bytes: 36·t·h → 75.497 µs
//              backward 2·5·2 + 2·3·2 + 3·4·2 = 56·t·h → 117.441 µs
constexpr double kGemms = 515.396, kAttention = 858.993, kMemory = 75.497, kMemoryBackward = 117.441;
constexpr double kForward = kGemms + kAttention + kMemory;
constexpr double kInputGradient = 2 * kGemms + 2.5 * kAttention + kMemoryBackward;
ModelSpec SmallGpt() { return GptModel(1024, 4, 16, 32000); }
SequenceBatch SmallBatch() { return Sequences(2048, 1); }

TEST(CostModel, LayerIsTheSumOfItsKernels) {
  const PartCost cost = Priced(SmallGpt()).cost.Part(LayersOnly(0, 1), SmallBatch());
  EXPECT_NEAR(cost.forward.time.value(), kForward * kMicro, 1e-8);
  EXPECT_NEAR(cost.backward.time.value(), kInputGradient * kMicro, 1e-8);
  EXPECT_NEAR(cost.weight_gradient.time.value(), 4 * kGemms * kMicro, 1e-8);
  EXPECT_EQ(cost.forward.tensor_parallel_communication.value(), 0);
}

TEST(CostModel, LayersAddUp) {
  const PartCost cost = Priced(SmallGpt()).cost.Part(LayersOnly(0, 4), SmallBatch());
  EXPECT_NEAR(cost.forward.time.value(), 4 * kForward * kMicro, 1e-8);
  EXPECT_NEAR(cost.weight_gradient.time.value(), 16 * kGemms * kMicro, 1e-8);
}

TEST(CostModel, RecomputeRunsTheForwardOrItsAttentionAgain) {
  const auto backward = [](Recompute recompute) {
    return Priced(SmallGpt(), With(recompute)).cost.Part(LayersOnly(0, 1), SmallBatch()).backward.time.value();
  };
  EXPECT_NEAR(backward(Recompute::kFull), (kInputGradient + kForward) * kMicro, 1e-8);
  EXPECT_NEAR(backward(Recompute::kSelective), (kInputGradient + kAttention) * kMicro, 1e-8);
}

TEST(CostModel, GemmsHaveMegatronsShapes) {
  // Llama-3 8B on 2 ranks: 16 query and 4 + 4 key/value heads of 128, 7,168 of the FFN with its gate beside it.
  const Priced priced(BuiltInModel("llama3-8b"));
  priced.cost.Part(LayersOnly(0, 1, 2), Sequences(1000, 1));
  std::vector<GemmCall> expected;
  for (const Pass pass : {Pass::kForward, Pass::kInputGradient, Pass::kWeightGradient}) {
    expected.emplace_back(1000, (16 + 2 * 4) * 128, 4096, pass);
    expected.emplace_back(1000, 4096, 16 * 128, pass);
    expected.emplace_back(1000, 2 * 7168, 4096, pass);
    expected.emplace_back(1000, 4096, 7168, pass);
  }
  EXPECT_EQ(priced.kernels->gemms, expected);
  ASSERT_EQ(priced.kernels->attentions.size(), 2u);
  EXPECT_EQ(priced.kernels->attentions[0].shape.heads, 16);
  EXPECT_EQ(priced.kernels->attentions[0].shape.kv_heads, 4);
  EXPECT_TRUE(priced.kernels->attentions[0].shape.causal);
}

TEST(CostModel, KeyValueHeadsThatDoNotDivideAreReplicated) {
  const Priced priced(BuiltInModel("qwen2.5-7b"));  // 28 heads, 4 key/value heads
  priced.cost.Part(LayersOnly(0, 1, 7), Sequences(100, 1));
  EXPECT_EQ(priced.kernels->gemms[0], GemmCall(100, (4 + 2 * 1) * 128, 3584, Pass::kForward));
}

TEST(CostModel, GatedLayersWithRotaryEmbeddingMoveMoreBytes) {
  // h = 1,024, f = 2,048, 8 heads of 128, 2 key/value heads, 1,000 tokens in one sequence:
  //   GEMMs 2·1000·1024·(1536 + 1024 + 4096 + 2048) = 1.78258e10 FLOP → 178.258 µs; attention 2.048e9 → 204.8 µs
  //   bytes a token: 20·1024 norms and residuals, 3·2·2048 gated activation, 2·2·(1024 + 256) rotary → 37.888 µs
  ModelSpec model = GptModel(1024, 1, 8, 1000);
  model.llm.shape = {1024, 2048, 1, 8, 2, true};
  const PartCost cost = Priced(model).cost.Part(LayersOnly(0, 1), Sequences(1000, 1));
  EXPECT_NEAR(cost.forward.time.value(), (178.258 + 204.8 + 37.888) * kMicro, 1e-8);
  // Backward: 32·1024 norms and residuals, 5·2·2048 activation, rotary as before: 58,368 bytes a token.
  EXPECT_NEAR(cost.backward.time.value(), (2 * 178.258 + 2.5 * 204.8 + 58.368) * kMicro, 1e-8);
}

TEST(CostModel, TensorParallelRanksAllReduceTwiceAPass) {
  // 2,048·1,024·2 bytes: 2·3/4 of them at 100 GB/s = 62.915 µs, and 6 hops of 1 µs; two of these.
  const double reductions = 2 * (62.9146 + 6) * kMicro;
  const PartCost cost = Priced(SmallGpt(), With(Recompute::kFull)).cost.Part(LayersOnly(0, 1, 4), SmallBatch());
  EXPECT_NEAR(cost.forward.tensor_parallel_communication.value(), reductions, 1e-9);
  EXPECT_NEAR(cost.backward.tensor_parallel_communication.value(), 2 * reductions, 1e-9);  // recomputed forward too
  EXPECT_EQ(cost.weight_gradient.tensor_parallel_communication.value(), 0);
  // GEMMs, attention and activation (16·t·h bytes: 33.554 µs) in quarters; norms and residuals (20·t·h: 41.943) whole.
  const double kernels = (kGemms + kAttention + 33.554) / 4 + 41.943;
  EXPECT_NEAR(cost.forward.time.value(), kernels * kMicro + reductions, 1e-8);
}

TEST(CostModel, SequenceParallelismDividesNormsAndResiduals) {
  ModulePart part = LayersOnly(0, 1, 4);
  const double whole = Priced(SmallGpt()).cost.Part(part, SmallBatch()).forward.time.value();
  part.mesh.sequence_parallel = true;
  const double divided = Priced(SmallGpt()).cost.Part(part, SmallBatch()).forward.time.value();
  EXPECT_NEAR(whole - divided, 0.75 * 41.943 * kMicro, 1e-9);
}

TEST(CostModel, PackedAttentionCostsTheSumOfSquares) {
  // Lengths 100 and 300 (once and once): FLOPs 2·h·(100² + 300²); padded to 300: 2·h·2·300².
  const std::vector<int> samples = {100, 300};
  const ModelSpec model = SmallGpt();
  const auto attention = [&](Packing packing) {
    const SequenceBatch batch = LlmBatch(samples, packing);
    const PartCost with = Priced(model, With(Recompute::kSelective)).cost.Part(LayersOnly(0, 1), batch);
    const PartCost without = Priced(model).cost.Part(LayersOnly(0, 1), batch);
    return (with.backward.time - without.backward.time).value();  // one attention forward
  };
  EXPECT_NEAR(attention(Packing::kPacked), 2 * 1024 * (1e4 + 9e4) / 10e12, 1e-12);
  EXPECT_NEAR(attention(Packing::kPadded), 2 * 1024 * 2 * 9e4 / 10e12, 1e-12);
  EXPECT_EQ(LlmBatch(samples, Packing::kPadded).tokens, 600);
  EXPECT_EQ(LlmBatch(samples, Packing::kPadded).useful_tokens, 400);
}

TEST(CostModel, EachLengthIsPricedInAPackAsFullAsItsOwn) {
  const Priced priced(SmallGpt());
  priced.cost.Part(LayersOnly(0, 1), LlmBatch({100, 300, 100}, Packing::kPacked));
  ASSERT_EQ(priced.kernels->attentions.size(), 4u);  // two lengths, forward and backward
  EXPECT_EQ(priced.kernels->attentions[0].shape.sequences, 5);
  EXPECT_NEAR(priced.kernels->attentions[1].shape.sequences, 500.0 / 300, 1e-12);
}

TEST(CostModel, UnfusedAttentionPassesOverWholeScores) {
  // Q·Kᵀ and P·V: 4·s²·h = 1.71799e10 FLOP → 171.799 µs; softmax reads and writes 16·2,048² scores of 2 bytes:
  // 268.435 µs. Backward: four GEMMs, half of them at 50 and half at 25 TFLOP/s, 6 bytes a score.
  SoftwareStack software;
  software.attention = AttentionKind::kUnfused;
  const PartCost cost = Priced(SmallGpt(), software).cost.Part(LayersOnly(0, 1), SmallBatch());
  EXPECT_NEAR(cost.forward.time.value(), (kGemms + kMemory + 171.799 + 268.435) * kMicro, 1e-8);
  const double core = 2 * 171.799 + 4 * 171.799 + 1.5 * 268.435;
  EXPECT_NEAR(cost.backward.time.value(), (2 * kGemms + kMemoryBackward + core) * kMicro, 1e-8);
  // Dropout: 5 bytes a score more (335.544 µs) and a mask byte at each residual (2·t·h: 4.194 µs).
  software.dropout = 0.1;
  const PartCost dropped = Priced(SmallGpt(), software).cost.Part(LayersOnly(0, 1), SmallBatch());
  EXPECT_NEAR((dropped.forward.time - cost.forward.time).value(), (335.544 + 4.194) * kMicro, 1e-8);
}

TEST(CostModel, AnOperationLastsAsLongAsItsHost) {
  // 100 µs a kernel: 24 forward kernels 2.4 ms (device 1.45), 36 backward 3.6 ms (device 3.30); the weight gradient's
  // 12 take 1.2 ms, less than the device's 2.06.
  SoftwareStack software;
  software.host_per_kernel = Seconds(100e-6);
  const PartCost cost = Priced(SmallGpt(), software).cost.Part(LayersOnly(0, 2), SmallBatch());
  EXPECT_NEAR(cost.forward.time.value(), 2 * 2.4e-3, 1e-12);
  EXPECT_NEAR(cost.backward.time.value(), 2 * 3.6e-3, 1e-12);
  EXPECT_NEAR(cost.weight_gradient.time.value(), 2 * 4 * kGemms * kMicro, 1e-8);
}

TEST(CostModel, ExtrapolatedKernelsAreCounted) {
  const Priced priced(SmallGpt());
  priced.kernels->extrapolated_above = 2000;
  const PartCost cost = priced.cost.Part(LayersOnly(0, 1), SmallBatch());
  EXPECT_NEAR(cost.forward.extrapolated.value(), kGemms * kMicro, 1e-8);
  EXPECT_NEAR(cost.weight_gradient.extrapolated.value(), cost.weight_gradient.time.value(), 1e-12);
}

TEST(CostModel, AnEmptyMicrobatchCostsNothing) {
  const PartCost cost = Priced(SmallGpt()).cost.Part(WholeModule(SmallGpt(), 0), SequenceBatch());
  EXPECT_EQ(cost.forward.time.value(), 0);
  EXPECT_EQ(cost.model_flops.value(), 0);
}

TEST(CostModel, StagesAddUpToTheirModule) {
  // Random cuts of both modules under random software: time, FLOPs, parameters and activations of the parts are those
  // of the whole.
  RandomStream random(5, "cuts");
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  for (int round = 0; round < 100; ++round) {
    SoftwareStack software;
    software.recompute = static_cast<Recompute>(random.Below(3));
    software.attention = static_cast<AttentionKind>(random.Below(2));
    software.dropout = 0.1 * static_cast<double>(random.Below(2));
    const CostModel cost = Priced(model, software).cost;
    const int module = static_cast<int>(random.Below(2));
    const int ranks = 1 << random.Below(4);
    const ModulePart whole = WholeModule(model, module, ranks);
    const int first = static_cast<int>(random.Below(static_cast<std::uint64_t>(whole.layers) + 1));
    const ModulePart head{module, 0, first, true, false, {.tp = ranks}};
    const ModulePart tail{module, first, whole.layers - first, false, true, {.tp = ranks}};
    const SequenceBatch batch =
        module == 0 ? EncoderBatch(model.encoders[0], 7) : LlmBatch({200, 1500, 31, 200}, Packing::kPacked);
    const auto total = [&](const ModulePart& part) {
      const PartCost c = cost.Part(part, batch);
      return std::vector<double>{c.forward.time.value(),
                                 c.backward.time.value(),
                                 c.weight_gradient.time.value(),
                                 c.forward.tensor_parallel_communication.value(),
                                 c.hardware_flops.value(),
                                 cost.Parameters(part),
                                 cost.Activations(part, batch).value()};
    };
    const std::vector<double> a = total(head), b = total(tail), all = total(whole);
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_NEAR(a[i] + b[i], all[i], 1e-9 * all[i]) << "figure " << i << ", round " << round;
    }
  }
}

// Ends, h = 1,024, V = 32,000, 1,000 tokens.
TEST(StageEnds, HeadAndLossAreARealLoad) {
  // GEMM 2·1000·32000·1024 = 6.5536e10 → 655.36 µs; norm 4·h, loss 14·V bytes a token → 452.096 µs.
  // Backward: 1,310.72 and 10·h + 14·V bytes → 458.24; weights 2,621.44.
  const ModulePart head{0, 0, 0, false, true, {.tp = 1}};
  const PartCost cost = Priced(SmallGpt()).cost.Part(head, Sequences(1000, 1));
  EXPECT_NEAR(cost.forward.time.value(), (655.36 + 452.096) * kMicro, 1e-9);
  EXPECT_NEAR(cost.backward.time.value(), (1310.72 + 458.24) * kMicro, 1e-9);
  EXPECT_NEAR(cost.weight_gradient.time.value(), 2621.44 * kMicro, 1e-9);
}

TEST(StageEnds, AParallelHeadReducesLossValuesAndItsInputGradient) {
  // Two ranks: three sums of 4,000 bytes at 100 GB/s (0.04 µs and 2 hops each); backward 2·1000·1024·2/2 bytes, 20.48.
  const ModulePart head{0, 0, 0, false, true, {.tp = 2}};
  const PartCost cost = Priced(SmallGpt()).cost.Part(head, Sequences(1000, 1));
  EXPECT_NEAR(cost.forward.tensor_parallel_communication.value(), 3 * 2.04 * kMicro, 1e-12);
  EXPECT_NEAR(cost.backward.tensor_parallel_communication.value(), (20.48 + 2) * kMicro, 1e-12);
}

TEST(StageEnds, TokenEmbeddingMovesRows) {
  // Forward reads and writes 2 bytes a value: 4.096 µs. Gradient: reads 2, updates 4 + 4: 10.24 µs.
  const ModulePart embedding{0, 0, 0, true, false, {.tp = 1}};
  const PartCost cost = Priced(SmallGpt()).cost.Part(embedding, Sequences(1000, 1));
  EXPECT_NEAR(cost.forward.time.value(), 4.096 * kMicro, 1e-12);
  EXPECT_EQ(cost.backward.time.value(), 0);
  EXPECT_NEAR(cost.weight_gradient.time.value(), 10.24 * kMicro, 1e-12);
}

TEST(StageEnds, PatchEmbeddingIsAGemmOverPixels) {
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  const Priced priced(model);
  const ModulePart patches{0, 0, 0, true, false, {.tp = 2}};  // not cut by tensor parallelism
  const PartCost cost = priced.cost.Part(patches, EncoderBatch(model.encoders[0], 10));
  EXPECT_EQ(priced.kernels->gemms,
            (std::vector<GemmCall>{{7290, 1152, 588, Pass::kForward}, {7290, 1152, 588, Pass::kWeightGradient}}));
  const double gemm = 2.0 * 7290 * 1152 * 588 / 100e12;
  EXPECT_NEAR(cost.forward.time.value(), gemm + 7290 * 1152 * 6.0 / 1e12, 1e-12);
  EXPECT_EQ(cost.backward.time.value(), 0);
}

TEST(StageEnds, ProjectorSeesShuffledTokens) {
  const ModelSpec model = BuiltInModel("internvl-internvit-300m-llama3-8b");
  const Priced priced(model);
  const ModulePart output{0, 0, 0, false, true, {.tp = 2}};
  priced.cost.Part(output, EncoderBatch(model.encoders[0], 3));
  // 3 tiles: 768 tokens of 4·1,024 values; columns of the first layer and rows of the second are halved.
  EXPECT_EQ(priced.kernels->gemms, (std::vector<GemmCall>{{768, 2048, 4096, Pass::kForward},
                                                          {768, 4096, 2048, Pass::kForward},
                                                          {768, 4096, 2048, Pass::kInputGradient},
                                                          {768, 2048, 4096, Pass::kInputGradient},
                                                          {768, 2048, 4096, Pass::kWeightGradient},
                                                          {768, 4096, 2048, Pass::kWeightGradient}}));
}

TEST(StageEnds, NormAndProjectorActivationMoveTheirBytes) {
  // One tile of 729 tokens, h = 1,152, d = 4,096: norm 4·h bytes a token and 10·h backward, GELU 4·d and 6·d.
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  const ModulePart output{0, 0, 0, false, true, {.tp = 1}};
  const PartCost cost = Priced(model).cost.Part(output, EncoderBatch(model.encoders[0], 1));
  const double gemms = 2.0 * 729 * 4096 * (1152 + 4096);
  EXPECT_NEAR(cost.forward.time.value(), gemms / 100e12 + 729 * 4.0 * (1152 + 4096) / 1e12, 1e-12);
  EXPECT_NEAR(cost.backward.time.value(), gemms / 50e12 + 729 * (10.0 * 1152 + 6.0 * 4096) / 1e12, 1e-12);
}

TEST(StageEnds, SequenceParallelismDividesTheFinalNorm) {
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  const auto forward = [&](bool sequence_parallel) {
    const ModulePart output{0, 0, 0, false, true, {.tp = 2, .sequence_parallel = sequence_parallel}};
    return Priced(model).cost.Part(output, EncoderBatch(model.encoders[0], 1)).forward.time.value();
  };
  EXPECT_NEAR(forward(false) - forward(true), 729 * 4.0 * 1152 / 2 / 1e12, 1e-15);
}

TEST(StageEnds, EmbeddingAndProjectorReduceWhatTheirRanksAddUp) {
  // Two ranks send half of 1,000·1,024 values of 2 bytes twice at 100 GB/s: 20.48 µs, and two hops.
  const ModulePart embedding{0, 0, 0, true, false, {.tp = 2}};
  EXPECT_NEAR(Priced(SmallGpt()).cost.Part(embedding, Sequences(1000, 1)).forward.tensor_parallel_communication.value(),
              22.48 * kMicro, 1e-12);
  // Projector: 768 tokens of 4,096 values, out of it forward and, being 4·1,024 wide before it, into it backward.
  const ModelSpec model = BuiltInModel("internvl-internvit-300m-llama3-8b");
  const ModulePart output{0, 0, 0, false, true, {.tp = 2}};
  const PartCost cost = Priced(model).cost.Part(output, EncoderBatch(model.encoders[0], 3));
  EXPECT_NEAR(cost.forward.tensor_parallel_communication.value(), (62.91456 + 2) * kMicro, 1e-12);
  EXPECT_NEAR(cost.backward.tensor_parallel_communication.value(), (62.91456 + 2) * kMicro, 1e-12);
}

TEST(StageEnds, ASingleLinearProjectorIsCutByRows) {
  const ModelSpec model = BuiltInModel("qwen2-audio-7b");
  const Priced priced(model);
  const ModulePart output{0, 0, 0, false, true, {.tp = 2}};
  priced.cost.Part(output, EncoderBatch(model.encoders[0], 1));
  EXPECT_EQ(priced.kernels->gemms, (std::vector<GemmCall>{{750, 4096, 640, Pass::kForward},
                                                          {750, 4096, 640, Pass::kInputGradient},
                                                          {750, 4096, 640, Pass::kWeightGradient}}));
}

TEST(StageEnds, BoundariesCarryHiddenStates) {
  const ModelSpec model = BuiltInModel("internvl-internvit-300m-llama3-8b");
  const CostModel cost = Priced(model).cost;
  EXPECT_EQ(cost.BoundaryBytes(0, EncoderBatch(model.encoders[0], 3)).value(), 3 * 1024 * 1024 * 2.0);
  EXPECT_EQ(cost.BoundaryBytes(1, Sequences(500, 2)).value(), 1000 * 4096 * 2.0);
  EXPECT_EQ(cost.ProjectedBytes(0, 3).value(), 3 * 256 * 4096 * 2.0);
}

struct FrozenCase {
  bool encoder, projector, llm;
};

ModelSpec Frozen(FrozenCase frozen) {
  ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  model.encoders[0].frozen = frozen.encoder;
  model.encoders[0].projector_frozen = frozen.projector;
  model.llm.frozen = frozen.llm;
  return model;
}

PartCost CostOf(const ModelSpec& model, const ModulePart& part) {
  const SequenceBatch batch = model.is_llm(part.module) ? Sequences(1000, 1) : EncoderBatch(model.encoders[0], 1);
  return Priced(model, With(Recompute::kFull)).cost.Part(part, batch);
}

TEST(Frozen, AFrozenEncoderHasNoBackwardButItsTrainingProjectorHas) {
  const ModelSpec model = Frozen({true, false, false});
  const CostModel cost = Priced(model).cost;
  EXPECT_FALSE(cost.NeedsBackward(LayersOnly(0, 27)));
  EXPECT_TRUE(cost.NeedsBackward(WholeModule(model, 0)));
  const PartCost layers = CostOf(model, LayersOnly(0, 27));
  EXPECT_EQ(layers.backward.time.value(), 0);
  EXPECT_EQ(layers.weight_gradient.time.value(), 0);
  EXPECT_EQ(layers.hardware_flops, layers.model_flops);  // nothing to recompute
  // Projector: input gradient of the second linear layer (4,096²) and activation (3·2·4,096 bytes a token).
  const PartCost whole = CostOf(model, WholeModule(model, 0));
  EXPECT_NEAR(whole.backward.time.value(), 2.0 * 729 * 4096 * 4096 / 50e12 + 729 * 4096 * 6.0 / 1e12, 1e-12);
  EXPECT_NEAR(whole.weight_gradient.time.value(), 2.0 * 729 * (4096.0 * 4096 + 1152.0 * 4096) / 25e12, 1e-12);
}

TEST(Frozen, NothingFlowsIntoAFrozenEncoderAndProjector) {
  const ModelSpec model = Frozen({true, true, false});
  EXPECT_FALSE(Priced(model).cost.NeedsBackward(WholeModule(model, 0)));
  const PartCost encoder = CostOf(model, WholeModule(model, 0));
  EXPECT_EQ(encoder.backward.time.value() + encoder.weight_gradient.time.value(), 0);
  EXPECT_GT(CostOf(model, WholeModule(model, 1)).weight_gradient.time.value(), 0);
}

TEST(Frozen, AFrozenLlmPassesGradientsThrough) {
  const ModelSpec frozen = Frozen({false, false, true});
  const ModelSpec training = Frozen({false, false, false});
  const PartCost passed = CostOf(frozen, WholeModule(frozen, 1));
  const PartCost trained = CostOf(training, WholeModule(training, 1));
  EXPECT_TRUE(Priced(frozen).cost.NeedsBackward(LayersOnly(1, 4)));
  EXPECT_EQ(passed.weight_gradient.time.value(), 0);
  EXPECT_DOUBLE_EQ(passed.backward.time.value(), trained.backward.time.value());
  EXPECT_EQ(CostOf(frozen, WholeModule(frozen, 0)).backward.time,
            CostOf(training, WholeModule(training, 0)).backward.time);
}

TEST(Frozen, AFrozenProjectorPassesGradientsToATrainingEncoder) {
  const PartCost frozen = CostOf(Frozen({false, true, false}), {0, 0, 0, false, true, {.tp = 1}});
  const PartCost training = CostOf(Frozen({false, false, false}), {0, 0, 0, false, true, {.tp = 1}});
  EXPECT_EQ(frozen.backward.time, training.backward.time);
  EXPECT_EQ(frozen.weight_gradient.time.value(), 0);
}

TEST(Frozen, WhereNothingTrainsNothingRunsBackward) {
  const ModelSpec model = Frozen({true, true, true});
  for (const int module : {0, 1}) {
    const PartCost cost = CostOf(model, WholeModule(model, module));
    EXPECT_FALSE(Priced(model).cost.NeedsBackward(WholeModule(model, module)));
    EXPECT_GT(cost.forward.time.value(), 0);
    EXPECT_EQ(cost.backward.time.value() + cost.weight_gradient.time.value(), 0);
  }
}

}  // namespace
}  // namespace dflop
