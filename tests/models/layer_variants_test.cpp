// Layers of different kinds in one module: how many a part holds, and that it costs as many of each.
#include "models/layer_variants.hpp"

#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

LayerCounts Counts(int plain, int experts, int windowed, int both) { return {{plain, experts, windowed, both}}; }

TransformerShape Layers(int layers) { return {1024, 2048, layers, 8, 2, true}; }

TEST(LayerVariants, PlainModulesHaveOne) { EXPECT_EQ(CountLayers(Layers(7), 2, 5), Counts(5, 0, 0, 0)); }

TEST(LayerVariants, EveryNthLayerCountedFromOneHasExperts) {
  TransformerShape shape = Layers(8);
  shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 512, .every = 2};
  EXPECT_FALSE(TraitsOfLayer(shape, 0).experts);
  EXPECT_TRUE(TraitsOfLayer(shape, 1).experts);
  EXPECT_EQ(CountLayers(shape, 0, 8), Counts(4, 4, 0, 0));
  EXPECT_EQ(CountLayers(shape, 1, 3), Counts(1, 2, 0, 0));
  shape.experts.every = 1;
  shape.experts.first_dense = 3;  // DeepSeek-V3
  EXPECT_EQ(CountLayers(shape, 0, 8), Counts(3, 5, 0, 0));
  EXPECT_EQ(CountLayers(shape, 2, 2), Counts(1, 1, 0, 0));
}

TEST(LayerVariants, WindowsCountFromEitherSide) {
  TransformerShape shape = Layers(32);
  shape.window = 512;
  EXPECT_EQ(CountLayers(shape, 0, 32), Counts(0, 0, 32, 0));
  shape.window_every = 3;
  EXPECT_EQ(CountLayers(shape, 0, 32), Counts(22, 0, 10, 0));
  shape.window_every = 1;
  shape.full_every = 8;  // Qwen2.5-VL: layers 7, 15, 23, 31 (from 0) see everything
  EXPECT_FALSE(TraitsOfLayer(shape, 7).windowed);
  EXPECT_TRUE(TraitsOfLayer(shape, 8).windowed);
  EXPECT_EQ(CountLayers(shape, 0, 32), Counts(4, 0, 28, 0));
  shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 512, .every = 2};
  EXPECT_EQ(CountLayers(shape, 0, 32), Counts(0, 4, 16, 12));  // 8, 16, 24, 32 are even
}

/// Two dense layers of four.
ModelSpec Mixed(int every) {
  ModelSpec model = GptModel(1024, 4, 8, 1000);
  model.llm.shape = Layers(4);
  model.llm.shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 512, .every = every};
  return model;
}
ModelSpec Dense() {
  ModelSpec model = Mixed(1);
  model.llm.shape.experts = {};
  return model;
}
ModulePart Part(int first, int layers) { return {0, first, layers, false, false, {}}; }

TEST(LayerVariants, APartCostsAsManyOfEachAsItHolds) {
  const SequenceBatch batch = Sequences(1000, 2);
  const auto time = [&](const ModelSpec& model, const ModulePart& part) {
    return Priced(model).cost.Part(part, batch).forward.time.value();
  };
  const double dense = time(Dense(), Part(0, 1));
  const double experts = time(Mixed(1), Part(0, 1));
  EXPECT_GT(dense, experts);
  EXPECT_EQ(time(Mixed(2), Part(0, 1)), dense);
  EXPECT_EQ(time(Mixed(2), Part(1, 1)), experts);
  EXPECT_NEAR(time(Mixed(2), Part(1, 3)), dense + 2 * experts, 1e-15);
}

TEST(LayerVariants, PartsOfAModuleShareThePricesOfTheirLayers) {
  const SequenceBatch batch = Sequences(1000, 2);
  const CostModel cost = Priced(Mixed(2)).cost;
  const LayerCost shared = cost.Layer(Part(0, 1), batch);  // of a part without experts
  const PartCost whole = cost.Part(Part(1, 3), batch, shared);
  EXPECT_EQ(whole.forward.time, cost.Part(Part(1, 3), batch).forward.time);
  EXPECT_EQ(whole.weight_gradient.time, cost.Part(Part(1, 3), batch).weight_gradient.time);
  EXPECT_NE(cost.Layers(Part(0, 1)), cost.Layers(Part(1, 1)));  // what tells their prices apart
}

TEST(LayerVariants, ParametersFlopsAndMemoryAddUpAndTheLargestLayerIsAtWork) {
  const SequenceBatch batch = Sequences(1000, 2);
  SoftwareStack full;
  full.recompute = Recompute::kFull;
  const CostModel dense = Priced(Dense(), full).cost;
  const CostModel experts = Priced(Mixed(1), full).cost;
  const CostModel mixed = Priced(Mixed(2), full).cost;
  EXPECT_EQ(mixed.Parameters(Part(1, 3)), dense.Parameters(Part(0, 1)) + experts.Parameters(Part(0, 2)));
  EXPECT_EQ(mixed.Part(Part(1, 3), batch).model_flops,
            dense.Part(Part(0, 1), batch).model_flops + experts.Part(Part(0, 2), batch).model_flops);
  EXPECT_EQ(mixed.Activations(Part(0, 4), batch), dense.Activations(Part(0, 4), batch));  // inputs alone
  EXPECT_EQ(mixed.Transient(Part(0, 1), batch), dense.Transient(Part(0, 1), batch));
  EXPECT_EQ(mixed.Transient(Part(0, 4), batch),
            std::max(dense.Transient(Part(0, 1), batch), experts.Transient(Part(0, 1), batch)));
}

}  // namespace
}  // namespace dflop
