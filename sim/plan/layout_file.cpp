// A layout in plan files: stages and groups as they are, so that any plan a planner may invent can be stored.
#include "base/error.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {
namespace {

constexpr int kMaxGpus = 1 << 24;
constexpr int kMaxCount = 1 << 20;

Json PartToJson(const ModulePart& part) {
  Json json;
  json["module"] = part.module;
  json["first_layer"] = part.first_layer;
  json["layers"] = part.layers;
  json["has_input"] = part.has_input;
  json["has_output"] = part.has_output;
  json["tp"] = part.tensor_parallel;
  json["sequence_parallel"] = part.sequence_parallel;
  if (part.data_split > 1) json["data_split"] = part.data_split;
  return json;
}

ModulePart ReadPart(const JsonReader& json) {
  json.AllowOnly(
      {"module", "first_layer", "layers", "has_input", "has_output", "tp", "sequence_parallel", "data_split"});
  return {.module = static_cast<int>(json.At("module").Int(0, 16)),
          .first_layer = static_cast<int>(json.At("first_layer").Int(0, kMaxCount)),
          .layers = static_cast<int>(json.At("layers").Int(1, kMaxCount)),
          .has_input = json.At("has_input").Bool(),
          .has_output = json.At("has_output").Bool(),
          .tensor_parallel = static_cast<int>(json.At("tp").Int(1, 1024)),
          .sequence_parallel = json.At("sequence_parallel").Bool(),
          .data_split = static_cast<int>(json.IntOr("data_split", 1, 1, 1024))};
}

Json DegreesToJson(const ModuleDegrees& degrees) {
  Json json;
  json["tp"] = degrees.tp;
  json["pp"] = degrees.pp;
  json["dp"] = degrees.dp;
  json["sequence_parallel"] = degrees.sequence_parallel;
  return json;
}

ModuleDegrees ReadDegrees(const JsonReader& json) {
  json.AllowOnly({"tp", "pp", "dp", "sequence_parallel"});
  return {static_cast<int>(json.At("tp").Int(1, 1024)), static_cast<int>(json.At("pp").Int(1, kMaxCount)),
          static_cast<int>(json.At("dp").Int(1, kMaxCount)), json.BoolOr("sequence_parallel", false)};
}

Stage ReadStage(const JsonReader& json, int groups) {
  json.AllowOnly({"replica", "depth", "group", "parts"});
  Stage stage;
  stage.replica = static_cast<int>(json.At("replica").Int(0, kMaxCount));
  stage.depth = static_cast<int>(json.At("depth").Int(0, kMaxCount));
  stage.group = static_cast<int>(json.At("group").Int(0, groups - 1));
  for (const JsonReader& part : json.At("parts").Elements()) stage.parts.push_back(ReadPart(part));
  if (stage.parts.empty()) json.At("parts").Fail("is empty, a stage holds at least one part of a module");
  return stage;
}

}  // namespace

Json ToJson(const Communicator& communicator) {
  const char* name = communicator.hub() ? "hub" : "direct";
  if (!communicator.blocking) return name;
  Json json;
  json["name"] = name;
  json["blocking"] = true;
  return json;
}

Communicator ReadCommunicator(const JsonReader& json) {
  const bool object = json.IsObject();
  if (object) json.AllowOnly({"name", "blocking"});
  const bool hub = (object ? json.At("name") : json).OneOf({"hub", "direct"}) == "hub";
  return {hub ? Communicator::Route::kHub : Communicator::Route::kDirect, object && json.BoolOr("blocking", false)};
}

Json ToJson(const Layout& layout) {
  Json json;
  json["name"] = layout.name;
  json["microbatches"] = layout.microbatches;
  json["depth"] = layout.depth;
  json["separate_encoders"] = layout.separate_encoders;
  json["communicator"] = ToJson(layout.communicator);
  json["degrees"] = Json::EmptyArray();
  for (const ModuleDegrees& degrees : layout.degrees) json["degrees"].push_back(DegreesToJson(degrees));
  json["groups"] = Json::EmptyArray();
  for (const DeviceGroup& group : layout.groups) {
    Json entry;
    entry["first_gpu"] = group.first_gpu;
    entry["gpus"] = group.size;
    json["groups"].push_back(entry);
  }
  json["stages"] = Json::EmptyArray();
  for (const Stage& stage : layout.stages) {
    Json entry;
    entry["replica"] = stage.replica;
    entry["depth"] = stage.depth;
    entry["group"] = stage.group;
    entry["parts"] = Json::EmptyArray();
    for (const ModulePart& part : stage.parts) entry["parts"].push_back(PartToJson(part));
    json["stages"].push_back(entry);
  }
  return json;
}

Layout ReadLayout(const JsonReader& json) {
  json.AllowOnly({"name", "microbatches", "depth", "separate_encoders", "communicator", "degrees", "groups", "stages"});
  Layout layout;
  layout.name = json.At("name").String();
  layout.microbatches = static_cast<int>(json.At("microbatches").Int(1, kMaxCount));
  layout.depth = static_cast<int>(json.At("depth").Int(1, kMaxCount));
  layout.separate_encoders = json.At("separate_encoders").Bool();
  layout.communicator = ReadCommunicator(json.At("communicator"));
  for (const JsonReader& degrees : json.At("degrees").Elements()) layout.degrees.push_back(ReadDegrees(degrees));
  if (layout.degrees.empty()) json.At("degrees").Fail("is empty, one entry per module is wanted");
  for (const JsonReader& group : json.At("groups").Elements()) {
    group.AllowOnly({"first_gpu", "gpus"});
    layout.groups.push_back(
        {static_cast<int>(group.At("first_gpu").Int(0, kMaxGpus)), static_cast<int>(group.At("gpus").Int(1, 1024))});
  }
  if (layout.groups.empty()) json.At("groups").Fail("is empty, at least one device group is wanted");
  for (const JsonReader& stage : json.At("stages").Elements()) {
    layout.stages.push_back(ReadStage(stage, static_cast<int>(layout.groups.size())));
  }
  if (layout.stages.empty()) json.At("stages").Fail("is empty, at least one stage is wanted");
  return layout;
}

}  // namespace dflop
