// A layout in plan files: stages and groups as they are, so that any plan a planner may invent can be stored.
#include <array>
#include <utility>

#include "base/error.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {
namespace {

constexpr int kMaxGpus = 1 << 24;
constexpr int kMaxCount = 1 << 20;
constexpr int kMostSplits = 1024;

/// What is written only where it is not 1.
std::array<std::pair<const char*, int>, 4> OtherDegrees(const Mesh& mesh) {
  return {{{"data_split", mesh.data_split}, {"cp", mesh.cp}, {"ep", mesh.ep}, {"etp", mesh.etp}}};
}

Json PartToJson(const ModulePart& part) {
  Json json;
  json["module"] = part.module;
  json["first_layer"] = part.first_layer;
  json["layers"] = part.layers;
  json["has_input"] = part.has_input;
  json["has_output"] = part.has_output;
  json["tp"] = part.mesh.tp;
  json["sequence_parallel"] = part.mesh.sequence_parallel;
  const Mesh& mesh = part.mesh;
  for (const auto& [name, degree] : OtherDegrees(mesh)) {
    if (degree != 1) json[name] = degree;
  }
  return json;
}

ModulePart ReadPart(const JsonReader& json) {
  json.AllowOnly({"module", "first_layer", "layers", "has_input", "has_output", "tp", "sequence_parallel", "data_split",
                  "cp", "ep", "etp"});
  const auto degree = [&](const char* name) { return static_cast<int>(json.IntOr(name, 1, 1, 1024)); };
  return {.module = static_cast<int>(json.At("module").Int(0, 16)),
          .first_layer = static_cast<int>(json.At("first_layer").Int(0, kMaxCount)),
          .layers = static_cast<int>(json.At("layers").Int(0, kMaxCount)),
          .has_input = json.At("has_input").Bool(),
          .has_output = json.At("has_output").Bool(),
          .mesh = {.tp = static_cast<int>(json.At("tp").Int(1, 1024)),
                   .cp = degree("cp"),
                   .data_split = degree("data_split"),
                   .sequence_parallel = json.At("sequence_parallel").Bool(),
                   .ep = degree("ep"),
                   .etp = degree("etp")}};
}

Json DegreesToJson(const ModuleDegrees& degrees) {
  Json json;
  json["tp"] = degrees.tp;
  json["pp"] = degrees.pp;
  json["dp"] = degrees.dp;
  json["sequence_parallel"] = degrees.sequence_parallel;
  for (const auto& [name, degree] : {std::pair("cp", degrees.cp), {"ep", degrees.ep}, {"etp", degrees.etp}}) {
    if (degree != 1) json[name] = degree;
  }
  return json;
}

ModuleDegrees ReadDegrees(const JsonReader& json) {
  json.AllowOnly({"tp", "pp", "dp", "sequence_parallel", "cp", "ep", "etp"});
  const auto other = [&](const char* name) { return static_cast<int>(json.IntOr(name, 1, 1, 1024)); };
  return {.tp = static_cast<int>(json.At("tp").Int(1, 1024)),
          .pp = static_cast<int>(json.At("pp").Int(1, kMaxCount)),
          .dp = static_cast<int>(json.At("dp").Int(1, kMaxCount)),
          .sequence_parallel = json.BoolOr("sequence_parallel", false),
          .cp = other("cp"),
          .ep = other("ep"),
          .etp = other("etp")};
}

/// Two sorts of plans are stored: every module in a pipeline of its own that feeds the LLM's, or all in one.
void ReadPipelines(const JsonReader& json, Layout& layout) {
  const bool separate = json.At("separate_encoders").Bool();
  const std::vector<JsonReader> modules = json.At("degrees").Elements();
  if (modules.empty()) json.At("degrees").Fail("is empty, one entry per module is wanted");
  const int llm = static_cast<int>(modules.size()) - 1;
  if (separate && layout.directions > 1) {
    json.At("directions").Fail("is " + std::to_string(layout.directions) + "; with encoders on devices of their own 1");
  }
  for (int module = 0; module <= llm; ++module) {
    const int replicas = ReadDegrees(modules[Index(module)]).dp * layout.directions;
    layout.pipelines.push_back(separate ? module : 0);
    if (separate || module == llm) layout.replicas.push_back(replicas);
    if (separate && module < llm) layout.edges.push_back({module, llm});
  }
}

/// Copies of a module inside a device group count among its degrees, but are no replicas.
void TakeOutSplits(Layout& layout) {
  std::vector<bool> seen(layout.pipelines.size());
  for (const Stage& stage : layout.stages) {
    const ModulePart& part = stage.parts.front();
    if (Index(part.module) >= seen.size() || seen[Index(part.module)]) continue;
    seen[Index(part.module)] = true;
    if (layout.feeds(part.module)) layout.replicas[Index(layout.pipelines[Index(part.module)])] /= part.mesh.data_split;
  }
}

/// Degrees are there for readers: they repeat what the stages say. A part that fits neither module nor group is told of
/// by itself.
void CheckDegrees(const JsonReader& degrees, const Layout& layout) {
  std::vector<int> tp;
  for (const JsonReader& module : degrees.Elements()) tp.push_back(ReadDegrees(module).tp);
  for (const Stage& stage : layout.stages) {
    for (const ModulePart& part : stage.parts) {
      const auto module = Index(part.module);
      const bool fits = module < tp.size() && part.mesh.ranks() == layout.groups[Index(stage.group)].size;
      if (!fits || tp[module] == part.mesh.tp) continue;
      degrees.Elements()[module].At("tp").Fail("is " + std::to_string(tp[module]) + ", the stages say " +
                                               std::to_string(part.mesh.tp));
    }
  }
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

PlacementOrder ReadPlacementOrder(const JsonReader& json) {
  if (json.IsArray()) return PlacementOrder::kGiven;
  if (!json.IsString()) json.Fail("is neither an order, as \"tp-cp-ep-dp-pp\", nor a list of GPUs");
  const std::string order = json.OneOf({"tp-cp-ep-dp-pp", "tp-cp-ep-pp-dp", "tp-dp-pp", "tp-pp-dp"});
  return order.ends_with("dp-pp") ? PlacementOrder::kReplicas : PlacementOrder::kStages;
}

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
  if (layout.splits > 1) json["splits"] = layout.splits;
  json["depth"] = layout.depth;
  if (layout.directions > 1) json["directions"] = layout.directions;
  json["separate_encoders"] = layout.joins();
  json["communicator"] = ToJson(layout.communicator);
  json["degrees"] = Json::EmptyArray();
  for (const ModuleDegrees& degrees : DegreesOf(layout)) json["degrees"].push_back(DegreesToJson(degrees));
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
  json.AllowOnly({"name", "microbatches", "splits", "depth", "directions", "separate_encoders", "communicator",
                  "degrees", "groups", "stages"});
  Layout layout;
  layout.name = json.At("name").String();
  layout.microbatches = static_cast<int>(json.At("microbatches").Int(1, kMaxCount));
  layout.splits = static_cast<int>(json.IntOr("splits", 1, 1, kMostSplits));
  layout.depth = static_cast<int>(json.At("depth").Int(1, kMaxCount));
  layout.directions = static_cast<int>(json.IntOr("directions", 1, 1, 2));
  layout.communicator = ReadCommunicator(json.At("communicator"));
  ReadPipelines(json, layout);
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
  TakeOutSplits(layout);
  CheckDegrees(json.At("degrees"), layout);
  return layout;
}

}  // namespace dflop
