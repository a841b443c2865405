// Reading models: built-in parts (models/data/models.json) composed by name, inline objects, and files.
#include "models/model_spec.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "models/layer_variants.hpp"
#include "models/model_data.hpp"
#include "models/referenced_file.hpp"

namespace dflop {
namespace {

constexpr int kAudioTokensPerWindow = 1500;  // Whisper: 30 s of audio, 3,000 frames, halved by the second convolution
constexpr int kMelBins = 128;                // Whisper large-v3
constexpr int kConvolutionWidth = 3;
constexpr int kMaxPatchesPerSide = 256;
constexpr int kMaxMultiTokenDepth = 16;

template <typename Enum>
using Names = std::vector<std::pair<std::string, Enum>>;

const Names<Modality> kModalities = {{"image", Modality::kVision}, {"audio", Modality::kAudio}};
const Names<Tiling> kTilings = {{"llava-onevision", Tiling::kLlavaOneVision},
                                {"llava-onevision-dflop", Tiling::kLlavaOneVisionDflop},
                                {"internvl", Tiling::kInternVl},
                                {"whisper", Tiling::kWhisper},
                                {"llama-vision", Tiling::kLlamaVision}};
const Names<int> kProjectors = {{"none", 0}, {"linear", 1}, {"mlp2", 2}};

template <typename Enum>
Enum Named(const JsonReader& json, const Names<Enum>& names) {
  std::vector<std::string> allowed;
  for (const auto& entry : names) allowed.push_back(entry.first);
  const std::string name = json.OneOf(allowed);
  return std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == name; })->second;
}

template <typename Enum>
std::string NameOf(Enum value, const Names<Enum>& names) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& e) { return e.second == value; });
  DFLOP_CHECK(found != names.end(), "every value has a name");
  return found->first;
}

int ReadInt(const JsonReader& json, const char* key, int max) { return static_cast<int>(json.At(key).Int(1, max)); }

void ReadTiling(const JsonReader& json, EncoderSpec& encoder) {
  const bool audio = encoder.modality == Modality::kAudio;
  encoder.tiling = audio ? Tiling::kWhisper : Tiling::kLlavaOneVision;
  if (const auto tiling = json.Find("tiling")) {
    encoder.tiling = Named(*tiling, kTilings);
    if ((encoder.tiling == Tiling::kWhisper) != audio) tiling->Fail("does not fit the encoder's modality");
  }
  if (audio) return;
  encoder.patch_px = ReadInt(json, "patch_px", 1024);
  encoder.tile_px = ReadInt(json, "tile_px", 16384);
  const int side = encoder.tile_px / encoder.patch_px;
  if (side < 1 || side > kMaxPatchesPerSide) {
    json.At("patch_px")
        .Fail("cuts a tile of " + std::to_string(encoder.tile_px) + " px into " + std::to_string(side) +
              " patches a side, allowed is from 1 to " + std::to_string(kMaxPatchesPerSide));
  }
  if (encoder.tiling == Tiling::kInternVl && side % 2 != 0) {
    json.At("tiling").Fail("is internvl, whose pixel shuffle joins 2 × 2 patches, but a tile is " +
                           std::to_string(side) + " patches wide");
  }
}

/// Of layers before the last one, whose output the projector gets in any case.
std::vector<int> ReadJoinedLayers(const JsonReader& json, const EncoderSpec& encoder) {
  if (encoder.tiling == Tiling::kInternVl || encoder.modality == Modality::kAudio) {
    json.Fail("is given beside the tiling " + TilingName(encoder.tiling) + ", which joins tokens of the last layer");
  }
  return ReadLayerNumbers(json, encoder.shape.layers - 1);
}

EncoderSpec ReadEncoder(const JsonReader& json) {
  std::vector<std::string> keys = TransformerKeys(false);
  keys.insert(keys.end(), {"name", "source", "modality", "tiling", "projector", "frozen", "projector_frozen"});
  EncoderSpec encoder;
  encoder.name = json.At("name").String();
  encoder.modality = Named(json.At("modality"), kModalities);
  if (encoder.modality == Modality::kVision)
    keys.insert(keys.end(), {"patch_px", "tile_px", "class_token", "joined_layers"});
  json.AllowOnly(keys);
  encoder.shape = ReadTransformerShape(json, false);
  ReadTiling(json, encoder);
  if (const auto projector = json.Find("projector")) encoder.projector_layers = Named(*projector, kProjectors);
  encoder.frozen = json.BoolOr("frozen", false) || !encoder.shape.lora.empty();
  encoder.projector_frozen = json.BoolOr("projector_frozen", false);
  encoder.class_token = json.BoolOr("class_token", false);
  if (encoder.class_token && encoder.tiling != Tiling::kLlamaVision) {
    json.At("class_token")
        .Fail("is true, but the tiling " + TilingName(encoder.tiling) +
              " gives the LLM patches alone; llama-vision keeps it");
  }
  if (const auto joined = json.FindGiven("joined_layers")) encoder.joined_layers = ReadJoinedLayers(*joined, encoder);
  return encoder;
}

