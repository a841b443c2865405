// Cross-attention layers, as in Llama 3.2's vision models: shapes, times, FLOPs, bytes and parameters by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "models/layer_variants.hpp"
#include "models/network/node_collectives.hpp"
#include "models/plain_layers.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

using GemmCall = FakeKernelCosts::GemmCall;

/// h = 1,024, f = 2,048, 4 heads of 64 with one for keys and values: queries are 256 wide, keys and values 128
/// together.
constexpr char kCrossing[] = R"({"encoders": [{"name": "eye", "modality": "image", "hidden": 512, "ffn_hidden": 2048,
      "layers": 4, "heads": 8, "patch_px": 14, "tile_px": 224, "projector": "linear", FROZEN}],
    "llm": {"hidden": 1024, "ffn_hidden": 2048, "layers": 5, "heads": 4, "kv_heads": 1, "head_dim": 64, "vocab": 1000,
            "gated_ffn": true, "cross_attention_layers": [1, 3]}})";

ModelSpec Crossing(const std::string& encoder = R"("frozen": false)") {
  std::string text = kCrossing;
  return ModelFrom(text.replace(text.find("FROZEN"), 6, encoder));
}

/// With the built-in costs of an A100.
CostModel SmallCosts(const ModelSpec& model) {
  static const Json kName("hgx-a100-800g");
  const ClusterSpec cluster = ReadCluster(JsonReader(kName, "cluster"));
  return {model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}};
}

/// Layers of the LLM without its ends.
ModulePart Layers(int first, int count, Mesh mesh = {}) { return {1, first, count, false, false, mesh}; }
ModulePart SelfLayer(Mesh mesh = {}) { return Layers(0, 1, mesh); }
ModulePart CrossLayer(Mesh mesh = {}) { return Layers(1, 1, mesh); }

/// A sequence of 1,000 tokens that sees so many.
SequenceBatch Seeing(double media) {
  SequenceBatch batch;
  batch.Add(1000, 1, 0, media);
  return batch;
}

long Asked(const Priced& priced, const GemmCall& call) {
  return std::count(priced.kernels->gemms.begin(), priced.kernels->gemms.end(), call);
}

TEST(CrossAttention, KernelsAreAskedForQueriesOfTheTextAndKeysOfWhatItSees) {
  const Priced priced(Crossing());
  priced.cost.Part(CrossLayer(), Seeing(3000));
  for (const Pass pass : {Pass::kForward, Pass::kInputGradient, Pass::kWeightGradient}) {
    EXPECT_EQ(Asked(priced, GemmCall(1000, 256, 1024, pass)), 1);  // queries
    EXPECT_EQ(Asked(priced, GemmCall(3000, 128, 1024, pass)), 1);  // keys and values
  }
  const auto cross = std::find_if(priced.kernels->attentions.begin(), priced.kernels->attentions.end(),
                                  [](const auto& call) { return !call.shape.causal; });
  ASSERT_NE(cross, priced.kernels->attentions.end());
  EXPECT_EQ(cross->shape.length, 3000);
  EXPECT_EQ(cross->shape.sequences, 1);  // whole, of which the 1,000 queries are a third
}

TEST(CrossAttention, ItsForwardIsTheSumOfItsKernels) {
  // GEMMs at 100 TFLOP/s, scores without a mask at 10: 4·1,000·3,000·256 FLOPs. Two norms and residuals move 5 elements
  // of 2 bytes a value each, the gated activation 3; nothing is turned.
  const double gemms = 2.0 * 1024 * (1000 * (256 + 256 + 2 * 2048 + 2048) + 3000 * 128) / 100e12;
  const double scores = 4.0 * 1000 * 3000 * 256 / 10e12;
  const double moved = (2 * 1000.0 * 1024 * 5 + 1000 * 3 * 2048.0) * 2 / 1e12;
  const PartCost cost = Priced(Crossing()).cost.Part(CrossLayer(), Seeing(3000));
  EXPECT_NEAR(cost.forward.time.value(), gemms + scores + moved, 1e-12);
}

TEST(CrossAttention, UnfusedScoresAreTextTimesWhatItSees) {
  // The rows of 4 heads, 4,000, over 3,000 columns.
  const Priced priced(Crossing(), {.attention = AttentionKind::kUnfused});
  priced.cost.Part(CrossLayer(), Seeing(3000));
  EXPECT_EQ(Asked(priced, GemmCall(4000, 3000, 64, Pass::kForward)), 1);
  EXPECT_EQ(Asked(priced, GemmCall(4000, 64, 3000, Pass::kForward)), 1);
}

