// The released code's rule against plans that the released script chose, and on instances small enough to follow by
// hand.
#include "policies/layout_search/released_rule.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "policies/layout_search/released_flops.hpp"
#include "test_paths.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

std::vector<ReleaseProfile::Time> TimesOf(const JsonReader& rows, const char* size) {
  std::vector<ReleaseProfile::Time> times;
  for (const JsonReader& row : rows.Elements()) {
    times.push_back({row.At(size).Number(0, 1e9), row.At("model_time").Number(0, 1e12),
                     static_cast<int>(row.At("num_layers").Int(1, 1000)),
                     static_cast<int>(row.At("tp_size").Int(1, 64))});
  }
  return times;
}

std::vector<ReleaseProfile::Memory> MemoryOf(const JsonReader& rows) {
  std::vector<ReleaseProfile::Memory> memory;
  for (const JsonReader& row : rows.Elements()) {
    memory.push_back({row.At("batch_size").Number(0, 1e9), row.NumberOr("seq_len", 0, 0, 1e9),
                      static_cast<int>(row.At("num_layers").Int(1, 1000)),
                      static_cast<int>(row.At("tp_size").Int(1, 64)), row.At("model_mem").Number(0, 1e9),
                      row.At("fwd_peak").Number(0, 1e9), row.At("model_state_peak").Number(0, 1e9)});
  }
  return memory;
}

std::vector<int> Whole(const JsonReader& list) {
  std::vector<int> values;
  for (const JsonReader& element : list.Elements()) values.push_back(static_cast<int>(element.Int(0, 1 << 30)));
  return values;
}

std::string Text(const std::optional<ReleasedPlan>& plan) {
  if (!plan) return "none";
  return (plan->encoder ? "encoder " + DegreesText(*plan->encoder) + "; " : "") + "LLM " + DegreesText(plan->llm) +
         "; " + std::to_string(plan->microbatches) + " microbatches";
}

ModuleDegrees DegreesIn(const JsonReader& json) {
  const auto degree = [&](const char* key) { return static_cast<int>(json.At(key).Int(1, 1 << 20)); };
  return {.tp = degree("tp"), .pp = degree("pp"), .dp = degree("dp")};
}

TEST(ReleasedRule, ChoosesWhatTheReleasedScriptChose) {
  const std::string path = std::string(DFLOP_SHARED_DIR) + "/reference-data/dflop-release/golden_plans.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data at " << path;
  const Json document = ReadJsonFile(path);
  const JsonReader cases = JsonReader(document, path).At("cases");
  EXPECT_GT(cases.Size(), 0u);
  for (const JsonReader& given : cases.Elements()) {
    const std::string name = given.At("case").String();
    const ModelSpec model = BuiltInModel("llava-ov-siglip-2.4b-" + given.At("llm").String());
    const JsonReader times = given.At("throughput");
    const JsonReader memory = given.At("memory");
    const ReleaseProfile profile{TimesOf(times.At("encoder"), "batch_size"),
                                 TimesOf(times.At("llm"), "seq_len"),
                                 TimesOf(times.At("llm_without_attention"), "seq_len"),
                                 MemoryOf(memory.At("encoder")),
                                 MemoryOf(memory.At("llm")),
                                 Whole(given.At("samples").At("tiles")),
                                 Whole(given.At("samples").At("llm_tokens"))};
    const ReleasedAnswer answer = PlanAsReleased({model, profile, static_cast<int>(given.At("gpus").Int(1, 1 << 20)),
                                                  given.At("gpu_memory_gib").Number(1, 1e6),
                                                  static_cast<int>(given.At("global_batch_size").Int(1, 1 << 20))});
    const JsonReader wanted = given.At("plan");
    if (wanted.json().is_null()) {
      EXPECT_EQ(Text(answer.plan), "none") << name;
      EXPECT_NE(answer.why_none, "") << name;
      continue;
    }
    ReleasedPlan plan;
    plan.encoder = DegreesIn(wanted.At("encoder"));
    plan.llm = DegreesIn(wanted.At("llm"));
    plan.microbatches = static_cast<int>(wanted.At("microbatches").Int(1, 1 << 20));
    ASSERT_EQ(Text(answer.plan), Text(plan)) << name;
    // The script prints them with two decimals.
    EXPECT_NEAR(answer.plan->encoder_tflops_per_gpu, wanted.At("encoder_tflops_per_gpu").Number(-1e9, 1e9), 0.00501)
        << name;
    EXPECT_NEAR(answer.plan->llm_tflops_per_gpu, wanted.At("llm_tflops_per_gpu").Number(-1e9, 1e9), 0.00501) << name;
  }
}

