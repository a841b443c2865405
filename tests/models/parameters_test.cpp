// Against published parameter counts and Megatron's formula; what a rank stores of them, by hand.
#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

double LlmParameters(const std::string& name) {
  const ModelSpec model = BuiltInModel(name);
  return Priced(model).cost.Parameters(WholeModule(model, 0));
}

/// An encoder without its projector.
double EncoderParameters(const std::string& model_name) {
  ModelSpec model = BuiltInModel(model_name);
  model.encoders[0].projector_layers = 0;
  return Priced(model).cost.Parameters(WholeModule(model, 0));
}

TEST(Parameters, LlmsHaveTheirPublishedTotals) {
  EXPECT_EQ(LlmParameters("llama3-8b"), 8'030'261'248);  // the published checkpoints' exact counts
  EXPECT_EQ(LlmParameters("llama3-70b"), 70'553'706'496);
  EXPECT_NEAR(LlmParameters("qwen2.5-7b"), 7.6156e9, 0.001 * 7.6156e9);  // published 7.61 B, 32.5 B, 72.7 B
  EXPECT_NEAR(LlmParameters("qwen2.5-32b"), 32.76e9, 0.001 * 32.76e9);
  EXPECT_NEAR(LlmParameters("qwen2.5-72b"), 72.71e9, 0.001 * 72.71e9);
}

TEST(Parameters, EncodersHaveTheirPublishedTotals) {
  EXPECT_NEAR(EncoderParameters("llava-ov-siglip-2.4b-llama3-8b"), 2.44e9, 0.01 * 2.44e9);
  EXPECT_NEAR(EncoderParameters("llava-ov-siglip-so400m-llama3-8b"), 413e6, 0.01 * 413e6);  // without pooling head
  EXPECT_NEAR(EncoderParameters("internvl-internvit-6b-llama3-8b"), 5.54e9, 0.01 * 5.54e9);
  EXPECT_NEAR(EncoderParameters("internvl-internvit-300m-llama3-8b"), 304e6, 0.01 * 304e6);
  EXPECT_NEAR(EncoderParameters("qwen2-audio-7b"), 637e6, 0.01 * 637e6);  // encoder of Whisper large-v3
}

TEST(Parameters, QwenAudioHasItsPublishedTotal) {
  const ModelSpec model = BuiltInModel("qwen2-audio-7b");
  const Priced priced(model);
  const double total = priced.cost.Parameters(WholeModule(model, 0)) + priced.cost.Parameters(WholeModule(model, 1));
  EXPECT_NEAR(total, 8.4e9, 0.01 * 8.4e9);
}

TEST(Parameters, GptFollowsTheFormulaOfMegatron) {
  // arXiv 2104.04473, section 5.1: 12·l·h²·(1 + 13/(12·h) + V/(12·l·h)) with a tied head, plus the final norm's 2·h.
  ModelSpec model = GptModel(4096, 36, 32, 51200);
  model.llm.tied_embeddings = true;
  const double h = 4096;
  const double formula = 12 * 36 * h * h * (1 + 13 / (12 * h) + 51200 / (12 * 36 * h)) + 2 * h;
  EXPECT_NEAR(Priced(model).cost.Parameters(WholeModule(model, 0)), formula, 1);
  model.llm.tied_embeddings = false;
  EXPECT_NEAR(Priced(model).cost.Parameters(WholeModule(model, 0)), formula + 51200 * h, 1);
}

TEST(Parameters, ATiedHeadOnAStageOfItsOwnIsACopy) {
  ModelSpec model = GptModel(1024, 2, 16, 1000);
  model.llm.tied_embeddings = true;
  const CostModel cost = Priced(model).cost;
  const ModulePart last{0, 1, 1, false, true, {.tp = 1}};
  EXPECT_EQ(cost.Parameters(last) - cost.Parameters(LayersOnly(0, 1)), 1024 * 1024 + 2 * 1024);  // 1,000 padded
}

TEST(Parameters, ProjectorIsTwoLinearLayers) {
  ModelSpec model = BuiltInModel("internvl-internvit-6b-llama3-8b");
  const double with = Priced(model).cost.Parameters(WholeModule(model, 0));
  model.encoders[0].projector_layers = 0;
  const double without = Priced(model).cost.Parameters(WholeModule(model, 0));
  // 4·3,200 → 4,096 → 4,096 with biases.
  EXPECT_EQ(with - without, 12800.0 * 4096 + 4096 + 4096.0 * 4096 + 4096);
}

TEST(Parameters, TensorParallelRanksShareMatricesAndRepeatNormsAndKeyValueHeads) {
  const ModelSpec model = BuiltInModel("qwen2.5-7b");  // h 3584, f 18944, 28 heads of 128, 4 key/value heads
  ModulePart part = LayersOnly(0, 1, 7);
  // A rank of 7: 4 query heads, one key/value head (4 do not divide by 7), 18944/7 of the FFN, both norms whole.
  const double qkv = 3584.0 * (4 * 128 + 2 * 128);
  const double rest = 4 * 128 * 3584.0 + 3 * 3584.0 * 18944 / 7 + 2 * 3584;
  EXPECT_NEAR(Priced(model).cost.State(part, 1).weights.value(), 2 * (qkv + rest), 1e-3);
}

TEST(State, EighteenBytesByDefaultAndTwelveOfThemDividedAmongReplicas) {
  const ModelSpec model = GptModel(1024, 1, 16, 1000);
  const ModulePart layer = LayersOnly(0, 1);
  const double parameters = 12 * 1024.0 * 1024 + 13 * 1024;
  SoftwareStack software;
  const StateMemory plain = Priced(model, software).cost.State(layer, 4);
  EXPECT_EQ(plain.weights.value(), 2 * parameters);
  EXPECT_EQ(plain.gradients.value(), 4 * parameters);
  EXPECT_EQ(plain.optimizer.value(), 12 * parameters);
  software.sharding = Sharding::kOptimizer;
  EXPECT_EQ(Priced(model, software).cost.State(layer, 4).optimizer.value(), 3 * parameters);
  EXPECT_EQ(Priced(model, software).cost.GradientBytes(layer).value(), 4 * parameters);
}

TEST(State, FrozenParametersAreWeightsOnly) {
  ModelSpec model = GptModel(1024, 1, 16, 1000);
  model.llm.frozen = true;
  const CostModel cost = Priced(model).cost;
  const StateMemory state = cost.State(LayersOnly(0, 1), 1);
  EXPECT_GT(state.weights.value(), 0);
  EXPECT_EQ(state.gradients.value(), 0);
  EXPECT_EQ(state.optimizer.value(), 0);
  EXPECT_EQ(cost.TrainableParameters(LayersOnly(0, 1)), 0);
  EXPECT_EQ(cost.OptimizerStep(LayersOnly(0, 1), 1).value(), 0);
}

TEST(State, AFrozenEncoderStillTrainsItsProjector) {
  ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  model.encoders[0].frozen = true;
  const double projector = 1152.0 * 4096 + 4096 + 4096.0 * 4096 + 4096;
  EXPECT_EQ(Priced(model).cost.TrainableParameters(WholeModule(model, 0)), projector);
  model.encoders[0].projector_frozen = true;
  EXPECT_EQ(Priced(model).cost.TrainableParameters(WholeModule(model, 0)), 0);
}

TEST(State, OptimizerStepMovesItsStateOnce) {
  // Reads weights, gradients and moments (18 bytes), writes all but gradients (14): 32 bytes at 1 TB/s.
  const ModelSpec model = GptModel(1024, 1, 16, 1000);
  const double parameters = 12 * 1024.0 * 1024 + 13 * 1024;
  SoftwareStack software;
  EXPECT_NEAR(Priced(model, software).cost.OptimizerStep(LayersOnly(0, 1), 4).value(), 32 * parameters / 1e12, 1e-15);
  software.sharding = Sharding::kOptimizer;
  EXPECT_NEAR(Priced(model, software).cost.OptimizerStep(LayersOnly(0, 1), 4).value(), 8 * parameters / 1e12, 1e-15);
  // fp16 takes the loss scale off first: 4 bytes read and written, a quarter of the parameters each.
  software.precision = Precision::kFp16;
  EXPECT_NEAR(Priced(model, software).cost.OptimizerStep(LayersOnly(0, 1), 4).value(), 10 * parameters / 1e12, 1e-15);
}

}  // namespace
}  // namespace dflop
