// Built-in, inline and filed models, shapes as published, and the place that each mistake is told at.
#include "models/model_spec.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

const char* const kInline = R"({"name": "my-vlm",
  "encoders": [{"name": "vision", "modality": "image", "hidden": 1152, "ffn_hidden": 4304, "layers": 27, "heads": 16,
                "patch_px": 14, "tile_px": 384, "tiling": "llava-onevision", "projector": "mlp2"}],
  "llm": {"hidden": 3584, "ffn_hidden": 18944, "layers": 28, "heads": 28, "kv_heads": 4, "vocab": 152064,
          "gated_ffn": true, "tied_embeddings": false}})";

/// kInline with one piece of its text replaced.
std::string Changed(const std::string& from, const std::string& to) {
  std::string text = kInline;
  const std::size_t place = text.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  return text.replace(place, from.size(), to);
}

TEST(ModelSpec, EveryBuiltInReadsAndHasASource) {
  // 7 vision encoders × 5 LLMs for LLaVA-OneVision, 4 × 5 for InternVL, Qwen2-Audio, Llama 3.2's two and the tiny one,
  // 11 LLMs alone.
  const std::vector<std::string> names = BuiltInModelNames();
  EXPECT_EQ(names.size(), 35u + 20u + 4u + 11u);
  for (const std::string& name : names) {
    EXPECT_EQ(BuiltInModel(name).name, name);
    EXPECT_NE(ModelSource(name).find("arXiv"), std::string::npos) << name;
  }
}

TEST(ModelSpec, LlavaOneVisionWithTheLargeSigLipHasDflopsShapes) {
  const ModelSpec model = ModelFrom("\"llava-ov-siglip-2.4b-llama3-8b\"");
  ASSERT_EQ(model.encoders.size(), 1u);
  const EncoderSpec& encoder = model.encoders[0];
  EXPECT_EQ(encoder.shape.hidden, 2304);
  EXPECT_EQ(encoder.shape.head_dim(), 48);
  EXPECT_EQ(encoder.tokens_per_tile(), 729);  // (384 / 14)² = 27²
  EXPECT_EQ(encoder.projected_tokens_per_tile(), 729);
  EXPECT_EQ(encoder.patch_values(), 588);  // 3·14²
  EXPECT_EQ(model.llm.shape.kv_heads, 8);
  EXPECT_EQ(model.module_count(), 2);
  EXPECT_EQ(model.module_name(1), "llama3-8b");
}

TEST(ModelSpec, InternVlShufflesFourTokensIntoOne) {
  const EncoderSpec encoder = BuiltInModel("internvl-internvit-6b-qwen2.5-72b").encoders[0];
  EXPECT_EQ(encoder.tokens_per_tile(), 1024);  // (448 / 14)² = 32²
  EXPECT_EQ(encoder.projected_tokens_per_tile(), 256);
  EXPECT_EQ(encoder.projector_input_width(), 4 * 3200);
}

TEST(ModelSpec, AudioWindowsHaveFifteenHundredTokensPooledByTwo) {
  const EncoderSpec encoder = BuiltInModel("qwen2-audio-7b").encoders[0];
  EXPECT_EQ(encoder.tokens_per_tile(), 1500);
  EXPECT_EQ(encoder.projected_tokens_per_tile(), 750);  // 25 a second, as dflop.md and the Qwen2-Audio paper say
  EXPECT_EQ(encoder.projector_layers, 1);
}

TEST(ModelSpec, ReadsAnInlineModel) {
  const ModelSpec model = ModelFrom(kInline);
  EXPECT_EQ(model.name, "my-vlm");
  EXPECT_EQ(model.encoders[0].name, "vision");
  EXPECT_EQ(model.encoders[0].projector_layers, 2);
  EXPECT_FALSE(model.encoders[0].shape.gated_ffn);
  EXPECT_EQ(model.llm.shape.kv_heads, 4);
  EXPECT_TRUE(model.llm.shape.gated_ffn);
}

TEST(ModelSpec, PrintsWhatItReads) {
  for (const std::string& name : BuiltInModelNames()) {
    const Json printed = ToJson(BuiltInModel(name));
    EXPECT_EQ(ToJson(ReadModel(JsonReader(printed, "printed"))).Dump(), printed.Dump()) << name;
  }
}

TEST(ModelSpec, FreezesModulesOfABuiltInInOneLine) {
  const ModelSpec model = ModelFrom(R"({"name": "llava-ov-siglip-so400m-qwen2.5-7b", "frozen": ["encoder", "llm"]})");
  EXPECT_TRUE(model.encoders[0].frozen);
  EXPECT_FALSE(model.encoders[0].projector_frozen);
  EXPECT_TRUE(model.llm.frozen);
}

