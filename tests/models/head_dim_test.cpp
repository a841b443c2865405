// Heads whose size is not the hidden width over their number, as in Qwen3 and Gemma 3: sums by hand.
#include <gtest/gtest.h>

#include "models/tensor_parallel.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

using GemmCall = FakeKernelCosts::GemmCall;

/// h = 1,024, f = 2,048, 8 heads of 64 where hidden / heads is 128, 2 key/value heads: Q 512 wide, K and V 128 each.
ModelSpec NarrowHeads() {
  ModelSpec model = GptModel(1024, 1, 8, 1000);
  model.llm.shape = {1024, 2048, 1, 8, 2, true};
  model.llm.shape.own_head_dim = 64;
  return model;
}

TEST(HeadDim, GemmsAndAttentionFollow) {
  const Priced priced(NarrowHeads());
  priced.cost.Part(LayersOnly(0, 1, 2), Sequences(1000, 1));
  EXPECT_EQ(priced.kernels->gemms[0], GemmCall(1000, (512 + 2 * 128) / 2, 1024, Pass::kForward));
  EXPECT_EQ(priced.kernels->gemms[1], GemmCall(1000, 1024, 512 / 2, Pass::kForward));
  EXPECT_EQ(priced.kernels->attentions[0].shape.head_dim, 64);
  EXPECT_EQ(priced.kernels->attentions[0].shape.heads, 4);
}

TEST(HeadDim, ParametersMemoryAndFlopsFollow) {
  const CostModel cost = Priced(NarrowHeads()).cost;
  const double matrices = 1024.0 * (768 + 512 + 3 * 2048);
  EXPECT_EQ(cost.Parameters(LayersOnly(0, 1)), matrices + 2 * 1024);
  // A token: norms and inputs 8·1024; 2 bytes of QKV 768, attention's output 512, gate and up 4096, down's input 2048.
  EXPECT_EQ(cost.Activations(LayersOnly(0, 1), Sequences(1000, 1)).value(), 1000 * (8 * 1024 + 2 * 7424.0));
  // Forward 2·t·matrices and 2·s²·512, three times with the backward.
  const double forward = 2 * 1000 * matrices + 2.0 * 1000 * 1000 * 512;
  EXPECT_DOUBLE_EQ(cost.Part(LayersOnly(0, 1), Sequences(1000, 1)).model_flops.value(), 3 * forward);
}

TEST(HeadDim, HeadsNeedNotDivideTheHiddenWidthButDegreesDivideHeads) {
  ModelSpec model = NarrowHeads();
  model.llm.shape.hidden = 1001;
  EXPECT_TRUE(DividesAmong(model, 0, 8));
  EXPECT_FALSE(DividesAmong(model, 0, 3));
}

TEST(HeadDim, ASingleProjectorLayerIsCutAlongItsInput) {
  ModelSpec model = ModelFrom(R"({"llm": {"hidden": 1024, "ffn_hidden": 2048, "layers": 2, "heads": 8, "vocab": 1000},
      "encoders": [{"name": "eye", "modality": "image", "hidden": 1001, "ffn_hidden": 2048, "layers": 2, "heads": 8,
                    "head_dim": 64, "patch_px": 14, "tile_px": 224, "projector": "linear"}]})");
  EXPECT_EQ(FindUncutWidth(model, 0, 2).width, 1001);
  model.encoders[0].projector_layers = 2;  // then the LLM's width is what is cut
  EXPECT_TRUE(DividesAmong(model, 0, 2));
}

}  // namespace
}  // namespace dflop
