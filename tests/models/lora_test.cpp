// Low-rank adapters over kernels of known speed (tests/models/model_test_support.hpp), summed by hand.
#include <gtest/gtest.h>

#include "models/adapters.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

using GemmCall = FakeKernelCosts::GemmCall;

/// h = 1,024, f = 2,048, 8 heads of 128, 2 key/value heads, gated. `targets`: all where empty.
ModelSpec Base() {
  ModelSpec model = GptModel(1024, 2, 8, 1000);
  model.llm.shape = {1024, 2048, 2, 8, 2, true};
  return model;
}
ModelSpec Adapted(std::vector<AdapterTarget> targets = {}) {
  ModelSpec model = Base();
  if (targets.empty()) targets = AdaptableMaps(model.llm.shape);
  model.llm.shape.lora = {.rank = 16, .targets = targets};
  model.llm.frozen = true;
  return model;
}

// Inputs and outputs of all seven: q 1024 + 1024, k and v 1024 + 256 each, o 1024 + 1024, gate and up 1024 + 2048 each,
// down 2048 + 1024: 15,872, times the rank.
constexpr double kAdapters = 16 * 15'872.0;
constexpr double kWeights = 1024.0 * (1536 + 1024 + 3 * 2048);

TEST(Lora, AdaptersAloneHaveGradientsAndOptimizerState) {
  const CostModel cost = Priced(Adapted()).cost;
  const double base = kWeights + 2 * 1024;
  EXPECT_EQ(cost.Parameters(LayersOnly(0, 1)), base + kAdapters);
  EXPECT_EQ(cost.TrainableParameters(LayersOnly(0, 1)), kAdapters);
  const StateMemory state = cost.State(LayersOnly(0, 1), 1);
  EXPECT_EQ(state.weights.value(), 2 * (base + kAdapters));
  EXPECT_EQ(state.gradients.value(), 4 * kAdapters);
  EXPECT_EQ(state.optimizer.value(), 12 * kAdapters);
  EXPECT_EQ(cost.GradientBytes(LayersOnly(0, 1)).value(), 4 * kAdapters);
  // Embedding, final norm and head are frozen.
  EXPECT_EQ(cost.TrainableParameters(WholeModule(Adapted(), 0)), 2 * kAdapters);
}

TEST(Lora, FrozenWeightsHaveNoGradientButPassOneOn) {
  const SequenceBatch batch = Sequences(1000, 1);
  const PartCost base = Priced(Base()).cost.Part(LayersOnly(0, 1), batch);
  const PartCost adapted = Priced(Adapted()).cost.Part(LayersOnly(0, 1), batch);
  const double adapters = 2 * 1000 * kAdapters;  // FLOPs of a pass: 5.079 µs at 100 TFLOP/s
  EXPECT_NEAR((adapted.forward.time - base.forward.time).value(), adapters / 100e12, 1e-12);
  EXPECT_NEAR((adapted.backward.time - base.backward.time).value(), adapters / 50e12, 1e-12);
  EXPECT_NEAR(adapted.weight_gradient.time.value(), adapters / 25e12, 1e-12);
  EXPECT_NEAR(adapted.weight_gradient.time.value(), 20.31616 * kMicro, 1e-12);
}

TEST(Lora, AdaptersAreTwoSmallGemms) {
  const Priced priced(Adapted({AdapterTarget::kK, AdapterTarget::kDown}));
  priced.cost.Part(LayersOnly(0, 1, 2), Sequences(1000, 1));
  // After the layer's four GEMMs: 1024 → 16 → 128 of one key head, and 1,024 of the FFN's columns → 16 → 1,024.
  const std::vector<GemmCall> expected = {
      GemmCall(1000, 16, 1024, Pass::kForward), GemmCall(1000, 128, 16, Pass::kForward),
      GemmCall(1000, 16, 1024, Pass::kForward), GemmCall(1000, 1024, 16, Pass::kForward)};
  const auto& gemms = priced.kernels->gemms;
  EXPECT_EQ(std::vector(gemms.begin() + 4, gemms.begin() + 8), expected);
}