TEST(ModelSpec, FileStandsRelativeToTheFileThatNamesIt) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "model_spec_test";
  std::string text = kInline;
  text.insert(1, R"("schema": "dflop/model/1", )");
  WriteFile((folder / "parts" / "vlm.json").string(), text);
  const Json json = ParseJson(R"({"file": "parts/vlm.json"})", "");
  EXPECT_EQ(ReadModel(JsonReader(json, (folder / "experiment.json").string())).name, "my-vlm");
}

TEST(ModelSpec, FileErrorsNameTheirPlace) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "model_spec_test";
  WriteFile((folder / "other.json").string(), R"({"schema": "dflop/cluster/1"})");
  const auto read = [&](const std::string& name) {
    const Json json = ParseJson(R"({"file": ")" + name + "\"}", "");
    ReadModel(JsonReader(json, (folder / "experiment.json").string(), "/model"));
  };
  EXPECT_EQ(ErrorOf([&] { read("missing.json"); }).substr(0, 13), "/model/file: ");
  EXPECT_EQ(ErrorOf([&] { read("other.json"); }).substr(0, 9), "/schema: ");
}

struct BadModel {
  std::string text;
  std::string pointer;
};

TEST(ModelSpec, EveryMistakeNamesItsPlace) {
  const std::vector<BadModel> cases = {
      {"\"llava-ov-siglip-2.4b-llama3-9b\"", ""},
      {"17", ""},
      {R"({"name": "qwen2.5-8b"})", "/name"},
      {R"({"name": "qwen2.5-7b", "frozen": ["encoder"]})", "/frozen/0"},
      {R"({"name": "qwen2.5-7b", "frozen": ["llms"]})", "/frozen/0"},
      {R"({"name": "qwen2.5-7b", "layers": 3})", "/layers"},
      {R"({"file": "a.json", "name": "x"})", "/name"},
      {R"({"name": "x", "encoders": []})", ""},
      {Changed("\"vocab\": 152064", "\"vocab\": 0"), "/llm/vocab"},
      {Changed("\"vocab\": 152064", "\"vocab\": 152064, \"voccab\": 1"), "/llm/voccab"},
      {Changed("\"layers\": 28", "\"layers\": 28.5"), "/llm/layers"},
      {Changed("\"layers\": 28", "\"layers\": \"28\""), "/llm/layers"},
      {Changed("\"hidden\": 3584", "\"hidden\": -3584"), "/llm/hidden"},
      {Changed("\"heads\": 28", "\"heads\": 27"), "/llm/heads"},
      {Changed("\"kv_heads\": 4", "\"kv_heads\": 5"), "/llm/kv_heads"},
      {Changed("\"kv_heads\": 4", "\"kv_heads\": 56"), "/llm/kv_heads"},
      {Changed("\"heads\": 16", "\"heads\": 17"), "/encoders/0/heads"},
      {Changed("\"patch_px\": 14", "\"patch_px\": 385"), "/encoders/0/patch_px"},
      {Changed("\"patch_px\": 14", "\"patch_px\": 1"), "/encoders/0/patch_px"},  // 384 patches a side
      {Changed("\"patch_px\": 14, ", ""), "/encoders/0"},
      {Changed("\"tiling\": \"llava-onevision\"", "\"tiling\": \"llava\""), "/encoders/0/tiling"},
      {Changed("\"tiling\": \"llava-onevision\"", "\"tiling\": \"whisper\""), "/encoders/0/tiling"},
      {Changed("\"tiling\": \"llava-onevision\"", "\"tiling\": \"internvl\""), "/encoders/0/tiling"},  // 27 is odd
      {Changed("\"projector\": \"mlp2\"", "\"projector\": \"none\""), "/encoders/0/projector"},
      {Changed("\"modality\": \"image\"", "\"modality\": \"video\""), "/encoders/0/modality"},
      {Changed("\"modality\": \"image\"", "\"modality\": \"audio\""), "/encoders/0/patch_px"},
      {Changed("\"name\": \"vision\"", "\"name\": \"llm\""), "/encoders/0/name"},
      {Changed("\"name\": \"vision\"", "\"name\": \"\""), "/encoders/0/name"},
  };
  for (const BadModel& bad : cases) {
    const std::string error = ErrorOf([&] { ModelFrom(bad.text); });
    EXPECT_EQ(error.substr(0, bad.pointer.size() + 2), bad.pointer + ": ") << bad.text << "\n" << error;
  }
}

TEST(ModelSpec, TwoEncodersMayNotShareAName) {
  std::string text = kInline;
  const std::size_t begin = text.find("[{") + 1;
  const std::string encoder = text.substr(begin, text.find("}]") + 1 - begin);
  text.insert(begin, encoder + ", ");
  EXPECT_EQ(ErrorOf([&] { ModelFrom(text); }).substr(0, 18), "/encoders/1/name: ");
}

}  // namespace
}  // namespace dflop
