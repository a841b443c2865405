// The document dflop/model-profile/1: what `dflop profile` writes and a result keeps.
#include <limits>

#include "models/model_profile.hpp"

namespace dflop {
namespace {

constexpr double kHuge = std::numeric_limits<double>::max();

Json CurveJson(const ThroughputCurve& curve, const char* unit) {
  std::vector<double> sizes;
  std::vector<double> rates;
  for (const ThroughputCurve::Point& point : curve.points()) {
    sizes.push_back(point.size);
    rates.push_back(point.rate.value());
  }
  Json json;
  json[unit] = Json::ArrayOf(sizes);
  json["flops_per_s"] = Json::ArrayOf(rates);
  return json;
}

Json LineJson(const LayerLine& line) {
  Json json;
  json["per_layer_bytes"] = line.per_layer.value();
  json["first_stage_bytes"] = line.first.value();
  json["last_stage_bytes"] = line.last.value();
  json["only_stage_bytes"] = line.only.value();
  return json;
}

Json RankJson(const RankProfile& rank, bool is_llm) {
  Json json;
  json["tp"] = rank.tp;
  if (is_llm) {
    json["linear"] = CurveJson(rank.linear, "tokens");
    json["attention"] = CurveJson(rank.attention, "tokens");
  } else {
    json["throughput"] = CurveJson(rank.linear, "tiles");
  }
  json["weights_and_gradients"] = LineJson(rank.weights_and_gradients);
  json["optimizer"] = LineJson(rank.optimizer);
  json[is_llm ? "activation_bytes_per_token" : "activation_bytes_per_tile"] = rank.activations.value();
  if (is_llm) json["activation_bytes_per_squared_token"] = rank.square_activations.value();
  return json;
}

Json ModuleJson(const ModuleProfile& module) {
  Json json;
  json["module"] = module.name;
  json["layers"] = module.layers;
  json[module.is_llm ? "linear_flops_per_token" : "flops_per_tile"] = module.linear_flops.value();
  if (module.is_llm) json["attention_flops_per_squared_token"] = module.attention_flops.value();
  json["optimizer_divided_by_replicas"] = module.shards_optimizer;
  json["tensor_parallel"] = Json::EmptyArray();
  for (const RankProfile& rank : module.ranks) json["tensor_parallel"].push_back(RankJson(rank, module.is_llm));
  return json;
}

std::vector<double> Numbers(const JsonReader& list) {
  std::vector<double> numbers;
  for (const JsonReader& number : list.Elements()) numbers.push_back(number.Number(0, kHuge));
  return numbers;
}

ThroughputCurve ReadCurve(const JsonReader& json, const char* unit) {
  const std::vector<double> sizes = Numbers(json.At(unit));
  const std::vector<double> rates = Numbers(json.At("flops_per_s"));
  if (sizes.empty() || sizes.size() != rates.size()) json.Fail("wants a rate for every size, and one at least");
  std::vector<ThroughputCurve::Point> points;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (rates[i] <= 0 || sizes[i] <= (i == 0 ? 0 : sizes[i - 1])) {
      json.Fail("wants rates above 0 and sizes that rise from above 0");
    }
    points.push_back({sizes[i], FlopsPerSecond(rates[i])});
  }
  return ThroughputCurve(std::move(points));
}

Bytes ReadBytes(const JsonReader& json, const char* key) { return Bytes(json.At(key).Number(0, kHuge)); }

LayerLine ReadLine(const JsonReader& json) {
  return {ReadBytes(json, "per_layer_bytes"), ReadBytes(json, "first_stage_bytes"), ReadBytes(json, "last_stage_bytes"),
          ReadBytes(json, "only_stage_bytes")};
}

RankProfile ReadRank(const JsonReader& json, bool is_llm) {
  RankProfile rank;
  rank.tp = static_cast<int>(json.At("tp").Int(1, std::numeric_limits<int>::max()));
  if (is_llm) {
    rank.linear = ReadCurve(json.At("linear"), "tokens");
    rank.attention = ReadCurve(json.At("attention"), "tokens");
    rank.square_activations = ReadBytes(json, "activation_bytes_per_squared_token");
  } else {
    rank.linear = ReadCurve(json.At("throughput"), "tiles");
  }
  rank.weights_and_gradients = ReadLine(json.At("weights_and_gradients"));
  rank.optimizer = ReadLine(json.At("optimizer"));
  rank.activations = ReadBytes(json, is_llm ? "activation_bytes_per_token" : "activation_bytes_per_tile");
  return rank;
}

ModuleProfile ReadModule(const JsonReader& json) {
  ModuleProfile module;
  module.name = json.At("module").String();
  module.is_llm = json.Has("linear_flops_per_token");
  module.layers = static_cast<int>(json.At("layers").Int(1, std::numeric_limits<int>::max()));
  module.shards_optimizer = json.At("optimizer_divided_by_replicas").Bool();
  module.linear_flops = Flops(json.At(module.is_llm ? "linear_flops_per_token" : "flops_per_tile").Number(0, kHuge));
  if (module.is_llm) module.attention_flops = Flops(json.At("attention_flops_per_squared_token").Number(0, kHuge));
  const JsonReader ranks = json.At("tensor_parallel");
  if (ranks.Size() == 0) ranks.Fail("is empty, at least one degree is wanted");
  for (const JsonReader& rank : ranks.Elements()) module.ranks.push_back(ReadRank(rank, module.is_llm));
  return module;
}

}  // namespace

Json ToJson(const ModelProfile& profile) {
  Json json;
  json["schema"] = "dflop/model-profile/1";
  json["model"] = profile.model;
  json["source"] = profile.source;
  json["modules"] = Json::EmptyArray();
  for (const ModuleProfile& module : profile.modules) json["modules"].push_back(ModuleJson(module));
  return json;
}

ModelProfile ReadModelProfile(const JsonReader& json) {
  json.CheckSchema("dflop/model-profile/1", true);
  ModelProfile profile{json.At("model").String(), json.At("source").String(), {}};
  for (const JsonReader& module : json.At("modules").Elements()) profile.modules.push_back(ReadModule(module));
  return profile;
}

}  // namespace dflop