TEST(Lora, FlopsLeaveOutTheWeightGradientsOfFrozenWeights) {
  const double flops = Priced(Adapted()).cost.Part(LayersOnly(0, 1), Sequences(1000, 1)).model_flops.value();
  const double attention = 2.0 * 1000 * 1000 * 1024;
  EXPECT_DOUBLE_EQ(flops, 2 * 2 * 1000 * kWeights + 3 * 2 * 1000 * kAdapters + 3 * attention);
}

TEST(Lora, RanksHoldTheirShareOfTheCutSideOnly) {
  // Two ranks: q 1024 + 512, k and v 1024 + 128, o 512 + 1024, gate, up and down 1024 + 1024.
  const double widths = 1536 + 2 * 1152 + 1536 + 3 * 2048;
  EXPECT_EQ(Priced(Adapted()).cost.CountParametersOnRank(LayersOnly(0, 1, 2)).trainable(), 16 * widths);
}

TEST(Lora, MemoryKeepsWhatAdaptersNeed) {
  const auto bytes = [](const ModelSpec& model) {
    return Priced(model).cost.Activations(LayersOnly(0, 1), Sequences(1000, 1)).value();
  };
  // All maps adapted: all their inputs, as in training, and 2·16 bytes for each of seven.
  EXPECT_EQ(bytes(Adapted()), bytes(Base()) + 1000 * 7 * 2 * 16);
  // Queries alone: norms 4·1024, QKV's input 2·1024, QKV 2·1536, attention's output 2·1024, gate and up 2·4096, 2·16.
  EXPECT_EQ(bytes(Adapted({AdapterTarget::kQ})), 1000 * (4096 + 2048 + 3072 + 2048 + 8192 + 32.0));
}

TEST(Lora, AnLlmWithAdaptersRunsBackwardBehindFrozenEncoders) {
  ModelSpec model = ModelFrom(R"({"name": "llava-ov-siglip-so400m-llama3-8b", "frozen": ["encoder", "projector"],
                                  "lora": {"llm": {"rank": 8, "targets": ["q_proj", "v_proj"]}}})");
  const CostModel cost = Priced(model).cost;
  EXPECT_TRUE(cost.NeedsBackward(LayersOnly(1, 1)));
  EXPECT_FALSE(cost.NeedsBackward(LayersOnly(0, 1)));
  // q 4096 + 4096, v 4096 + 1024.
  EXPECT_EQ(cost.TrainableParameters(LayersOnly(1, 1)), 8 * (8192 + 5120));
}

TEST(Lora, AdaptersOfAnEncoderMakeItRunBackward) {
  ModelSpec model = ModelFrom(R"({"name": "llava-ov-siglip-so400m-llama3-8b", "frozen": ["projector"],
                                  "lora": {"encoder": {"rank": 8, "targets": "all"}}})");
  const CostModel cost = Priced(model).cost;
  EXPECT_TRUE(cost.NeedsBackward(LayersOnly(0, 1)));
  // q, k, v, o 1152 + 1152 each; up and down 1152 + 4304.
  EXPECT_EQ(cost.TrainableParameters(WholeModule(model, 0)), 27 * 8 * (4 * 2304 + 2 * 5456));
}

TEST(Lora, EveryExpertHasAdaptersOfItsOwn) {
  ModelSpec model = Adapted();
  model.llm.shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 512, .shared = 1};
  const CostModel cost = Priced(model).cost;
  const double attention = 2 * 2048 + 2 * 1280;
  const double one = 3 * (1024 + 512);
  EXPECT_EQ(cost.CountParameters(LayersOnly(0, 1)).experts_trainable, 16 * 8 * one);
  EXPECT_EQ(cost.CountParameters(LayersOnly(0, 1)).dense_trainable, 16 * (attention + one));
  // A token passes the adapters of two experts and of the shared one; weight gradients of nothing else.
  const double weights = 1024.0 * (1536 + 1024 + 8 + 3 * 3 * 512);
  const double adapters = 16 * (attention + 3 * one);
  const PartCost part = cost.Part(LayersOnly(0, 1), Sequences(1000, 1));
  EXPECT_DOUBLE_EQ(part.model_flops.value(), 2 * 2 * 1000 * weights + 3 * 2 * 1000 * adapters + 3 * 2e6 * 1024);
  EXPECT_NEAR(part.weight_gradient.time.value(), 2 * 1000 * adapters / 25e12, 1e-12);
}

}  // namespace
}  // namespace dflop
