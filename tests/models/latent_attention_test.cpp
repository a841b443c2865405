// Latent attention and multi-token prediction, as in DeepSeek-V3: shapes and sums by hand, totals as published.
#include <gtest/gtest.h>

#include "models/adapters.hpp"
#include "models/profiled_batches.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

using GemmCall = FakeKernelCosts::GemmCall;

/// h = 1,024, f = 2,048, 8 heads; latents of 256 and 128; keys 32 + 64 wide, values 64.
ModelSpec Latent() {
  ModelSpec model = GptModel(1024, 2, 8, 1000);
  model.llm.shape = {1024, 2048, 2, 8, 8, true};
  model.llm.shape.latent = {.q_rank = 256, .kv_rank = 128, .rope_head_dim = 32, .nope_head_dim = 64, .v_head_dim = 64};
  return model;
}

TEST(LatentAttention, GemmsGoDownToTheLatentsAndUpToTheHeads) {
  const Priced priced(Latent());
  ModulePart part = LayersOnly(0, 1, 2);
  part.mesh.sequence_parallel = true;
  priced.cost.Part(part, Sequences(1000, 1));
  const std::vector<GemmCall> expected = {
      GemmCall(500, 256, 1024, Pass::kForward),            // whole on every rank, for its tokens
      GemmCall(1000, 4 * 96, 256, Pass::kForward),         // queries of 4 heads
      GemmCall(500, 128 + 32, 1024, Pass::kForward),       // keys' and values' latent, and the rotated key of all heads
      GemmCall(1000, 4 * (64 + 64), 128, Pass::kForward),  // keys without position, values
      GemmCall(1000, 1024, 4 * 64, Pass::kForward),       GemmCall(1000, 2048, 1024, Pass::kForward),
      GemmCall(1000, 1024, 1024, Pass::kForward)};
  EXPECT_EQ(std::vector(priced.kernels->gemms.begin(), priced.kernels->gemms.begin() + 7), expected);
  const AttentionShape& attention = priced.kernels->attentions[0].shape;
  EXPECT_EQ(attention.head_dim, (96 + 64) / 2);
  EXPECT_EQ(attention.kv_heads, 4);
}

TEST(LatentAttention, WithoutAQueryLatentQueriesAreMadeAsUsual) {
  ModelSpec model = Latent();
  model.llm.shape.latent.q_rank = 0;
  const Priced priced(model);
  priced.cost.Part(LayersOnly(0, 1), Sequences(1000, 1));
  EXPECT_EQ(priced.kernels->gemms[0], GemmCall(1000, 8 * 96, 1024, Pass::kForward));
  EXPECT_EQ(priced.kernels->gemms[1], GemmCall(1000, 160, 1024, Pass::kForward));
  EXPECT_EQ(priced.cost.Parameters(LayersOnly(0, 1)),
            1024.0 * (768 + 160) + 128 * (1024 + 1) + 512 * 1024.0 + 3 * 1024.0 * 2048 + 2 * 1024);
}