TEST(ReleasedFlops, AreWorkedOutByHand) {
  // Encoder of width 4 and FFN 8, tiles of 2 × 2 patches of 14 px in 29 px, LLM width 6, in units of one FLOP. A layer:
  // 3·(8·16·4 + 4·16·4) + 12·4·4·8 = 3·768 + 1,536 = 3,840; patches 6·4·3·29² = 60,552; projector
  // 6·4·6·(4 + 6)·4/3 = 1,920. Two tiles, three layers: (2·3·3,840 + 2·60,552 + 2·1,920)·4/3 = 197,312.
  EncoderSpec encoder;
  encoder.shape = {.hidden = 4, .ffn_hidden = 8, .layers = 3, .heads = 2, .kv_heads = 2};
  encoder.patch_px = 14;
  encoder.tile_px = 29;
  EXPECT_NEAR(ReleasedEncoderTflop(encoder, 2, 3, 6) * 1e12, 197'312, 1e-6);
  // LLM of width 4, FFN 8, 4 heads in 2 groups, 10 words, one layer, 3 tokens: attention 6·3·16·(2·2/4 + 1 + 3/4 + 1) =
  // 1,080; FFN 18·3·4·8 = 1,728; words 6·3·4·10 = 720; ·4/3 = 4,704. Scores: 6·9·4·4/3 = 288.
  LlmSpec llm;
  llm.shape = {.hidden = 4, .ffn_hidden = 8, .layers = 1, .heads = 4, .kv_heads = 2};
  llm.vocab = 10;
  EXPECT_NEAR(ReleasedLlmTflop(llm, 3, 1) * 1e12, 4'704, 1e-6);
  EXPECT_NEAR(ReleasedAttentionTflop(llm, 3, 1) * 1e12, 288, 1e-6);
}

/// Tables with TP 1 alone, on which every size has one rate and nothing needs memory. A mean sample takes the encoder
/// and the LLM so many hundredths of a second. Mean 5 tiles and 1,500 tokens; largest sample 8 tiles and 2,000 tokens.
class SmallCase {
 public:
  SmallCase(double encoder, double llm, std::vector<int> tokens_of_samples = {1000, 2000, 1000, 2000}) {
    const double encoder_s = encoder / 100;
    const double llm_s = llm / 100;
    profile_.tiles = {2, 8, 2, 8};
    profile_.llm_tokens = std::move(tokens_of_samples);
    const int layers = model_.encoders[0].shape.layers;
    const auto tflop = [&](double tiles) {
      return ReleasedEncoderTflop(model_.encoders[0], tiles, layers, model_.llm.shape.hidden);
    };
    const auto whole = [&](double tokens) { return ReleasedLlmTflop(model_.llm, tokens, 12); };
    const auto scores = [&](double tokens) { return ReleasedAttentionTflop(model_.llm, tokens, 12); };
    double llm_tflop = 0;
    for (const int tokens : profile_.llm_tokens) llm_tflop += whole(tokens) / 4;
    for (const double tiles : {1, 64}) {
      profile_.encoder.push_back({tiles, 1e3 * tflop(tiles) / (tflop(5) / encoder_s), layers, 1});
    }
    for (const double tokens : {1e4, 8e4}) {
      const double per_tflop = 1e3 * llm_s / llm_tflop;
      profile_.llm.push_back({tokens, whole(tokens) * per_tflop, 12, 1});
      profile_.llm_without_attention.push_back({tokens, (whole(tokens) - scores(tokens)) * per_tflop, 12, 1});
    }
    profile_.encoder_memory = {{1, 0, 1, 1, 0, 0, 0}, {1, 0, 2, 1, 0, 0, 0}};
    profile_.llm_memory = {{1, 1000, 1, 1, 0, 0, 0}, {1, 1000, 2, 1, 0, 0, 0}};
  }
  ReleasedAnswer Plan(int gpus, int global_batch_size = 32) const {
    return PlanAsReleased({model_, profile_, gpus, 80, global_batch_size});
  }
  ReleaseProfile& profile() { return profile_; }

 private:
  ModelSpec model_ = SmallVlm();
  ReleaseProfile profile_;
};

TEST(ReleasedRule, TakesTheSmallestCountWhoseMeanShapesAreNoLargerThanTheLargestSample) {
  // Two GPUs are one split. Tiles: 5·32/m ≤ 8 from m = 20; tokens: 1500·32/m ≤ 2000 from m = 24. Of 32/24 samples the
  // encoder takes 4/300 s, and 24 + 2 − 1 of them pass.
  const ReleasedAnswer answer = SmallCase(1, 0.5).Plan(2);
  EXPECT_EQ(Text(answer.plan), "encoder tp 1, pp 1, dp 1; LLM tp 1, pp 1, dp 1; 24 microbatches");
  EXPECT_NEAR(answer.plan->time.value(), 25 * 4.0 / 300, 1e-4);
}

TEST(ReleasedRule, AcceptsFewerMicrobatchesUpToATenthSlower) {
  // The longest sample has 5,700 tokens, so that tiles decide. Three GPUs, in order: E 1 with L dp 2, which tiles want
  // in 20, but 32/2 = 16 are the last; E 1 with L pp 2, m = 20; E dp 2 with L 1, m = 10; E pp 2, m = 20. The first
  // takes 17·32/16·max(E, L/2), the third 11·32/10·max(E/2, L): with E = 1 that is 34 against 35.2·L, accepted
  // below 37.4.
  const std::vector<int> tokens = {100, 100, 100, 5700};
  EXPECT_EQ(Text(SmallCase(1, 1.05, tokens).Plan(3).plan),
            "encoder tp 1, pp 1, dp 2; LLM tp 1, pp 1, dp 1; 10 microbatches");
  EXPECT_EQ(Text(SmallCase(1, 1.07, tokens).Plan(3).plan),
            "encoder tp 1, pp 1, dp 1; LLM tp 1, pp 1, dp 2; 16 microbatches");
}

TEST(ReleasedRule, GoesOnToTheLastCountWhereNoneKeepsBothLimits) {
  // Half the encoder's replicas would have too many tiles, so that of three GPUs only E dp 2 with L 1 passes. Tokens
  // want m = 24, but above m = 16 an encoder replica has less than a sample: skipped up to 32, which stands.
  SmallCase small(1, 1);
  small.profile().encoder_memory = {{1, 0, 1, 1, 0, 10, 0},
                                    {1, 0, 2, 1, 0, 10, 0}};  // 10 GiB a tile; k = 2, ÷ 2 replicas
  EXPECT_EQ(Text(small.Plan(3).plan), "none") << "1.25·2·4·10 = 100 GiB";
  small.profile().encoder_memory = {{1, 0, 1, 1, 0, 6, 0}, {1, 0, 2, 1, 0, 6, 0}};
  EXPECT_EQ(Text(small.Plan(3).plan), "encoder tp 1, pp 1, dp 2; LLM tp 1, pp 1, dp 1; 32 microbatches");
}

TEST(ReleasedRule, CountsBothEndsInFullOnEveryStage) {
  // 60 GiB and 1 GiB a layer of 12: 1.25·(60 + ⌈12/pp⌉) ≤ 80 from pp = 3 on. The ends divided by the stages would let
  // pp 2 pass.
  SmallCase small(1, 1);
  small.profile().llm_memory = {{1, 1000, 3, 1, 0, 0, 63}, {1, 1000, 4, 1, 0, 0, 64}};
  EXPECT_EQ(Text(small.Plan(4).plan), "encoder tp 1, pp 1, dp 1; LLM tp 1, pp 3, dp 1; 24 microbatches");
  const ReleasedAnswer none = small.Plan(3);
  EXPECT_EQ(Text(none.plan), "none");
  EXPECT_NE(none.why_none.find("wants 82.5 GiB on a GPU of its LLM where 80.0 are"), std::string::npos)
      << none.why_none;
}

TEST(ReleasedRule, KnowsNoBoundByLayers) {
  // 2 GiB a layer and 62 GiB beside: one layer a stage is all that fits, and 13 stages are taken for 12 layers.
  SmallCase small(1, 1);
  small.profile().llm_memory = {{1, 1000, 3, 1, 0, 0, 68}, {1, 1000, 4, 1, 0, 0, 70}};
  EXPECT_EQ(Text(small.Plan(14).plan), "encoder tp 1, pp 1, dp 1; LLM tp 1, pp 13, dp 1; 24 microbatches");
}

TEST(ReleasedRule, ExtendsItsLinesBeyondTheTables) {
  // 20 TFLOP/s at 1 tile, 30 at 2: 76.67 at the mean microbatch of 5·32/24 = 6.67 tiles.
  SmallCase small(1, 1);
  const ModelSpec model = SmallVlm();
  small.profile().encoder[1].size = 2;
  for (ReleaseProfile::Time& row : small.profile().encoder) {
    row.time_ms = 1e3 * ReleasedEncoderTflop(model.encoders[0], row.size, 8, 1024) / (row.size == 1 ? 20 : 30);
  }
  EXPECT_NEAR(small.Plan(2).plan->encoder_tflops_per_gpu, 20 + 10 * (160.0 / 24 - 1), 1e-9);
}

TEST(ReleasedRule, EndsWhereItsFirstCandidateHasMoreReplicasThanSamples) {
  const ReleasedAnswer answer = SmallCase(1, 1).Plan(3, 1);
  EXPECT_EQ(Text(answer.plan), "none");
  EXPECT_NE(answer.why_none.find("more replicas of the LLM"), std::string::npos) << answer.why_none;
}

}  // namespace
}  // namespace dflop