LlmSpec ReadLlm(const JsonReader& json) {
  std::vector<std::string> keys = TransformerKeys(true);
  keys.insert(keys.end(), {"name", "source", "vocab", "tied_embeddings", "frozen", "multi_token"});
  json.AllowOnly(keys);
  LlmSpec llm;
  llm.name = json.StringOr("name", "llm");
  llm.shape = ReadTransformerShape(json, true);
  llm.vocab = ReadInt(json, "vocab", 100'000'000);
  llm.tied_embeddings = json.BoolOr("tied_embeddings", false);
  llm.frozen = json.BoolOr("frozen", false) || !llm.shape.lora.empty();
  if (const auto multi_token = json.Find("multi_token")) {
    multi_token->AllowOnly({"depth"});
    llm.multi_token_depth = ReadInt(*multi_token, "depth", kMaxMultiTokenDepth);
    if (TraitsOfLayer(llm.shape, llm.shape.layers - 1).crosses) {
      multi_token->Fail(
          "adds layers like the last one, which here sees the encoders' tokens in place of the sequence; "
          "leave " +
          std::to_string(llm.shape.layers - 1) + " out of cross_attention_layers");
    }
  }
  return llm;
}

/// Modules are told apart by name, without a projector the widths must meet, and cross-attention needs something to
/// see.
void CheckEncoders(const ModelSpec& model, const JsonReader& json) {
  if (model.encoders.empty() && model.llm.shape.has_cross_layers()) {
    json.At("llm")
        .At("cross_attention_layers")
        .Fail("is given, but the model has no encoder whose tokens they could see");
  }
  for (std::size_t i = 0; i < model.encoders.size(); ++i) {
    const EncoderSpec& encoder = model.encoders[i];
    const JsonReader place = json.At("encoders").Element(i);
    bool taken = encoder.name == model.llm.name;
    for (std::size_t j = 0; j < i; ++j) taken = taken || model.encoders[j].name == encoder.name;
    if (taken) place.At("name").Fail("is " + JsonQuote(encoder.name) + ", which another module already has");
    if (encoder.projector_layers == 0 && encoder.projector_input_width() != model.llm.shape.hidden) {
      place.At("projector")
          .Fail("is none, but the encoder's output is " + std::to_string(encoder.projector_input_width()) +
                " wide and the LLM " + std::to_string(model.llm.shape.hidden));
    }
  }
}

ModelSpec ReadInline(const JsonReader& json) {
  json.AllowOnly({"schema", "name", "source", "encoders", "llm"});
  json.CheckSchema("dflop/model/1", false);
  ModelSpec model;
  model.name = json.StringOr("name", "inline");
  model.source = json.StringOr("source", "given inline");
  model.llm = ReadLlm(json.At("llm"));
  if (const auto encoders = json.Find("encoders")) {
    for (const JsonReader& encoder : encoders->Elements()) model.encoders.push_back(ReadEncoder(encoder));
  }
  CheckEncoders(model, json);
  return model;
}

const Json& Parts() {
  static const Json parts = BuiltInJson("models.json");
  return parts;
}

JsonReader PartsReader() { return {Parts(), "built-in models.json"}; }

/// One row of the table of compositions.
struct Recipe {
  std::string name;
  std::string encoder;  // empty: text only
  std::string llm;
  Json options;  // tiling, projector, source; llm_with: what is not as in the table's LLM
};

std::vector<Recipe> Recipes() {
  const JsonReader parts = PartsReader();
  std::vector<Recipe> recipes;
  for (const std::string& prefix : parts.At("families").Keys()) {
    const JsonReader family = parts.At("families").At(prefix);
    for (const JsonReader& encoder : family.At("encoders").Elements()) {
      for (const JsonReader& llm : family.At("llms").Elements()) {
        const std::string name = prefix + encoder.String() + "-" + llm.String();
        recipes.push_back({name, encoder.String(), llm.String(), family.json()});
      }
    }
  }
  for (const std::string& name : parts.At("models").Keys()) {
    const JsonReader model = parts.At("models").At(name);
    recipes.push_back({name, model.At("encoder").String(), model.At("llm").String(), model.json()});
  }
  for (const std::string& llm : parts.At("llms").Keys()) recipes.push_back({llm, "", llm, Json::EmptyObject()});
  return recipes;
}

