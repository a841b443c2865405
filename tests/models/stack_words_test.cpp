// What each word of a stack adds to a layer, against bytes and times by hand (kernels of tests/models/
// model_test_support.hpp: memory at 1 TB/s, GEMMs at 100, 50 and 25 TFLOP/s; NVLink 100 GB/s and 1 µs).
#include <gtest/gtest.h>

#include "models/software_presets.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

// One Llama-like layer: h = 1,024, 8 heads, FFN 4,096 with a gate, 2,048 tokens; t·h = 2,097,152, t·f = 8,388,608.
ModelSpec SmallLlama() {
  ModelSpec model = GptModel(1024, 4, 8, 32000);
  model.llm.shape.gated_ffn = true;
  return model;
}
PartCost Layer(const ModelSpec& model, const SoftwareStack& software, int tp = 1) {
  return Priced(model, software).cost.Part(LayersOnly(0, 1, tp), Sequences(2048, 1));
}
constexpr double kHidden = 2048.0 * 1024, kFfn = 2048.0 * 4096;
constexpr double kByte = 1e-12;  ///< seconds of memory

TEST(StackWords, AGateThatIsNotFusedIsAPassOfItsOwn) {
  // 5 values moved for 3 forward, 9 for 5 backward, 2 bytes each.
  SoftwareStack software;
  const PartCost fused = Layer(SmallLlama(), software);
  software.fused_activation = false;
  const PartCost apart = Layer(SmallLlama(), software);
  EXPECT_NEAR((apart.forward.time - fused.forward.time).value(), 2 * 2 * kFfn * kByte, 1e-12);
  EXPECT_NEAR((apart.backward.time - fused.backward.time).value(), 4 * 2 * kFfn * kByte, 1e-12);
  EXPECT_EQ(Layer(GptModel(1024, 4, 8, 32000), software).forward.time,
            Layer(GptModel(1024, 4, 8, 32000), SoftwareStack{}).forward.time);
}

TEST(StackWords, EagerNormsAndRotaryPassThroughMemoryInFp32) {
  // Two norms: 18 values for 2 forward, 30 for 5 backward; rotary over 2·h (as many keys as queries): 10 for 2.
  SoftwareStack software;
  const PartCost fused = Layer(SmallLlama(), software);
  software.fused_norms = false;
  const PartCost eager = Layer(SmallLlama(), software);
  const double rotary = 2 * kHidden * (10 - 2);
  EXPECT_NEAR((eager.forward.time - fused.forward.time).value(), 2 * (2 * kHidden * 16 + rotary) * kByte, 1e-12);
  EXPECT_NEAR((eager.backward.time - fused.backward.time).value(), 2 * (2 * kHidden * 25 + rotary) * kByte, 1e-12);
}

TEST(StackWords, GradientsThatNoGemmAddsUpAreReadAndWrittenOnceMore) {
  // Weights 4·h² + 3·h·f = 16·h² = 16,777,216: 2 bytes read of its own, 4 read and 4 written of those before.
  SoftwareStack software;
  const Seconds fused = Layer(SmallLlama(), software).weight_gradient.time;
  software.fused_accumulation = false;
  const Seconds apart = Layer(SmallLlama(), software).weight_gradient.time;
  EXPECT_NEAR((apart - fused).value(), 16777216.0 * 10 * kByte, 1e-12);
}

// The same layer with 4 experts of 512, 2 of which every token visits, in place of its FFN.
ModelSpec SmallMixture() {
  ModelSpec model = SmallLlama();
  model.llm.shape.experts = {.count = 4, .top_k = 2, .ffn_hidden = 512};
  return model;
}

TEST(StackWords, GradientsOfExpertsAndOfLatentMapsAreAddedUpToo) {
  SoftwareStack fused, apart;
  apart.fused_accumulation = false;
  const auto added = [&](const ModelSpec& model) {
    return (Layer(model, apart).weight_gradient.time - Layer(model, fused).weight_gradient.time).value();
  };
  // Attention 4·h², router 4·h, experts 4·3·512·h, 10 bytes each.
  EXPECT_NEAR(added(SmallMixture()), (4 * 1024.0 * 1024 + 4 * 1024 + 12 * 512 * 1024) * 10 * kByte, 1e-12);
  // Keys of 96 + 32, values of 128: queries 1,024 wide from a latent of 256, 8·(96 + 128) = 1,792 from one of 128, of
  // which and of the rotated key 160 are made; output h² and FFN 3·h·f as before.
  ModelSpec latent = SmallLlama();
  latent.llm.shape.latent = {
      .q_rank = 256, .kv_rank = 128, .rope_head_dim = 32, .nope_head_dim = 96, .v_head_dim = 128};
  const double maps = 256 * (1024.0 + 1024) + 1024 * 160 + 128 * 1792 + 1024 * 1024 + 3 * 1024 * 4096;
  EXPECT_NEAR(added(latent), maps * 10 * kByte, 1e-12);
}