TEST(CrossAttention, MoreTilesLengthenCrossAttentionLayersAlone) {
  const CostModel cost = Priced(Crossing()).cost;
  const auto time = [&](const ModulePart& part, double media) {
    const PartCost priced = cost.Part(part, Seeing(media));
    return (priced.forward.time + priced.backward.time + priced.weight_gradient.time).value();
  };
  EXPECT_EQ(time(SelfLayer(), 1000), time(SelfLayer(), 4000));
  EXPECT_LT(time(CrossLayer(), 1000), time(CrossLayer(), 4000));
  // Layers 0 to 2 are two of the one kind and one of the other.
  EXPECT_NEAR(time(Layers(0, 3), 4000), 2 * time(SelfLayer(), 4000) + time(CrossLayer(), 4000), 1e-12);
  // What sees nothing still has queries, an output and an FFN.
  EXPECT_GT(time(CrossLayer(), 0), 0.5 * time(SelfLayer(), 0));
}

TEST(CrossAttention, EverySequenceOfAPackSeesItsOwn) {
  // 200 × 3,000 + 800 × 500 scores, and not 1,000 × 3,500.
  SequenceBatch pack;
  pack.Add(200, 1, 0, 3000);
  pack.Add(800, 1, 0, 500);
  const CostModel cost = Priced(Crossing()).cost;
  const double apart = cost.Part(CrossLayer(), pack).forward.time.value();
  const double together = cost.Part(CrossLayer(), Seeing(3500)).forward.time.value();
  EXPECT_NEAR(together - apart, 4.0 * 256 * (1000 * 3500 - 200 * 3000 - 800 * 500) / 10e12, 1e-12);
}

TEST(CrossAttention, WhatWantsNoGradientGetsNone) {
  // A frozen encoder and projector save the input gradient of keys and values, at 50 TFLOP/s, and its all-reduce.
  const Mesh two{.tp = 2};
  const ModelSpec frozen = Crossing(R"("frozen": true, "projector_frozen": true)");
  const PartCost with = Priced(Crossing()).cost.Part(CrossLayer(two), Seeing(3000));
  const PartCost without = Priced(frozen).cost.Part(CrossLayer(two), Seeing(3000));
  const double reduced = IntraNodeAllReduce(TestCluster().only_node(), 2, Bytes(3000 * 1024 * 2.0)).value();
  EXPECT_NEAR((with.backward.time - without.backward.time).value(), 2.0 * 3000 * 1024 * 128 / 50e12 + reduced, 1e-12);
  EXPECT_EQ(with.forward.time, without.forward.time);
  EXPECT_EQ(with.weight_gradient.time, without.weight_gradient.time);
}

TEST(CrossAttention, SequenceParallelRanksGatherWhatTheySee) {
  const Mesh alone{.tp = 2, .sequence_parallel = true};
  const CostModel cost = Priced(Crossing()).cost;
  const auto communication = [&](double media) {
    return cost.Part(CrossLayer(alone), Seeing(media)).forward.tensor_parallel_communication.value();
  };
  const double gathered = IntraNodeAllGather(TestCluster().only_node(), 2, Bytes(3000 * 1024 * 2.0)).value();
  EXPECT_NEAR(communication(3000) - communication(0), gathered, 1e-12);
}

TEST(CrossAttention, FlopsCountKeysOfWhatIsSeenAndNoMask) {
  // Forward; three times that with the backward. The matrices: queries, output and FFN meet the text.
  const double forward = 2.0 * 1000 * 1024 * (256 + 256 + 3 * 2048) + 2.0 * 3000 * 1024 * 128 + 4.0 * 1000 * 3000 * 256;
  const CostModel cost = Priced(Crossing()).cost;
  EXPECT_DOUBLE_EQ(cost.Part(CrossLayer(), Seeing(3000)).model_flops.value(), 3 * forward);
  // The paper's figure counts the forward that is run again.
  const CostModel again = Priced(Crossing(), {.recompute = Recompute::kFull}).cost;
  EXPECT_DOUBLE_EQ(again.Part(CrossLayer(), Seeing(3000)).hardware_flops.value(), 4 * forward);
  // Padded to 300 tokens that see 1,601 each: what was there counts. 300·1,601 scores; 100 tokens see nothing.
  const LlmSequence samples[] = {{100, 0}, {300, 1601}};
  const SequenceBatch padded = LlmBatch(samples, Packing::kPadded);
  EXPECT_EQ(padded.media_tokens(), 2 * 1601);
  const double useful = 2.0 * 400 * 1024 * (512 + 3 * 2048) + 2.0 * 1601 * 1024 * 128 + 4.0 * 300 * 1601 * 256;
  EXPECT_DOUBLE_EQ(cost.Part(CrossLayer(), padded).model_flops.value(), 3 * useful);
}