/// A part of the table as an inline object: its name first, then what the composition adds.
Json PartNamed(const char* kind, const std::string& name) {
  Json part = PartsReader().At(kind).At(name).json();
  part["name"] = name;
  return part;
}

ModelSpec Compose(const Recipe& recipe) {
  Json model;
  model["name"] = recipe.name;
  Json llm = PartNamed("llms", recipe.llm);
  if (const Json* other = recipe.options.find("llm_with")) {
    for (const Json::Member& member : other->as<Json::Object>()) llm[member.key] = member.value;
  }
  std::string source = llm.find("source")->as<std::string>();
  Json encoders = Json::EmptyArray();
  if (!recipe.encoder.empty()) {
    Json encoder = PartNamed("encoders", recipe.encoder);
    encoder["tiling"] = *recipe.options.find("tiling");
    encoder["projector"] = *recipe.options.find("projector");
    source =
        recipe.options.find("source")->as<std::string>() + "; " + encoder["source"].as<std::string>() + "; " + source;
    encoders.push_back(encoder);
  }
  model["source"] = source;
  model["encoders"] = encoders;
  model["llm"] = llm;
  return ReadInline(JsonReader(model, "built-in models.json"));
}

/// Too many to list: the few that may have been meant.
std::string NearestModels(const std::string& name) {
  return "there is no built-in model " + JsonQuote(name) +
         "; nearest: " + JoinNames(NearestNames(name, BuiltInModelNames())) + "; `dflop list models` names all";
}

ModelSpec BuiltInOf(const JsonReader& name) {
  const std::vector<std::string> names = BuiltInModelNames();
  const std::string wanted = name.String();
  if (std::find(names.begin(), names.end(), wanted) == names.end()) name.Fail(NearestModels(wanted));
  return BuiltInModel(wanted);
}

/// Another rule for the images of a built-in model; as inline, it must suit the encoder and its projector.
void TileAs(const JsonReader& name, ModelSpec& model) {
  const Tiling tiling = Named(name, kTilings);
  if (model.encoders.empty()) name.Fail("is given, but " + model.name + " has no encoder");
  const auto shuffles = [](Tiling rule) { return rule == Tiling::kInternVl; };
  for (EncoderSpec& encoder : model.encoders) {
    const bool audio = encoder.modality == Modality::kAudio;
    const bool loses_token = encoder.class_token && tiling != Tiling::kLlamaVision;
    if ((tiling == Tiling::kWhisper) != audio || shuffles(tiling) != shuffles(encoder.tiling) || loses_token) {
      name.Fail("does not suit " + model.name + ", whose own is " + TilingName(encoder.tiling) +
                ": give the model inline");
    }
    encoder.tiling = tiling;
  }
}

/// {"encoder": adapters, "llm": adapters}, either or both.
void Adapt(const JsonReader& json, ModelSpec& model) {
  json.AllowOnly({"encoder", "llm"});
  if (json.Keys().empty()) json.Fail("names no module: give \"encoder\", \"llm\" or both");
  if (const auto llm = json.Find("llm")) {
    model.llm.shape.lora = ReadLora(*llm, model.llm.shape);
    model.llm.frozen = true;
  }
  const auto of_encoder = json.Find("encoder");
  if (of_encoder && model.encoders.empty()) of_encoder->Fail("is given, but " + model.name + " has no encoder");
  for (EncoderSpec& encoder : model.encoders) {
    if (!of_encoder) break;
    encoder.shape.lora = ReadLora(*of_encoder, encoder.shape);
    encoder.frozen = true;
  }
}

