// Reading and writing what layers are: every key there and back, every mistake with its place.
#include "models/transformer_shape.hpp"

#include <gtest/gtest.h>

#include "models/plain_layers.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

constexpr char kWidths[] = R"("hidden": 1024, "ffn_hidden": 2048, "layers": 12, "heads": 8)";

/// An LLM with these keys beside its widths.
std::string Llm(const std::string& keys, const std::string& widths = kWidths) {
  return "{\"llm\": {" + widths + ", \"vocab\": 1000" + (keys.empty() ? "" : ", ") + keys + "}}";
}
/// The same of an encoder in front of a plain LLM.
std::string Encoder(const std::string& keys) {
  return Llm("").substr(0, Llm("").size() - 1) + R"(, "encoders": [{"name": "eye", "modality": "image", "patch_px": 14,
      "tile_px": 224, )" +
         kWidths + ", " + keys + "}]}";
}

constexpr char kEverything[] = R"("gated_ffn": true, "window": 512, "full_every": 6, "multi_token": {"depth": 2},
    "experts": {"count": 64, "top_k": 8, "ffn_hidden": 256, "shared": 2, "every": 2, "first_dense": 3,
                "capacity_factor": 1.25, "imbalance": 1.5},
    "latent_attention": {"q_rank": 256, "kv_rank": 128, "rope_head_dim": 32, "nope_head_dim": 64, "v_head_dim": 64},
    "lora": {"rank": 16, "targets": ["q_a_proj", "down_proj"]})";

TEST(TransformerShape, EveryKeyIsReadAndWritten) {
  const ModelSpec model = ModelFrom(Llm(kEverything));
  const TransformerShape& shape = model.llm.shape;
  EXPECT_EQ(shape.window, 512);
  EXPECT_EQ(shape.full_every, 6);
  EXPECT_EQ(shape.experts.shared, 2);
  EXPECT_EQ(shape.experts.capacity_factor, 1.25);
  EXPECT_EQ(shape.latent.key_dim(), 96);
  EXPECT_EQ(shape.lora.targets, (std::vector{AdapterTarget::kQDown, AdapterTarget::kDown}));
  EXPECT_TRUE(model.llm.frozen);
  EXPECT_EQ(model.llm.multi_token_depth, 2);
  const ModelSpec again = ModelFrom(ToJson(model).Dump());
  EXPECT_EQ(again.llm.shape, shape);
  EXPECT_EQ(ToJson(again), ToJson(model));
}

TEST(TransformerShape, WhatIsAsByDefaultIsNotWritten) {
  const std::string plain = ToJson(ModelFrom(Llm(""))).Dump();
  for (const char* key : {"head_dim", "window", "experts", "latent", "lora", "multi_token"}) {
    EXPECT_EQ(plain.find(key), std::string::npos) << key;
  }
  EXPECT_EQ(ToJson(ModelFrom(Llm(R"("head_dim": 128)"))).Dump(), plain);  // hidden / heads
  const std::string dropless = R"("experts": {"count": 8, "top_k": 2, "ffn_hidden": 256, "capacity_factor": null})";
  EXPECT_EQ(ToJson(ModelFrom(Llm(dropless))).Dump().find("capacity_factor"), std::string::npos);
}

TEST(TransformerShape, EncodersMayHaveWindowsHeadSizesAndAdapters) {
  const ModelSpec model =
      ModelFrom(Encoder(R"("window": 64, "window_every": 2, "head_dim": 72, "lora": {"rank": 4, "targets": "all"})"));
  EXPECT_EQ(model.encoders[0].shape.window_every, 2);
  EXPECT_EQ(model.encoders[0].shape.head_dim(), 72);
  EXPECT_EQ(model.encoders[0].shape.lora.targets.size(), 6u);  // q, k, v, o, up, down
  EXPECT_TRUE(model.encoders[0].frozen);
  EXPECT_EQ(ModelFrom(ToJson(model).Dump()).encoders[0].shape, model.encoders[0].shape);
}

TEST(TransformerShape, BuiltInModelsWithExpertsComeBackAsTheyWere) {
  for (const char* name : {"mixtral-8x7b", "mixtral-8x22b", "qwen2-57b-a14b", "deepseek-v3"}) {
    const ModelSpec model = BuiltInModel(name);
    EXPECT_EQ(ModelFrom(ToJson(model).Dump()).llm.shape, model.llm.shape) << name;
  }
}

TEST(TransformerShape, WhatIsBeyondPlainLayersIsNamed) {
  for (const std::string& name : BuiltInModelNames()) {
    const ModelSpec model = BuiltInModel(name);
    const bool mixture = name.starts_with("mixtral") || name == "qwen2-57b-a14b" || name == "deepseek-v3";
    const std::string key = mixture ? "experts" : name.starts_with("llama3.2") ? "cross_attention_layers" : "";
    EXPECT_EQ(KeyBeyondPlainLayers(model, model.llm_module()), key) << name;
  }
  const auto of = [](const std::string& keys) { return KeyBeyondPlainLayers(ModelFrom(Llm(keys)), 0); };
  EXPECT_EQ(of(R"("head_dim": 64)"), "head_dim");
  EXPECT_EQ(of(R"("window": 64)"), "window");
  EXPECT_EQ(of(R"("lora": {"rank": 4, "targets": "all"})"), "lora");
  EXPECT_EQ(of(R"("multi_token": {"depth": 1})"), "multi_token");
  EXPECT_EQ(of(""), "");
}