TEST(StackWords, GatesOfExpertsAreNotFusedEither) {
  // 2 · 2,048 rows of 512: 2 values more forward, 4 backward, 2 bytes each.
  SoftwareStack software;
  const PartCost fused = Layer(SmallMixture(), software);
  software.fused_activation = false;
  const PartCost apart = Layer(SmallMixture(), software);
  EXPECT_NEAR((apart.forward.time - fused.forward.time).value(), 2 * 2 * 4096.0 * 512 * kByte, 1e-12);
  EXPECT_NEAR((apart.backward.time - fused.backward.time).value(), 4 * 2 * 4096.0 * 512 * kByte, 1e-12);
}

TEST(StackWords, BlockingLaunchesAddTheHostsTimeAndGraphsHaveNone) {
  // 24 kernels of 10 µs: 240 µs on top of a forward of some 2 ms, none of it seen where they are launched ahead.
  SoftwareStack software;
  software.host_per_kernel = Seconds(10e-6);
  const Seconds ahead = Layer(SmallLlama(), software).forward.time;
  software.launch = Launch::kBlocking;
  EXPECT_NEAR((Layer(SmallLlama(), software).forward.time - ahead).value(), 240e-6, 1e-12);
  // At 1 ms a kernel the host is all: 24 ms eager, 12 ms compiled, the device's own time as a graph.
  software.host_per_kernel = Seconds(1e-3);
  software.launch = Launch::kEager;
  EXPECT_NEAR(Layer(SmallLlama(), software).forward.time.value(), 24e-3, 1e-12);
  software.launch = Launch::kCompiled;
  EXPECT_NEAR(Layer(SmallLlama(), software).forward.time.value(), 12e-3, 1e-12);
  software.launch = Launch::kGraphs;
  EXPECT_EQ(Layer(SmallLlama(), software).forward.time, ahead);
}

TEST(StackWords, ChunkedCollectivesShowTheirFirstChunk) {
  // TP 4: collectives of some hundred microseconds beside GEMMs of as many: a quarter is seen.
  SoftwareStack software;
  const OperationCost plain = Layer(SmallLlama(), software, 4).forward;
  software.overlap_tensor_parallel = true;
  const OperationCost chunked = Layer(SmallLlama(), software, 4).forward;
  // GEMMs of the rank: 2·t·16·h²/4 FLOP at 100 TFLOP/s, of which three chunks of four run beside collectives.
  const double hidden_at_most = 0.75 * 2 * 2048 * 16 * 1024.0 * 1024 / 4 / 100e12;
  const double whole = plain.tensor_parallel_communication.value();
  EXPECT_NEAR(chunked.tensor_parallel_communication.value(), std::max(whole / 4, whole - hidden_at_most), 1e-12);
  EXPECT_NEAR((plain.time - chunked.time).value(), whole - chunked.tensor_parallel_communication.value(), 1e-12);
}

TEST(StackWords, ScoresOfUnfusedAttentionHideNoCollective) {
  // An FFN as wide as h: linear maps of 7·h² run 75 µs, three quarters of them beside collectives of some 126, so that
  // more than the first chunk is left to see; Q·Kᵀ and P·V would hide 32 µs more, were they linear maps.
  ModelSpec model = SmallLlama();
  model.llm.shape.ffn_hidden = 1024;
  SoftwareStack software;
  const double whole = Layer(model, software, 4).forward.tensor_parallel_communication.value();
  software.overlap_tensor_parallel = true;
  const double maps = 2 * 2048 * 7 * 1024.0 * 1024 / 4 / 100e12;
  ASSERT_GT(whole - 0.75 * maps, whole / 4);
  for (const AttentionKind attention : {AttentionKind::kFlash, AttentionKind::kUnfused}) {
    software.attention = attention;
    EXPECT_NEAR(Layer(model, software, 4).forward.tensor_parallel_communication.value(), whole - 0.75 * maps, 1e-12);
  }
}

TEST(StackWords, AShareOfTheLayersIsRecomputed) {
  SoftwareStack software;
  software.recompute = Recompute::kFull;
  const PartCost all = Layer(SmallLlama(), software);
  const CostModel whole = Priced(SmallLlama(), software).cost;
  software.recompute_share = 0.25;
  const PartCost quarter = Layer(SmallLlama(), software);
  EXPECT_NEAR((all.backward.time - quarter.backward.time).value(), 0.75 * all.forward.time.value(), 1e-12);
  // Memory: a quarter of what recomputed layers keep, three quarters of what the others do.
  const CostModel partly = Priced(SmallLlama(), software).cost;
  software.recompute = Recompute::kNone;
  const CostModel none = Priced(SmallLlama(), software).cost;
  const auto kept = [](const CostModel& cost) {
    return cost.Activations(LayersOnly(0, 4), Sequences(2048, 1)).value();
  };
  EXPECT_NEAR(kept(partly), 0.25 * kept(whole) + 0.75 * kept(none), 1e-3);
}