TEST(CrossAttention, AStageKeepsWhatItsLayersSeeOnce) {
  // A token of the text: norms and inputs 8·h; queries, attention's output, up and gate, down's input, 2 bytes a value.
  // One that is seen: 2·128 of keys and values a layer, 2·1,024 once.
  const CostModel cost = Priced(Crossing()).cost;
  const auto held = [&](const ModulePart& part) { return cost.Activations(part, Seeing(3000)).value(); };
  const double cross = 1000 * (8 * 1024 + 2 * (256 + 256 + 4096 + 2048.0)) + 3000 * 256;
  const double self = 1000 * (8 * 1024 + 2 * (256 + 128 + 256 + 4096 + 2048.0));
  EXPECT_EQ(held(CrossLayer()), cross + 3000 * 2048);
  EXPECT_EQ(held(SelfLayer()), self);
  EXPECT_EQ(held(Layers(1, 3)), 2 * cross + self + 3000 * 2048);
  // Recomputed layers keep their input, and what they see.
  const CostModel again = Priced(Crossing(), {.recompute = Recompute::kFull}).cost;
  EXPECT_EQ(again.Activations(CrossLayer(), Seeing(3000)).value(), 1000 * 2048 + 3000 * 2048);
  EXPECT_EQ(again.Activations(SelfLayer(), Seeing(3000)).value(), 1000 * 2048);
  // A rank of two: half the heads and widths, keys and values of the one head whole, and a share of what all see.
  const ModulePart rank = CrossLayer({.tp = 2, .sequence_parallel = true});
  EXPECT_EQ(held(rank), 1000 * (4 * 1024 + 256 + 256 + 4096 + 2048.0) + 3000 * (256 + 1024));
}

TEST(CrossAttention, WhatIsSeenTravelsAsFarAsALayerSeesIt) {
  const CostModel cost = Priced(Crossing()).cost;
  EXPECT_EQ(cost.BoundaryBytes(1, Seeing(3000), 1).value(), (1000 + 3000) * 1024 * 2);
  EXPECT_EQ(cost.BoundaryBytes(1, Seeing(3000), 3).value(), (1000 + 3000) * 1024 * 2);
  EXPECT_EQ(cost.BoundaryBytes(1, Seeing(3000), 4).value(), 1000 * 1024 * 2);
  EXPECT_EQ(cost.BoundaryGradientBytes(1, Seeing(3000), 3).value(), (1000 + 3000) * 1024 * 2);
  // Its gradient, where an encoder or a projector trains by it.
  const CostModel frozen = Priced(Crossing(R"("frozen": true, "projector_frozen": true)")).cost;
  EXPECT_EQ(frozen.BoundaryBytes(1, Seeing(3000), 3).value(), (1000 + 3000) * 1024 * 2);
  EXPECT_EQ(frozen.BoundaryGradientBytes(1, Seeing(3000), 3).value(), 1000 * 1024 * 2);
}

// Twice as few keys are no more work: below a tile of 128 they cost as much.
TEST(CrossAttention, SeeingLessNeverTakesLonger) {
  const CostModel cost = SmallCosts(Crossing());
  double before = 0;
  for (const double media : {1.0, 2.0, 16.0, 64.0, 128.0, 256.0, 1024.0, 4096.0}) {
    const double seconds = cost.Part(CrossLayer(), Seeing(media)).forward.time.value();
    EXPECT_GE(seconds, before * (1 - 1e-9)) << media;
    before = seconds;
  }
}

TEST(CrossAttention, AdaptersOfKeysAndValuesMeetWhatIsSeen) {
  ModelSpec model = Crossing();
  model.llm.shape.lora = {.rank = 16, .targets = {AdapterTarget::kQ, AdapterTarget::kV}};
  model.llm.frozen = true;
  const Priced priced(model);
  const PartCost cost = priced.cost.Part(CrossLayer(), Seeing(3000));
  EXPECT_EQ(Asked(priced, GemmCall(3000, 16, 1024, Pass::kForward)), 1);
  EXPECT_EQ(Asked(priced, GemmCall(3000, 64, 16, Pass::kForward)), 1);
  // Frozen weights are passed twice, adapters three times, scores three times.
  const double weights = 2.0 * 1000 * 1024 * (512 + 3 * 2048) + 2.0 * 3000 * 1024 * 128;
  const double adapters = 2.0 * 16 * (1000 * (1024 + 256) + 3000 * (1024 + 64));
  EXPECT_DOUBLE_EQ(cost.model_flops.value(), 2 * weights + 3 * adapters + 3 * 4.0 * 1000 * 3000 * 256);
}