TEST(LatentAttention, ParametersFlopsAndMemoryFollow) {
  const CostModel cost = Priced(Latent()).cost;
  const double matrices = 1024.0 * 256 + 256 * 768 + 1024 * 160 + 128 * 1024 + 512 * 1024 + 3 * 1024 * 2048;
  EXPECT_EQ(cost.Parameters(LayersOnly(0, 1)), matrices + 256 + 128 + 2 * 1024);
  // Q·Kᵀ 96 wide, P·V 64: 2·s²·8·80, causal.
  const double forward = 2 * 1000 * matrices + 2.0 * 1000 * 1000 * 8 * 80;
  EXPECT_DOUBLE_EQ(cost.Part(LayersOnly(0, 1), Sequences(1000, 1)).model_flops.value(), 3 * forward);
  // A token: norms and inputs 8·1024, latents 4·384, Q and K 2·768 each, V and attention's output 2·512 each, FFN
  // 2·6144.
  EXPECT_EQ(cost.Activations(LayersOnly(0, 1), Sequences(1000, 1)).value(),
            1000 * (8192 + 1536 + 2 * 1536 + 2 * 1024 + 12'288.0));
}

TEST(LatentAttention, SequenceParallelRanksGatherLatents) {
  ModulePart part = LayersOnly(0, 1, 2);
  part.mesh.sequence_parallel = true;
  const PartCost cost = Priced(Latent()).cost.Part(part, Sequences(1000, 1));
  // Halves over 2 ranks at 100 GB/s, 1 µs each: hidden 2,048 bytes a token → 11.24 µs, latents 2·416 → 5.16 µs. The FFN
  // gathers and scatters hidden values, attention scatters them and gathers latents; backward the other way round.
  EXPECT_NEAR(cost.forward.tensor_parallel_communication.value(), (3 * 11.24 + 5.16) * kMicro, 1e-12);
  EXPECT_NEAR(cost.backward.tensor_parallel_communication.value(), (3 * 11.24 + 5.16) * kMicro, 1e-12);
}

TEST(LatentAttention, AdaptersKnowItsMaps) {
  ModelSpec model = Latent();
  model.llm.shape.lora = {.rank = 8, .targets = AdaptableMaps(model.llm.shape)};
  model.llm.frozen = true;
  // Down 1024 + 256 and 1024 + 160, up 256 + 768 and 128 + 1024, out 512 + 1024, FFN 3·(1024 + 2048).
  EXPECT_EQ(Priced(model).cost.TrainableParameters(LayersOnly(0, 1)),
            8 * (1280 + 1184 + 1024 + 1152 + 1536 + 3 * 3072.0));
}

TEST(LatentAttention, DeepSeekHasItsPublishedTotals) {
  ModelSpec model = BuiltInModel("deepseek-v3");
  const ModulePart whole = WholeModule(model, 0);
  const double with_multi_token = Priced(model).cost.Parameters(whole);
  model.llm.multi_token_depth = 0;
  const CostModel cost = Priced(model).cost;
  // The main model's published count but for the router's 58·256 biases.
  EXPECT_EQ(cost.Parameters(whole) + 58 * 256, 671'026'419'200);
  EXPECT_NEAR(cost.Part(whole, WithoutAttention(1)).model_flops.value() / 6 + 129280.0 * 7168, 37.5e9, 0.3e9);
  // "14B" of the module that predicts one more token count embedding and head again.
  EXPECT_NEAR(with_multi_token - cost.Parameters(whole) + 2 * 129280.0 * 7168, 13.5e9, 0.1e9);
}

ModelSpec Predicting(int depth) {
  ModelSpec model = Latent();
  model.llm.multi_token_depth = depth;
  return model;
}
const ModulePart kLast{0, 1, 1, false, true, {}};

TEST(MultiToken, TheLastStageRunsALayerAProjectionAndTheHeadOnceMore) {
  const SequenceBatch batch = Sequences(1000, 1);
  const CostModel plain = Priced(Predicting(0)).cost;
  const auto forward = [&](const CostModel& cost, const ModulePart& part) {
    return cost.Part(part, batch).forward.time.value();
  };
  const double layer = forward(plain, LayersOnly(0, 1));
  const double embedding = forward(plain, {0, 0, 0, true, false, {}});
  const double head = forward(plain, {0, 2, 0, false, true, {}});
  const double projection = 2 * 1000 * 2048.0 * 1024 / 100e12 + 2 * 1000 * 1024 * 4 / 1e12;
  EXPECT_NEAR(forward(Priced(Predicting(2)).cost, kLast),
              forward(plain, kLast) + 2 * (layer + embedding + head + projection), 1e-12);
  EXPECT_EQ(forward(Priced(Predicting(2)).cost, LayersOnly(0, 2)), forward(plain, LayersOnly(0, 2)));
  EXPECT_EQ(Priced(Predicting(2)).cost.Layers(kLast).total(), 3);
}

TEST(MultiToken, ALastStageOfTheHeadAloneStillHasItsLayer) {
  const ModulePart head{0, 2, 0, false, true, {}};
  const CostModel cost = Priced(Predicting(1)).cost;
  EXPECT_EQ(cost.Layer(head, Sequences(1000, 1)).variants.size(), 1u);
  EXPECT_EQ(cost.Layers(head).total(), 1);
}

TEST(MultiToken, ItsParametersAndACopyOfTheEmbedding) {
  const CostModel plain = Priced(Predicting(0)).cost;
  const CostModel cost = Priced(Predicting(1)).cost;
  const double own = plain.Parameters(LayersOnly(0, 1)) + 3 * 1024 + 2 * 1024.0 * 1024;
  EXPECT_EQ(cost.Parameters(kLast) - plain.Parameters(kLast), own + 1024 * 1024);  // 1,000 rows padded to 1,024
  const ModulePart whole = WholeModule(Predicting(1), 0);
  EXPECT_EQ(cost.Parameters(whole) - plain.Parameters(whole), own);
  // First and last stage add up the gradients of their tables.
  EXPECT_EQ(plain.TiedGradientBytes(kLast).value(), 0);
  EXPECT_EQ(cost.TiedGradientBytes(kLast).value(), 4 * 1024 * 1024);
}

TEST(MultiToken, FlopsAndMemoryOfEveryPrediction) {
  const SequenceBatch batch = Sequences(1000, 1);
  const CostModel plain = Priced(Predicting(0)).cost;
  const CostModel cost = Priced(Predicting(1)).cost;
  const double head = 3 * 2 * 1000 * 1024.0 * 1024;
  EXPECT_DOUBLE_EQ((cost.Part(kLast, batch).model_flops - plain.Part(kLast, batch).model_flops).value(),
                   plain.Part(LayersOnly(0, 1), batch).model_flops.value() + head + 3 * 2 * 1000 * 2048.0 * 1024);
  // Beside the layer: inputs of two norms, of the projection (two), of final norm and head, and the loss's 4·1,024.
  EXPECT_EQ((cost.Activations(kLast, batch) - plain.Activations(kLast, batch)).value(),
            plain.Activations(LayersOnly(0, 1), batch).value() + 1000 * (6 * 2 * 1024 + 4 * 1024));
  EXPECT_EQ(cost.Transient(kLast, batch), plain.Transient(kLast, batch));  // logits of one loss beyond what is kept
}

}  // namespace
}  // namespace dflop
