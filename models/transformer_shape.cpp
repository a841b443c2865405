// Reading and writing what layers are.
#include "models/transformer_shape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "models/adapters.hpp"
#include "models/layer_variants.hpp"

namespace dflop {
namespace {

constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxCount = 4096;
constexpr int kMaxWindow = 1'000'000'000;
constexpr int kMaxExperts = 65536;
constexpr double kLeastCapacity = 0.01;

constexpr std::array<std::pair<AdapterTarget, const char*>, 11> kTargetNames = {
    {{AdapterTarget::kQ, "q_proj"},
     {AdapterTarget::kK, "k_proj"},
     {AdapterTarget::kV, "v_proj"},
     {AdapterTarget::kO, "o_proj"},
     {AdapterTarget::kGate, "gate_proj"},
     {AdapterTarget::kUp, "up_proj"},
     {AdapterTarget::kDown, "down_proj"},
     {AdapterTarget::kQDown, "q_a_proj"},
     {AdapterTarget::kQUp, "q_b_proj"},
     {AdapterTarget::kKvDown, "kv_a_proj_with_mqa"},
     {AdapterTarget::kKvUp, "kv_b_proj"}}};

std::string NameOfTarget(AdapterTarget target) {
  return std::find_if(kTargetNames.begin(), kTargetNames.end(), [&](const auto& e) { return e.first == target; })
      ->second;
}

int Whole(const JsonReader& json, const char* key, int min, int max) {
  return static_cast<int>(json.At(key).Int(min, max));
}

int WholeOr(const JsonReader& json, const char* key, int fallback, int min, int max) {
  return static_cast<int>(json.IntOr(key, fallback, min, max));
}

void ReadHeads(const JsonReader& json, TransformerShape& shape) {
  shape.heads = Whole(json, "heads", 1, kMaxCount);
  shape.kv_heads = WholeOr(json, "kv_heads", shape.heads, 1, kMaxCount);
  const bool divides = shape.hidden % shape.heads == 0;
  if (json.Has("head_dim")) {
    const int head_dim = Whole(json, "head_dim", 1, kMaxCount);
    if (!divides || head_dim != shape.hidden / shape.heads) shape.own_head_dim = head_dim;
  } else if (!divides && !json.Has("latent_attention")) {
    json.At("heads").Fail("is " + std::to_string(shape.heads) + ", which does not divide the hidden width " +
                          std::to_string(shape.hidden) + "; head_dim would give their size");
  }
  if (shape.heads % shape.kv_heads != 0) {
    json.At("kv_heads")
        .Fail("is " + std::to_string(shape.kv_heads) + ", which does not divide the " + std::to_string(shape.heads) +
              " heads");
  }
}

void ReadWindow(const JsonReader& json, TransformerShape& shape) {
  for (const char* key : {"window_every", "full_every"}) {
    if (json.Has(key) && !json.Has("window")) json.At(key).Fail("is given without a window");
  }
  if (!json.Has("window")) return;
  shape.window = Whole(json, "window", 1, kMaxWindow);
  if (json.Has("full_every") && json.Has("window_every")) {
    json.At("full_every").Fail("is given beside window_every: one of them says which layers are windowed");
  }
  shape.window_every = WholeOr(json, "window_every", 1, 1, kMaxCount);
  if (json.Has("full_every")) shape.full_every = Whole(json, "full_every", 2, kMaxCount);
  if (shape.full_every > shape.layers) {
    json.At("full_every")
        .Fail("is " + std::to_string(shape.full_every) + ", but there are " + std::to_string(shape.layers) +
              " layers: all have a window, as without it");
  }
  if (shape.window_every > shape.layers) {
    json.At("window_every")
        .Fail("is " + std::to_string(shape.window_every) + ", but there are " + std::to_string(shape.layers) +
              " layers: none has a window");
  }
}

ExpertSpec ReadExperts(const JsonReader& json, const TransformerShape& shape) {
  json.AllowOnly({"count", "top_k", "ffn_hidden", "shared", "every", "first_dense", "capacity_factor", "imbalance"});
  ExpertSpec experts;
  experts.count = Whole(json, "count", 1, kMaxExperts);
  experts.top_k = Whole(json, "top_k", 1, experts.count);
  experts.ffn_hidden = Whole(json, "ffn_hidden", 1, kMaxWidth);
  experts.shared = WholeOr(json, "shared", 0, 0, kMaxCount);
  experts.every = WholeOr(json, "every", 1, 1, kMaxCount);
  experts.first_dense = WholeOr(json, "first_dense", 0, 0, kMaxCount);
  // No expert gets more than every token once: count / top_k times the mean.
  const double most = static_cast<double>(experts.count) / experts.top_k;
  if (const auto capacity = json.FindGiven("capacity_factor")) {
    experts.capacity_factor = capacity->Number(kLeastCapacity, most);
  }
  experts.imbalance = json.NumberOr("imbalance", 1, 1, most);
  if (shape.layers / experts.every * experts.every <= experts.first_dense) {
    json.At(json.Has("every") ? "every" : "first_dense")
        .Fail("leaves none of the " + std::to_string(shape.layers) + " layers with experts");
  }
  return experts;
}

LatentAttention ReadLatent(const JsonReader& json, const JsonReader& module, const TransformerShape& shape) {
  json.AllowOnly({"q_rank", "kv_rank", "rope_head_dim", "nope_head_dim", "v_head_dim"});
  if (shape.kv_heads != shape.heads) {
    module.At("kv_heads").Fail("is given beside latent_attention, whose every head has keys and values of its own");
  }
  if (shape.own_head_dim > 0) {
    module.At("head_dim").Fail("is given beside latent_attention, which has rope_head_dim, nope_head_dim, v_head_dim");
  }
  LatentAttention latent;
  latent.q_rank = WholeOr(json, "q_rank", 0, 0, kMaxWidth);
  latent.kv_rank = Whole(json, "kv_rank", 1, kMaxWidth);
  latent.rope_head_dim = Whole(json, "rope_head_dim", 0, kMaxCount);
  latent.nope_head_dim = Whole(json, "nope_head_dim", 1, kMaxCount);
  latent.v_head_dim = Whole(json, "v_head_dim", 1, kMaxCount);
  return latent;
}

std::vector<int> ReadCrossLayers(const JsonReader& json, const TransformerShape& shape) {
  if (!shape.latent.empty()) {
    json.Fail("is given beside latent_attention, whose keys and values are made of latents of the layer's own tokens");
  }
  std::vector<int> layers = ReadLayerNumbers(json, shape.layers);
  if (static_cast<int>(layers.size()) == shape.layers) {
    json.Fail("names all " + std::to_string(shape.layers) + " layers: one at least sees the sequence itself");
  }
  return layers;
}

Json ExpertsJson(const ExpertSpec& experts) {
  Json json;
  json["count"] = experts.count;
  json["top_k"] = experts.top_k;
  json["ffn_hidden"] = experts.ffn_hidden;
  if (experts.shared > 0) json["shared"] = experts.shared;
  if (experts.every > 1) json["every"] = experts.every;
  if (experts.first_dense > 0) json["first_dense"] = experts.first_dense;
  if (experts.capacity_factor > 0) json["capacity_factor"] = experts.capacity_factor;
  if (experts.imbalance > 1) json["imbalance"] = experts.imbalance;
  return json;
}

Json LatentJson(const LatentAttention& latent) {
  Json json;
  json["q_rank"] = latent.q_rank;
  json["kv_rank"] = latent.kv_rank;
  json["rope_head_dim"] = latent.rope_head_dim;
  json["nope_head_dim"] = latent.nope_head_dim;
  json["v_head_dim"] = latent.v_head_dim;
  return json;
}

Json LoraJson(const LoraSpec& lora) {
  Json json;
  json["rank"] = lora.rank;
  json["targets"] = Json::EmptyArray();
  for (const AdapterTarget target : lora.targets) json["targets"].push_back(NameOfTarget(target));
  return json;
}

}  // namespace

bool LoraSpec::Has(AdapterTarget target) const {
  return std::find(targets.begin(), targets.end(), target) != targets.end();
}

std::vector<std::string> TransformerKeys(bool is_llm) {
  std::vector<std::string> keys = {"hidden",   "ffn_hidden", "layers", "heads",        "kv_heads",  "gated_ffn",
                                   "head_dim", "window",     "lora",   "window_every", "full_every"};
  if (is_llm) keys.insert(keys.end(), {"experts", "latent_attention", "cross_attention_layers"});
  return keys;
}

TransformerShape ReadTransformerShape(const JsonReader& json, bool is_llm) {
  TransformerShape shape;
  shape.hidden = Whole(json, "hidden", 1, kMaxWidth);
  shape.ffn_hidden = Whole(json, "ffn_hidden", 1, kMaxWidth);
  shape.layers = Whole(json, "layers", 1, kMaxCount);
  ReadHeads(json, shape);
  shape.gated_ffn = json.BoolOr("gated_ffn", false);
  ReadWindow(json, shape);
  if (is_llm) {
    if (const auto experts = json.Find("experts")) shape.experts = ReadExperts(*experts, shape);
    if (const auto latent = json.Find("latent_attention")) shape.latent = ReadLatent(*latent, json, shape);
    if (const auto cross = json.FindGiven("cross_attention_layers")) {
      shape.cross_layers = ReadCrossLayers(*cross, shape);
    }
  }
  if (const auto lora = json.Find("lora")) shape.lora = ReadLora(*lora, shape);
  return shape;
}

LoraSpec ReadLora(const JsonReader& json, const TransformerShape& shape) {
  json.AllowOnly({"rank", "targets"});
  LoraSpec lora;
  lora.rank = Whole(json, "rank", 1, kMaxWidth);
  const std::vector<AdapterTarget> present = AdaptableMaps(shape);
  const JsonReader targets = json.At("targets");
  if (targets.IsString()) {
    targets.OneOf({"all"});
    lora.targets = present;
    return lora;
  }
  std::vector<std::string> names;
  names.reserve(std::size(kTargetNames));
  for (const auto& entry : kTargetNames) names.emplace_back(entry.second);
  std::vector<std::string> here;
  here.reserve(present.size());
  for (const AdapterTarget target : present) here.push_back(NameOfTarget(target));
  for (const JsonReader& element : targets.Elements()) {
    const std::string name = element.OneOf(names);
    const auto target = std::find_if(kTargetNames.begin(), kTargetNames.end(), [&](const auto& entry) {
                          return name == entry.second;
                        })->first;
    if (std::find(present.begin(), present.end(), target) == present.end()) {
      element.Fail("is " + JsonQuote(name) + ", which these layers do not have; they have " + JoinNames(here));
    }
    if (lora.Has(target)) element.Fail("is " + JsonQuote(name) + ", which stands in the list already");
    lora.targets.push_back(target);
  }
  if (lora.targets.empty())
    targets.Fail("is empty: adapters need something to adapt, \"all\" or some of " + JoinNames(here));
  return lora;
}

std::vector<int> ReadLayerNumbers(const JsonReader& json, int layers) {
  std::vector<int> numbers;
  for (const JsonReader& element : json.Elements()) {
    if (layers < 1) element.Fail("names a layer where there is none to name");
    const int layer = static_cast<int>(element.Int(0, layers - 1));
    if (!numbers.empty() && layer <= numbers.back()) {
      element.Fail("is " + std::to_string(layer) + " behind " + std::to_string(numbers.back()) +
                   ": layers are named once and in rising order, counted from 0");
    }
    numbers.push_back(layer);
  }
  return numbers;
}

void AddTransformerShape(const TransformerShape& shape, Json& json) {
  json["hidden"] = shape.hidden;
  json["ffn_hidden"] = shape.ffn_hidden;
  json["layers"] = shape.layers;
  json["heads"] = shape.heads;
  json["kv_heads"] = shape.kv_heads;
  json["gated_ffn"] = shape.gated_ffn;
  if (shape.own_head_dim > 0) json["head_dim"] = shape.own_head_dim;
  if (shape.window > 0) json["window"] = shape.window;
  if (shape.window > 0 && shape.window_every > 1) json["window_every"] = shape.window_every;
  if (shape.full_every > 0) json["full_every"] = shape.full_every;
  if (!shape.experts.empty()) json["experts"] = ExpertsJson(shape.experts);
  if (!shape.latent.empty()) json["latent_attention"] = LatentJson(shape.latent);
  if (!shape.lora.empty()) json["lora"] = LoraJson(shape.lora);
  if (shape.has_cross_layers()) json["cross_attention_layers"] = Json::ArrayOf(shape.cross_layers);
}

}  // namespace dflop