TEST(CrossAttention, ExpertsGoTogetherAndWindowsAreOfTheOthers) {
  ModelSpec model = Crossing();
  model.llm.shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 256, .every = 2};
  model.llm.shape.window = 100;
  // Layers from 0: plain 0, 2, 4 have windows; 1 and 3, every second one, have experts and see the encoder's tokens.
  const LayerCounts counts = CountLayers(model.llm.shape, 0, 5);
  EXPECT_EQ(counts[LayerTraits{.windowed = true}.variant()], 3);
  const LayerTraits crossing{.experts = true, .crosses = true};
  EXPECT_EQ(counts[crossing.variant()], 2);
  for (int variant = 0; variant < kLayerVariants; ++variant) EXPECT_EQ(LayerTraits::Of(variant).variant(), variant);
  const CostModel cost = Priced(model).cost;
  EXPECT_GT(cost.Part(CrossLayer(), Seeing(3000)).forward.time, cost.Part(CrossLayer(), Seeing(0)).forward.time);
}

TEST(LlamaVision, HasItsPublishedParameters) {
  // A layer of either kind, h = 4,096: q and o h² each, k and v h·1,024, FFN 3·h·14,336, two norms.
  const double h = 4096;
  const double layer = 2 * h * h + 2 * h * 1024 + 3 * h * 14336 + 2 * h;
  const double llm = 40 * layer + 2 * 128256 * h + h;
  // A layer of the encoder 12·h² + 13·h; patches with bias and 1,601 positions, the norm, 7,680 → 4,096 with bias.
  const double vision = 40 * (12 * 1280.0 * 1280 + 13 * 1280) + (588 + 1 + 1601) * 1280.0 + 2 * 1280 + 7681 * h;
  const ModelSpec model = BuiltInModel("llama3.2-11b-vision");
  const CostModel cost = Priced(model).cost;
  EXPECT_EQ(cost.Parameters(WholeModule(model, 1)), llm);
  EXPECT_EQ(cost.Parameters(WholeModule(model, 0)), vision);
  EXPECT_NEAR(llm, 9.8e9, 0.01 * 9.8e9);
  // Published 10.6 B; its positions of tiles, 9 · 4 · 1,601 · 1,280, are left out here.
  EXPECT_NEAR(llm + vision, 10.6e9, 0.01 * 10.6e9);
  const ModelSpec large = BuiltInModel("llama3.2-90b-vision");
  const CostModel of_large = Priced(large).cost;
  const double total = of_large.Parameters(WholeModule(large, 0)) + of_large.Parameters(WholeModule(large, 1));
  EXPECT_NEAR(total, 88.6e9, 0.005 * 88.6e9);
  // Every fifth layer from the fourth on.
  EXPECT_EQ(CountLayers(model.llm.shape, 0, 40)[LayerTraits{.crosses = true}.variant()], 8);
  EXPECT_EQ(CountLayers(large.llm.shape, 0, 100)[LayerTraits{.crosses = true}.variant()], 20);
  EXPECT_EQ(large.llm.shape.cross_layers.back(), 98);
}

TEST(LlamaVision, ItsProjectorJoinsSixOutputsOfWhichFiveTravelWithTheLast) {
  const EncoderSpec encoder = BuiltInModel("llama3.2-11b-vision").encoders[0];
  EXPECT_EQ(encoder.tokens_per_tile(), 40 * 40 + 1);
  EXPECT_EQ(encoder.projected_tokens_per_tile(), 1601);
  EXPECT_EQ(encoder.projector_input_width(), 7680);
  // Before layer 20: the outputs of layers 3, 7 and 15, and of 19.
  const CostModel cost = Priced(BuiltInModel("llama3.2-11b-vision")).cost;
  EXPECT_EQ(cost.BoundaryBytes(0, EncoderBatch(encoder, 2), 20).value(), 2 * 1601 * 4 * 1280 * 2.0);
  EXPECT_EQ(cost.BoundaryBytes(0, EncoderBatch(encoder, 2), 2).value(), 2 * 1601 * 1280 * 2.0);
}

