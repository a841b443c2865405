// Events in order of their start, ties in the order of the graph; dflop/timeline/1 is written and read here.
#include "sim/measure/timeline.hpp"

#include <algorithm>

#include "base/json_file.hpp"
#include "sim/graph/op_kind.hpp"

namespace dflop {
namespace {

std::string StageLabel(const Stage& stage, const ModelSpec& model) {
  std::string label;
  for (const ModulePart& part : stage.parts) {
    label += (label.empty() ? "" : " + ") + model.module_name(part.module) + " layers " +
             std::to_string(part.first_layer) + "–" + std::to_string(part.first_layer + part.layers - 1);
  }
  return label + ", replica " + std::to_string(stage.replica);
}

Json StageToJson(int index, const Layout& layout, const ModelSpec& model) {
  const Stage& stage = layout.stages[static_cast<std::size_t>(index)];
  const DeviceGroup& group = layout.groups[static_cast<std::size_t>(stage.group)];
  Json json;
  json["index"] = index;
  json["replica"] = stage.replica;
  json["depth"] = stage.depth;
  if (!layout.feeds(stage.parts.front().module) && layout.DirectionOf(stage.replica) > 0) json["goes_up"] = true;
  json["group"] = stage.group;
  json["modules"] = Json::EmptyArray();
  json["module_names"] = Json::EmptyArray();
  for (const ModulePart& part : stage.parts) {
    json["modules"].push_back(part.module);
    json["module_names"].push_back(model.module_name(part.module));
  }
  json["first_gpu"] = group.first_gpu;
  json["gpus"] = group.size;
  json["label"] = StageLabel(stage, model);
  return json;
}

Json EventToJson(const TimelineEvent& event) {
  Json json;
  json["kind"] = KindName(event.kind);
  json["stage"] = event.stage;
  if (event.to_stage >= 0) json["to_stage"] = event.to_stage;
  json["microbatch"] = event.microbatch;
  json["group"] = event.group;
  json["start_s"] = event.start.value();
  json["end_s"] = event.end.value();
  return json;
}

Json TimelineHead(const Timeline& timeline, const Layout& layout, const ModelSpec& model,
                  const std::vector<bool>& drawn) {
  Json json;
  json["schema"] = "dflop/timeline/1";
  json["model"] = model.name;
  json["modules"] = Json::EmptyArray();
  for (int module = 0; module < model.module_count(); ++module) json["modules"].push_back(model.module_name(module));
  json["stages"] = Json::EmptyArray();
  for (int s = 0; s < static_cast<int>(layout.stages.size()); ++s) {
    if (IsDrawn(layout, s, -1, drawn)) json["stages"].push_back(StageToJson(s, layout, model));
  }
  json["makespan_s"] = timeline.makespan.value();
  if (layout.splits > 1) json["splits"] = layout.splits;
  return json;
}

TimelineEvent ReadEvent(const JsonReader& json) {
  json.AllowOnly({"kind", "stage", "to_stage", "microbatch", "group", "start_s", "end_s"});
  constexpr int kMax = 1 << 24;
  TimelineEvent event;
  event.kind = ReadKind(json.At("kind"));
  event.stage = static_cast<int>(json.At("stage").Int(-1, kMax));
  event.to_stage = static_cast<int>(json.IntOr("to_stage", -1, -1, kMax));
  event.microbatch = static_cast<int>(json.At("microbatch").Int(-1, kMax));
  event.group = static_cast<int>(json.At("group").Int(-1, kMax));
  event.start = Seconds(json.At("start_s").Number(0, kLongestTimeline));
  event.end = Seconds(json.At("end_s").Number(event.start.value(), kLongestTimeline));
  return event;
}

template <typename Selector>
Timeline TimelineOf(const OperationGraph& graph, const OperationTimes& times, Selector shows) {
  Timeline timeline;
  timeline.makespan = times.makespan;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& operation = graph.operations[i];
    if (!IsEvent(graph, operation) || !shows(operation)) continue;
    timeline.events.push_back({operation.kind, operation.stage, operation.to_stage, operation.microbatch,
                               ComputingGroup(graph, operation), times.start[i], times.end[i]});
  }
  std::stable_sort(timeline.events.begin(), timeline.events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) { return a.start < b.start; });
  return timeline;
}

}  // namespace

bool IsEvent(const OperationGraph& graph, const Operation& operation) {
  return ComputingGroup(graph, operation) >= 0 || operation.communication >= 0;
}

int ComputingGroup(const OperationGraph& graph, const Operation& operation) {
  return operation.queue < graph.groups ? operation.queue : -1;
}

bool IsDrawn(const Layout& layout, int stage, int to_stage, const std::vector<bool>& drawn) {
  const auto shows = [&](int s) {
    return s < 0 || drawn[static_cast<std::size_t>(layout.stages[static_cast<std::size_t>(s)].group)];
  };
  return shows(stage) && shows(to_stage);
}

Timeline MakeTimeline(const OperationGraph& graph, const OperationTimes& times) {
  return TimelineOf(graph, times, [](const Operation&) { return true; });
}

Timeline MakeTimeline(const OperationGraph& graph, const OperationTimes& times, const Layout& layout,
                      const std::vector<bool>& drawn) {
  return TimelineOf(graph, times, [&](const Operation& operation) {
    return IsDrawn(layout, operation.stage, operation.to_stage, drawn);
  });
}

Json TimelineToJson(const Timeline& timeline, const Layout& layout, const ModelSpec& model) {
  Json json = TimelineHead(timeline, layout, model, std::vector<bool>(layout.groups.size(), true));
  json["events"] = Json::EmptyArray();
  for (const TimelineEvent& event : timeline.events) json["events"].push_back(EventToJson(event));
  return json;
}

void WriteTimeline(const std::string& path, const Timeline& timeline, const Layout& layout, const ModelSpec& model,
                   const std::vector<bool>& drawn, const Json& more) {
  JsonFile file(path);
  const Json head = TimelineHead(timeline, layout, model, drawn);
  for (const Json::Member& member : head.as<Json::Object>()) file.Member(member.key, member.value);
  file.Member("device_groups", layout.groups.size());
  file.OpenArray("events");
  for (const TimelineEvent& event : timeline.events) {
    if (IsDrawn(layout, event.stage, event.to_stage, drawn)) file.Element(EventToJson(event));
  }
  file.CloseArray();
  for (const Json::Member& member : more.as<Json::Object>()) file.Member(member.key, member.value);
  file.Close();
}

Timeline ReadTimeline(const JsonReader& json) {
  json.CheckSchema("dflop/timeline/1", true);
  Timeline timeline;
  timeline.makespan = Seconds(json.At("makespan_s").Number(0, kLongestTimeline));
  timeline.events = ReadTimelineEvents(json.At("events"));
  return timeline;
}

std::vector<TimelineEvent> ReadTimelineEvents(const JsonReader& json) {
  std::vector<TimelineEvent> events;
  for (const JsonReader& event : json.Elements()) events.push_back(ReadEvent(event));
  return events;
}

}  // namespace dflop
