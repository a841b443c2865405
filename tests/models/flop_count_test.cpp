// Against the published equation of Megatron (arXiv 2104.04473), and by hand for what it does not know.
#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

TEST(Flops, GptWithFullRecomputeFollowsEquationThreeOfMegatron) {
  // arXiv 2104.04473, equation 3: 96·B·s·l·h²·(1 + s/(6·h) + V/(16·l·h)); attention is causal and counted half here.
  const double h = 4096, l = 36, s = 2048, v = 51200, b = 16;
  const ModelSpec model = GptModel(4096, 36, 32, 51200);
  SoftwareStack software;
  software.recompute = Recompute::kFull;
  const PartCost cost = Priced(model, software).cost.Part(WholeModule(model, 0), Sequences(s, b));
  const double expected = 96 * b * s * l * h * h * (1 + s / (12 * h) + v / (16 * l * h));
  EXPECT_NEAR(cost.hardware_flops.value() / expected, 1, 1e-12);
  // Without the recomputed forward three quarters of the layers' share are left: 72·B·s·l·h²·(…), and the head's whole.
  const double model_flops = 72 * b * s * l * h * h * (1 + s / (12 * h)) + 6 * b * s * h * v;
  EXPECT_NEAR(cost.model_flops.value() / model_flops, 1, 1e-12);
}

TEST(Flops, SelectiveRecomputeAddsOneAttentionForward) {
  const ModelSpec model = GptModel(1024, 3, 16, 1000);
  SoftwareStack software;
  software.recompute = Recompute::kSelective;
  const PartCost cost = Priced(model, software).cost.Part(LayersOnly(0, 3), Sequences(512, 2));
  // 2·s²·h a sequence and layer, causal.
  EXPECT_DOUBLE_EQ((cost.hardware_flops - cost.model_flops).value(), 3 * 2 * 2.0 * 512 * 512 * 1024);
}

TEST(Flops, DoNotDependOnTensorParallelism) {
  const ModelSpec model = BuiltInModel("llava-ov-siglip-2.4b-qwen2.5-7b");
  const CostModel cost = Priced(model).cost;
  const SequenceBatch text = Sequences(1000, 3);
  const double one = cost.Part(WholeModule(model, 1, 1), text).model_flops.value();
  EXPECT_DOUBLE_EQ(cost.Part(WholeModule(model, 1, 4), text).model_flops.value(), one);
}

TEST(Flops, EncoderAttentionIsWholeAndItsPatchesWantNoInputGradient) {
  const ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  const CostModel cost = Priced(model).cost;
  const SequenceBatch tiles = EncoderBatch(model.encoders[0], 5);
  const double t = 5 * 729.0, h = 1152, f = 4304, d = 4096;
  // Forward: GEMMs 2·t·(4·h² + 2·h·f), attention 4·n·s²·h; backward twice that.
  const double layer = 3 * (2 * t * (4 * h * h + 2 * h * f) + 4 * 5 * 729.0 * 729 * h);
  const double patches = 2 * (2 * t * 588 * h);
  const double projector = 3 * (2 * t * (h * d + d * d));
  const PartCost whole = cost.Part(WholeModule(model, 0), tiles);
  EXPECT_NEAR(whole.model_flops.value() / (27 * layer + patches + projector), 1, 1e-12);
}

TEST(Flops, PaddingIsNoWork) {
  const ModelSpec model = GptModel(1024, 2, 16, 1000);
  const CostModel cost = Priced(model).cost;
  const std::vector<int> samples = {100, 300};
  const PartCost packed = cost.Part(WholeModule(model, 0), LlmBatch(samples, Packing::kPacked));
  const PartCost padded = cost.Part(WholeModule(model, 0), LlmBatch(samples, Packing::kPadded));
  EXPECT_DOUBLE_EQ(padded.model_flops.value(), packed.model_flops.value());
  EXPECT_GT(padded.forward.time, packed.forward.time);
}

TEST(Flops, FrozenModulesSkipWhatTheyDoNotNeed) {
  ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");
  model.encoders[0].frozen = true;
  const SequenceBatch tiles = EncoderBatch(model.encoders[0], 1);
  const double t = 729, h = 1152, f = 4304, d = 4096;
  const double layer = 2 * t * (4 * h * h + 2 * h * f) + 4 * t * t * h;  // forward alone
  EXPECT_NEAR(Priced(model).cost.Part(LayersOnly(0, 27), tiles).model_flops.value(), 27 * layer, 1);
  // The projector's first layer wants its weights' gradient only, its second both.
  const ModulePart output{0, 0, 0, false, true, {.tp = 1}};
  EXPECT_NEAR(Priced(model).cost.Part(output, tiles).model_flops.value(), 2 * t * (2 * h * d + 3 * d * d), 1);
  model.encoders[0].projector_frozen = true;  // forward alone
  EXPECT_NEAR(Priced(model).cost.Part(output, tiles).model_flops.value(), 2 * t * (h * d + d * d), 1);
}

}  // namespace
}  // namespace dflop
