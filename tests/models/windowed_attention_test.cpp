// Sliding windows and blocks: scores by hand, and which kernels are asked for them.
#include "models/windowed_attention.hpp"

#include <gtest/gtest.h>

#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

TEST(WindowedAttention, ACausalWindowMakesAsManyScoresAsItsBand) {
  // s·w − w²/2 scores where the whole triangle has s²/2: twice 4,096·1,024 − 1,024²/2.
  EXPECT_EQ(WindowSquare(4096, 1024, true), 2 * (4096.0 * 1024 - 1024.0 * 1024 / 2));
  EXPECT_EQ(WindowSquare(1024, 1024, true), 1024.0 * 1024);
  EXPECT_EQ(WindowSquare(500, 1024, true), 500.0 * 500);
  // Counted token by token, token i sees min(i, w) of those up to itself: 7,340,032 / 2 and half a token each.
  double scores = 0;
  for (int i = 1; i <= 4096; ++i) scores += std::min(i, 1024);
  EXPECT_NEAR(WindowSquare(4096, 1024, true) / 2 / scores, 1, 1e-3);
}

TEST(WindowedAttention, BlocksSeeThemselves) {
  // 1,000 tokens in blocks of 300: three of them and one of 100.
  EXPECT_EQ(WindowSquare(1000, 300, false), 3 * 300.0 * 300 + 100 * 100);
}

TEST(WindowedAttention, ItsTwinHasTheSameTokensAndScores) {
  for (const bool causal : {true, false}) {
    double tokens = 0;
    double squares = 0;
    ForEachWindowTwin(5000, 700, causal, [&](double length, double count) {
      tokens += length * count;
      squares += length * length * count;
    });
    EXPECT_NEAR(tokens, 5000, 1e-9);
    EXPECT_NEAR(squares, WindowSquare(5000, 700, causal), 1e-6);
  }
}

/// GPT layers, h = 1,024, 8 heads of 128.
ModelSpec Windowed(int window, int full_every = 0) {
  ModelSpec model = GptModel(1024, 12, 8, 1000);
  model.llm.shape.window = window;
  model.llm.shape.full_every = full_every;
  return model;
}

TEST(WindowedAttention, KernelsAreAskedForTheTwin) {
  const Priced priced(Windowed(1024));
  const PartCost windowed = priced.cost.Part(LayersOnly(0, 1), Sequences(4096, 2));
  // 2·w − w²/s = 2,048 − 256; a pack of 8,192 tokens full of them.
  const AttentionShape& asked = priced.kernels->attentions[0].shape;
  EXPECT_EQ(asked.length, 1792);
  EXPECT_NEAR(asked.sequences, 8192 / 1792.0, 1e-12);
  EXPECT_TRUE(asked.causal);
  // Of 2·s²·h·n FLOPs at 10 TFLOP/s, 1,792/4,096 are left.
  const PartCost whole = Priced(Windowed(0)).cost.Part(LayersOnly(0, 1), Sequences(4096, 2));
  const double attention = 2 * 4096.0 * 4096 * 1024 * 2 / 10e12;
  EXPECT_NEAR((whole.forward.time - windowed.forward.time).value(), attention * (1 - 1792.0 / 4096), 1e-9);
}

TEST(WindowedAttention, ShortSequencesSeeAll) {
  const SequenceBatch batch = Sequences(1000, 3);
  EXPECT_EQ(Priced(Windowed(1000)).cost.Part(LayersOnly(0, 2), batch).forward.time,
            Priced(Windowed(0)).cost.Part(LayersOnly(0, 2), batch).forward.time);
  EXPECT_EQ(Priced(Windowed(1000)).cost.Part(LayersOnly(0, 2), batch).model_flops,
            Priced(Windowed(0)).cost.Part(LayersOnly(0, 2), batch).model_flops);
}

TEST(WindowedAttention, EverySixthLayerSeesEverything) {
  const SequenceBatch batch = Sequences(4096, 1);
  const auto forward = [&](const ModelSpec& model, int layers) {
    return Priced(model).cost.Part(LayersOnly(0, layers), batch).forward.time.value();
  };
  EXPECT_NEAR(forward(Windowed(512, 6), 12), 10 * forward(Windowed(512), 1) + 2 * forward(Windowed(0), 1), 1e-12);
  EXPECT_NEAR(forward(Windowed(512, 6), 5), 5 * forward(Windowed(512), 1), 1e-12);
}

TEST(WindowedAttention, FlopsCountTheBandAndNoPadding) {
  // 4,096 and 512 tokens, window 1,024: 2·h·(7,340,032 + 512²) a layer forward, three times that with the backward.
  const ModelSpec model = Windowed(1024);
  const ModelSpec full = Windowed(0);
  const std::vector<int> samples = {4096, 512};
  const SequenceBatch packed = LlmBatch(samples, Packing::kPacked);
  const auto flops = [](const ModelSpec& of, const SequenceBatch& batch) {
    return Priced(of).cost.Part(LayersOnly(0, 1), batch).model_flops.value();
  };
  EXPECT_NEAR(flops(full, packed) - flops(model, packed), 3 * 2 * 1024.0 * (4096.0 * 4096 - 7'340'032), 1);
  EXPECT_DOUBLE_EQ(flops(model, LlmBatch(samples, Packing::kPadded)), flops(model, packed));
  // Two context-parallel ranks: the whole's FLOPs all the same.
  ModulePart divided = LayersOnly(0, 1);
  divided.mesh.cp = 2;
  EXPECT_DOUBLE_EQ(Priced(model).cost.Part(divided, packed).model_flops.value(), flops(model, packed));
}

TEST(WindowedAttention, AnEncodersWindowIsABlock) {
  ModelSpec model = BuiltInModel("llava-ov-siglip-so400m-llama3-8b");  // 729 tokens a tile
  model.encoders[0].shape.window = 64;
  model.encoders[0].shape.full_every = 8;
  const Priced priced(model);
  priced.cost.Part(LayersOnly(0, 1), EncoderBatch(model.encoders[0], 10));
  // Plain layers are priced first; then 11 blocks of 64 a tile and one of 25.
  ASSERT_GE(priced.kernels->attentions.size(), 6u);
  std::vector<double> lengths;
  for (const auto& call : priced.kernels->attentions) {
    if (call.pass == Pass::kForward) lengths.push_back(call.shape.length);
  }
  EXPECT_EQ(lengths, (std::vector<double>{729, 64, 25}));
  EXPECT_FALSE(priced.kernels->attentions[0].shape.causal);
  const double core = 4 * 10 * (11 * 64.0 * 64 + 25 * 25) * 1152;
  const double weights = 4 * 1152.0 * 1152 + 2 * 1152.0 * 4304;
  const PartCost cost = priced.cost.Part(LayersOnly(0, 1), EncoderBatch(model.encoders[0], 10));
  EXPECT_NEAR(cost.model_flops.value() / (3 * (2 * 7290 * weights + core)), 1, 1e-12);
}

TEST(WindowedAttention, UnfusedAttentionMasksAndSavesNothing) {
  SoftwareStack unfused;
  unfused.attention = AttentionKind::kUnfused;
  const SequenceBatch batch = Sequences(2048, 1);
  EXPECT_EQ(Priced(Windowed(256), unfused).cost.Part(LayersOnly(0, 1), batch).forward.time,
            Priced(Windowed(0), unfused).cost.Part(LayersOnly(0, 1), batch).forward.time);
}

}  // namespace
}  // namespace dflop