struct Mistake {
  std::string text;
  std::string place;
  std::string says;
};

TEST(TransformerShape, EveryMistakeNamesItsPlaceAndWhatIsAllowed) {
  const auto experts = [](const std::string& keys) { return Llm("\"experts\": {" + keys + "}"); };
  const auto latent = [](const std::string& beside) {
    return Llm(R"("latent_attention": {"kv_rank": 128, "rope_head_dim": 32, "nope_head_dim": 64, "v_head_dim": 64})" +
               beside);
  };
  const auto lora = [](const std::string& keys) { return Llm("\"lora\": {" + keys + "}"); };
  const std::vector<Mistake> mistakes = {
      {Llm(R"("head_dim": 0)"), "/llm/head_dim", "1"},
      {Llm("", R"("hidden": 1001, "ffn_hidden": 2048, "layers": 12, "heads": 8)"), "/llm/heads", "head_dim"},
      {Llm(R"("window": 0)"), "/llm/window", "1"},
      {Llm(R"("window_every": 2)"), "/llm/window_every", "without a window"},
      {Llm(R"("full_every": 2)"), "/llm/full_every", "without a window"},
      {Llm(R"("window": 8, "window_every": 2, "full_every": 2)"), "/llm/full_every", "beside window_every"},
      {Llm(R"("window": 8, "full_every": 1)"), "/llm/full_every", "2"},
      {Llm(R"("window": 8, "full_every": 1000)"), "/llm/full_every", "all have a window, as without it"},
      {Llm(R"("window": 8, "window_every": 13)"), "/llm/window_every", "12 layers"},
      {experts(R"("count": 8, "top_k": 9, "ffn_hidden": 256)"), "/llm/experts/top_k", "8"},
      {experts(R"("count": 0, "top_k": 1, "ffn_hidden": 256)"), "/llm/experts/count", "1"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "every": 13)"), "/llm/experts/every", "12 layers"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "first_dense": 12)"), "/llm/experts/first_dense", "none"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "every": 5, "first_dense": 10)"), "/llm/experts/every",
       "none"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "imbalance": 0.9)"), "/llm/experts/imbalance", "1"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "imbalance": 4.1)"), "/llm/experts/imbalance", "4"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "capacity_factor": 0)"), "/llm/experts/capacity_factor",
       "0.01"},
      {experts(R"("count": 8, "top_k": 2, "ffn_hidden": 256, "capacity": 1)"), "/llm/experts/capacity", ""},
      {Encoder(R"("experts": {"count": 8, "top_k": 2, "ffn_hidden": 256})"), "/encoders/0/experts", ""},
      {latent(R"(, "kv_heads": 2)"), "/llm/kv_heads", "latent_attention"},
      {latent(R"(, "head_dim": 64)"), "/llm/head_dim", "latent_attention"},
      {Llm(R"("latent_attention": {"kv_rank": 128})"), "/llm/latent_attention", "rope_head_dim"},
      {latent(R"(, "lora": {"rank": 4, "targets": ["k_proj"]})"), "/llm/lora/targets/0", "kv_b_proj"},
      {lora(R"("rank": 0, "targets": "all")"), "/llm/lora/rank", "1"},
      {lora(R"("rank": 4, "targets": [])"), "/llm/lora/targets", "empty"},
      {lora(R"("rank": 4, "targets": "most")"), "/llm/lora/targets", "all"},
      {lora(R"("rank": 4)"), "/llm/lora", "targets"},
      {lora(R"("rank": 4, "targets": ["q_proj", "gate_proj"])"), "/llm/lora/targets/1", "up_proj"},
      {lora(R"("rank": 4, "targets": ["q_proj", "q_proj"])"), "/llm/lora/targets/1", "already"},
      {lora(R"("rank": 4, "targets": ["lm_head"])"), "/llm/lora/targets/0", ""},
      {Llm(R"("multi_token": {"depth": 0})"), "/llm/multi_token/depth", "1"},
      {R"({"name": "qwen2.5-7b", "lora": {}})", "/lora", "llm"},
      {R"({"name": "qwen2.5-7b", "lora": {"encoder": {"rank": 4, "targets": "all"}}})", "/lora/encoder", "no encoder"},
      {R"({"name": "qwen2.5-7b", "lora": {"llm": {"rank": 4, "targets": ["k_projs"]}}})", "/lora/llm/targets/0", ""},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string error = ErrorOf([&] { ModelFrom(mistake.text); });
    EXPECT_EQ(error.substr(0, mistake.place.size() + 2), mistake.place + ": ") << mistake.text << "\n" << error;
    EXPECT_NE(error.find(mistake.says, mistake.place.size()), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace dflop