/// {"name": built-in, "frozen": ["encoder", "projector", "llm"]}: the commonest recipes in one line.
ModelSpec ReadBuiltIn(const JsonReader& json) {
  json.AllowOnly({"schema", "name", "frozen", "tiling", "lora"});
  json.CheckSchema("dflop/model/1", false);
  ModelSpec model = BuiltInOf(json.At("name"));
  if (const auto tiling = json.Find("tiling")) TileAs(*tiling, model);
  if (const auto lora = json.Find("lora")) Adapt(*lora, model);
  const auto frozen = json.Find("frozen");
  if (!frozen) return model;
  for (const JsonReader& entry : frozen->Elements()) {
    const std::string what = entry.OneOf({"encoder", "projector", "llm"});
    if (what == "llm") {
      model.llm.frozen = true;
    } else if (model.encoders.empty()) {
      entry.Fail("is " + JsonQuote(what) + ", but " + model.name + " has no encoder");
    }
    for (EncoderSpec& encoder : model.encoders) {
      encoder.frozen = encoder.frozen || what == "encoder";
      encoder.projector_frozen = encoder.projector_frozen || what == "projector";
    }
  }
  return model;
}

ModelSpec ReadObject(const JsonReader& json) {
  return json.Has("llm") || json.Has("encoders") ? ReadInline(json) : ReadBuiltIn(json);
}

Json ModuleJson(const std::string& name, const TransformerShape& shape) {
  Json json;
  json["name"] = name;
  AddTransformerShape(shape, json);
  return json;
}

Json EncoderJson(const EncoderSpec& encoder) {
  Json json = ModuleJson(encoder.name, encoder.shape);
  json["modality"] = NameOf(encoder.modality, kModalities);
  if (encoder.modality == Modality::kVision) {
    json["patch_px"] = encoder.patch_px;
    json["tile_px"] = encoder.tile_px;
  }
  json["tiling"] = NameOf(encoder.tiling, kTilings);
  json["projector"] = NameOf(encoder.projector_layers, kProjectors);
  json["frozen"] = encoder.frozen;
  json["projector_frozen"] = encoder.projector_frozen;
  if (encoder.class_token) json["class_token"] = true;
  if (!encoder.joined_layers.empty()) json["joined_layers"] = Json::ArrayOf(encoder.joined_layers);
  return json;
}

}  // namespace

std::string TilingName(Tiling tiling) { return NameOf(tiling, kTilings); }

int EncoderSpec::tokens_per_tile() const {
  if (modality == Modality::kAudio) return kAudioTokensPerWindow;
  const int side = tile_px / patch_px;
  return side * side + (class_token ? 1 : 0);
}

int EncoderSpec::projected_tokens_per_tile() const {
  if (modality == Modality::kAudio) return kAudioTokensPerWindow / 2;
  return tiling == Tiling::kInternVl ? tokens_per_tile() / 4 : tokens_per_tile();
}

int EncoderSpec::patch_values() const {
  if (modality == Modality::kVision) return 3 * patch_px * patch_px;
  return kConvolutionWidth * (2 * kMelBins + shape.hidden);
}

int EncoderSpec::projector_input_width() const {
  return tiling == Tiling::kInternVl ? 4 * shape.hidden : outputs_before(shape.layers) * shape.hidden;
}

int EncoderSpec::outputs_before(int next) const {
  const auto joined = std::lower_bound(joined_layers.begin(), joined_layers.end(), next) - joined_layers.begin();
  return 1 + static_cast<int>(joined);
}

ModelSpec ReadModel(const JsonReader& json) {
  if (json.IsString()) return BuiltInOf(json);
  if (!json.Has("file")) return ReadObject(json);
  json.AllowOnly({"file"});
  const ReferencedFile file(json.At("file"), "dflop/model/1");
  return ReadObject(file.reader());
}

ModelSpec BuiltInModel(const std::string& name) {
  for (const Recipe& recipe : Recipes()) {
    if (recipe.name == name) return Compose(recipe);
  }
  throw InputError(NearestModels(name));
}

std::vector<std::string> BuiltInModelNames() {
  std::vector<std::string> names;
  for (const Recipe& recipe : Recipes()) names.push_back(recipe.name);
  return names;
}

std::string ModelSource(const std::string& name) { return BuiltInModel(name).source; }

Json ToJson(const ModelSpec& model) {
  Json json;
  json["name"] = model.name;
  json["source"] = model.source;
  json["encoders"] = Json::EmptyArray();
  for (const EncoderSpec& encoder : model.encoders) json["encoders"].push_back(EncoderJson(encoder));
  Json llm = ModuleJson(model.llm.name, model.llm.shape);
  llm["vocab"] = model.llm.vocab;
  llm["tied_embeddings"] = model.llm.tied_embeddings;
  llm["frozen"] = model.llm.frozen;
  if (model.llm.multi_token_depth > 0) llm["multi_token"]["depth"] = model.llm.multi_token_depth;
  json["llm"] = llm;
  return json;
}

}  // namespace dflop