TEST(LlamaVision, TokensOfImagesDoNotJoinTheSequence) {
  const ModelSpec model = BuiltInModel("llama3.2-11b-vision");
  const auto shape = [&](const Sample& sample) { return ShapeOf(sample, model); };
  const SampleShape seen = shape({.images = {{1120, 1120}, {560, 560}}, .text_tokens = 300});
  EXPECT_EQ(seen, (SampleShape{{5}, 300, 300, 5 * 1601}));
  // The dummy tile of a sample without an image is seen by nothing.
  EXPECT_EQ(shape({.text_tokens = 300}), (SampleShape{{1}, 300, 300, 0}));
  // An image by itself has a token that stands for it.
  EXPECT_EQ(shape({.images = {{100, 100}}}), (SampleShape{{1}, 1, 0, 1601}));
  EXPECT_EQ(shape({.direct = Sample::Direct{4, 500}}), (SampleShape{{4}, 500, 0, 6404}));
  EXPECT_EQ(shape({.direct = Sample::Direct{0, 500}}), (SampleShape{{1}, 500, 0, 0}));
}

/// What a model says that is Crossing() but for one word.
std::string Complaint(const std::string& from, const std::string& to) {
  std::string text = kCrossing;
  text.replace(text.find("FROZEN"), 6, R"("frozen": false)");
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return ErrorOf([&] { ModelFrom(text.replace(at, from.size(), to)); });
}

TEST(CrossAttention, MistakesAreToldWithTheirPlace) {
  const auto layers = [](const std::string& list) { return Complaint("[1, 3]", list); };
  ExpectError(layers("[3, 1]"), "/llm/cross_attention_layers/1: ");
  ExpectError(layers("[3, 1]"), "is 1 behind 3: layers are named once and in rising order");
  ExpectError(layers("[1, 1]"), "is 1 behind 1");
  ExpectError(layers("[5]"), "/llm/cross_attention_layers/0: ");
  ExpectError(layers("[5]"), "from 0 to 4");
  ExpectError(layers("[0, 1, 2, 3, 4]"), "names all 5 layers: one at least sees the sequence itself");
  EXPECT_EQ(layers("[]"), "");
  EXPECT_EQ(Complaint(R"("head_dim": 64)", R"("head_dim": 64, "window": 100)"), "");
  ExpectError(
      Complaint(R"("kv_heads": 1, "head_dim": 64)",
                R"("latent_attention": {"kv_rank": 8, "rope_head_dim": 8, "nope_head_dim": 8, "v_head_dim": 8})"),
      "/llm/cross_attention_layers: ");
  ExpectError(Complaint("[1, 3]", R"([1, 4], "multi_token": {"depth": 1})"), "leave 4 out of cross_attention_layers");
  EXPECT_EQ(Complaint("[1, 3]", R"([1, 3], "multi_token": {"depth": 1})"), "");
  ExpectError(ErrorOf([] {
                ModelFrom(R"({"llm": {"hidden": 64, "ffn_hidden": 64, "layers": 4, "heads": 1, "vocab": 10,
                              "cross_attention_layers": [1]}})");
              }),
              "/llm/cross_attention_layers: ");
}

TEST(CrossAttention, MistakesOfItsEncoderAreToldWithTheirPlace) {
  const auto encoder = [](const std::string& keys) { return Complaint(R"("frozen": false)", keys); };
  EXPECT_EQ(encoder(R"("tiling": "llama-vision", "class_token": true, "joined_layers": [0, 2])"), "");
  ExpectError(encoder(R"("class_token": true)"), "/encoders/0/class_token: ");
  ExpectError(encoder(R"("joined_layers": [3])"), "/encoders/0/joined_layers/0: ");
  ExpectError(encoder(R"("joined_layers": [2, 0])"), "is 0 behind 2");
  ExpectError(encoder(R"("tiling": "internvl", "joined_layers": [0])"), "/encoders/0/joined_layers: ");
}

TEST(CrossAttention, TheModelIsWrittenAsItIsRead) {
  const ModelSpec model = BuiltInModel("llama3.2-11b-vision");
  const Json json = ToJson(model);
  const ModelSpec again = ReadModel(JsonReader(json, "again"));
  EXPECT_EQ(again.llm.shape, model.llm.shape);
  EXPECT_EQ(ToJson(again), json);
  EXPECT_EQ(KeyBeyondPlainLayers(model, 1), "cross_attention_layers");
  EXPECT_EQ(KeyBeyondPlainLayers(model, 0), "class_token");
}

TEST(CrossAttention, ContextParallelismIsRefused) {
  const ModelSpec model = Crossing();
  EXPECT_EQ(WhyCrossContext(model, 1, 1), "");
  EXPECT_EQ(WhyCrossContext(model, 0, 2), "");
  ExpectError(WhyCrossContext(model, 1, 2), "take cp 1");
}

}  // namespace
}  // namespace dflop