TEST(StackWords, EightBitMapsSumOverHalfAsMuchAndCastWhatNobodyCast) {
  // GEMMs of t·16·h² forward take half their time, FLOP by FLOP; attention's output of h values is cast: 4 bytes each.
  // Backward: gradients of QKV (3·h), output and down projection (h each).
  SoftwareStack software;
  const PartCost wide = Layer(SmallLlama(), software);
  software.precision = Precision::kFp8;
  const PartCost narrow = Layer(SmallLlama(), software);
  const double gemms = 2 * 2048 * 16 * 1024.0 * 1024 / 100e12;
  EXPECT_NEAR((wide.forward.time - narrow.forward.time).value(), gemms / 2 - 4 * kHidden * kByte, 1e-12);
  EXPECT_NEAR((wide.backward.time - narrow.backward.time).value(), 2 * gemms / 2 - 4 * 5 * kHidden * kByte, 1e-12);
  EXPECT_NEAR(narrow.weight_gradient.time.value(), 4 * gemms / 2, 1e-12);
  software.precision = Precision::kFp4;
  EXPECT_NEAR(Layer(SmallLlama(), software).weight_gradient.time.value(), gemms, 1e-12);
  EXPECT_EQ(Priced(SmallLlama(), software).cost.Activations(LayersOnly(0, 1), Sequences(2048, 1)),
            Priced(SmallLlama(), SoftwareStack{}).cost.Activations(LayersOnly(0, 1), Sequences(2048, 1)));
}

TEST(StackWords, OptimizersOfOneKernelAStepMoveMore) {
  // 18 bytes a parameter: gradient, weight and state read, all but the gradient written: 32; unfused 20 / 7 of it, and
  // clipping reads the gradient's 4 once more.
  SoftwareStack software;
  const auto seconds = [&] {
    return Priced(SmallLlama(), software).cost.OptimizerStep(LayersOnly(0, 1), 1, kFirstKind).value();
  };
  const double fused = seconds();
  software.fused_optimizer = false;
  EXPECT_NEAR(seconds() / fused, 20.0 / 7, 1e-9);
  software.fused_optimizer = true;
  software.clip_gradients = true;
  EXPECT_NEAR(seconds() / fused, 36.0 / 32, 1e-9);
}

SoftwareStack StackOf(const std::string& text) {
  const Json json = ParseJson(text, "scenario.json");
  return ReadSoftwareStack(JsonReader(json, "scenario.json"));
}

TEST(SoftwarePresets, AreReadAloneOrUnderOtherWordsAndComeBackAsPrinted) {
  for (const std::string& name : SoftwarePresetNames()) {
    EXPECT_GT(SoftwarePresetSource(name).size(), 20u) << name;
    const SoftwareStack alone = StackOf("{\"software\": \"" + name + "\"}");
    EXPECT_EQ(alone.preset, name);
    const std::string changed = R"({"software": {"preset": ")" + name + R"(", "sustained_clocks": false,)" +
                                R"( "attention_kernel": "table", "dropout": 0, "launch": "eager"}})";
    const SoftwareStack under = StackOf(changed);
    EXPECT_FALSE(under.sustained_clocks);
    EXPECT_EQ(under.sharding, alone.sharding);
    EXPECT_EQ(ToJson(StackOf(ToJson(under).Dump())), ToJson(under)) << name;
  }
  EXPECT_EQ(StackOf(R"({"software": "megatron-2021"})").attention, AttentionKind::kUnfused);
  EXPECT_EQ(StackOf(R"({"software": "megatron-2021", "attention": "flash"})").attention, AttentionKind::kFlash);
  EXPECT_EQ(StackOf(R"({"software": {}})").preset, "");
}

TEST(SoftwarePresets, AnUnknownOneNamesItsPlace) {
  EXPECT_EQ(ErrorOf([] { StackOf(R"({"software": "megatron"})"); }).substr(0, 10), "/software:");
  EXPECT_EQ(ErrorOf([] { StackOf(R"({"software": 3})"); }),
            "/software: scenario.json:/software: is a number, a preset's name or an object is wanted");
  EXPECT_EQ(ErrorOf([] { StackOf(R"({"software": {"preset": 3}})"); }).substr(0, 17), "/software/preset:");
  EXPECT_EQ(ErrorOf([] { StackOf(R"({"software": {"preset": "nemo", "launch": "slow"}})"); }).substr(0, 17),
            "/software/launch:");
  EXPECT_EQ(ErrorOf([] { StackOf(R"({"software": {"recompute_share": 0}})"); }).substr(0, 26),
            "/software/recompute_share:");
}

}  // namespace
}  // namespace dflop
