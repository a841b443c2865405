// The LLM is the last of the timeline's modules; whatever stands before it is an encoder.
#include "experiments/results/picture.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/json_reader.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {
namespace {

constexpr std::int64_t kMostCount = 100'000'000;

std::vector<std::string> ModuleNames(const JsonReader& timeline, const JsonReader& stage) {
  std::vector<std::string> names;
  if (const auto given = stage.Find("module_names")) {
    for (const JsonReader& name : given->Elements()) names.push_back(name.String());
  } else if (const auto indices = stage.Find("modules")) {
    for (const JsonReader& index : indices->Elements()) {
      const auto i = static_cast<std::size_t>(index.Int(0, kMostCount));
      names.push_back(timeline.At("modules").Element(i).String());
    }
  }
  if (names.empty()) stage.Fail("says neither module_names nor modules");
  return names;
}

/// The LLM is the last of the timeline's modules; whatever stands before it is an encoder.
Side SideOf(const std::vector<std::string>& names, const std::string& llm) {
  const bool has_llm = std::find(names.begin(), names.end(), llm) != names.end();
  if (!has_llm) return Side::kEncoder;
  return names.size() > 1 ? Side::kShared : Side::kLlm;
}

std::string GpuRange(const JsonReader& stage) {
  if (!stage.Has("first_gpu")) return "";
  const std::int64_t first = stage.At("first_gpu").Int(0, kMostCount);
  const std::int64_t count = stage.IntOr("gpus", 1, 1, kMostCount);
  if (count == 1) return "GPU " + std::to_string(first);
  return "GPUs " + std::to_string(first) + "–" + std::to_string(first + count - 1);
}

/// "LLM layers 8–15" for "llama3-8b layers 8–15, replica 0": a lone encoder goes by what it is as well.
std::string PartsInWords(const JsonReader& timeline, const JsonReader& stage, const std::string& modules) {
  std::string words = stage.StringOr("label", modules);
  if (const std::size_t replica = words.rfind(", replica "); replica != std::string::npos) words.resize(replica);
  const std::vector<JsonReader> names = timeline.At("modules").Elements();
  for (const JsonReader& module : names) {
    const bool is_llm = &module == &names.back();
    const std::string name = module.String();
    const std::size_t place = words.find(name);
    if (place == std::string::npos || (!is_llm && names.size() > 2)) continue;
    words.replace(place, name.size(), is_llm ? "LLM" : "encoder");
  }
  return words;
}

PictureStage ReadStage(const JsonReader& timeline, const JsonReader& stage, const std::string& llm) {
  const std::vector<std::string> names = ModuleNames(timeline, stage);
  PictureStage out;
  out.replica = static_cast<int>(stage.At("replica").Int(0, kMostCount));
  out.depth = static_cast<int>(stage.At("depth").Int(0, kMostCount));
  out.group = static_cast<int>(stage.At("group").Int(0, kMostCount));
  out.goes_up = stage.BoolOr("goes_up", false);
  out.side = SideOf(names, llm);
  for (const std::string& name : names) out.modules += (out.modules.empty() ? "" : " + ") + name;
  out.parts = PartsInWords(timeline, stage, out.modules);
  if (const auto modules = stage.Find("modules"); modules && modules->Size() > 0) {
    out.module = static_cast<int>(modules->Elements().back().Int(0, kMostCount));
  }
  out.gpus = GpuRange(stage);
  out.gpu_count = static_cast<int>(stage.IntOr("gpus", 1, 1, kMostCount));
  return out;
}

/// As point_run.cpp writes them: [{"module": 0, "replica": 0, "microbatches": [[3, 7], …]}, …].
void ReadSamples(const JsonReader& timeline, StepPicture& picture) {
  const auto samples = timeline.Find("samples");
  if (!samples) return;
  for (const JsonReader& entry : samples->Elements()) {
    const auto module = static_cast<int>(entry.At("module").Int(0, kMostCount));
    auto& microbatches = picture.samples[{module, static_cast<int>(entry.At("replica").Int(0, kMostCount))}];
    for (const JsonReader& numbers : entry.At("microbatches").Elements()) {
      std::vector<int>& microbatch = microbatches.emplace_back();
      for (const JsonReader& number : numbers.Elements()) {
        microbatch.push_back(static_cast<int>(number.Int(0, kMostCount)));
      }
    }
  }
}

/// A stage of the layout by its place among those in the file; −1 for none.
int ReadStageOf(const JsonReader& event, std::string_view key, const std::map<std::int64_t, int>& places) {
  const std::int64_t index = event.IntOr(key, -1, -1, kMostCount);
  if (index < 0) return -1;
  const auto found = places.find(index);
  if (found == places.end()) event.At(key).Fail("is none of the stages");
  return found->second;
}

PictureEvent ReadEvent(const JsonReader& event, const std::map<std::int64_t, int>& places) {
  PictureEvent out;
  out.kind = event.At("kind").String();
  out.stage = ReadStageOf(event, "stage", places);
  const int waiting = ReadStageOf(event, "to_stage", places);
  if (waiting >= 0) out.from_stage = std::exchange(out.stage, waiting);
  out.microbatch = static_cast<int>(event.IntOr("microbatch", -1, -1, kMostCount));
  out.start_s = event.At("start_s").Number(0, kLongestTimeline);
  out.end_s = event.At("end_s").Number(out.start_s, kLongestTimeline);
  return out;
}

}  // namespace

StepPicture ReadPicture(const std::string& path) {
  const Json document = ReadJsonFile(path);
  const JsonReader timeline(document, path);
  timeline.CheckSchema("dflop/timeline/1", true);
  StepPicture picture;
  picture.makespan_s = timeline.At("makespan_s").Number(kShortestTimeline, kLongestTimeline);
  const std::vector<JsonReader> modules = timeline.At("modules").Elements();
  if (modules.empty()) timeline.At("modules").Fail("is empty");
  const std::string llm = modules.back().String();
  std::map<std::int64_t, int> places;  // by index in the layout
  std::set<int> groups;
  for (const JsonReader& stage : timeline.At("stages").Elements()) {
    const int place = static_cast<int>(picture.stages.size());
    places[stage.IntOr("index", place, 0, kMostCount)] = place;
    picture.stages.push_back(ReadStage(timeline, stage, llm));
    groups.insert(picture.stages.back().group);
  }
  const auto drawn = static_cast<std::int64_t>(groups.size());
  picture.device_groups = static_cast<std::size_t>(timeline.IntOr("device_groups", drawn, drawn, kMostCount));
  picture.splits = static_cast<int>(timeline.IntOr("splits", 1, 1, kMostCount));
  if (const auto flops = timeline.Find("hardware_flops")) {
    for (std::size_t s = 0; s < std::min(flops->Size(), picture.stages.size()); ++s) {
      picture.stages[s].hardware_flops = flops->Element(s).Number(0, std::numeric_limits<double>::max());
    }
  }
  for (const JsonReader& event : timeline.At("events").Elements()) picture.events.push_back(ReadEvent(event, places));
  ReadSamples(timeline, picture);
  return picture;
}

std::string StepPicture::NumberOf(const PictureEvent& event) const {
  if (splits == 1) return std::to_string(event.microbatch);
  return std::to_string(event.microbatch / splits) + "." + std::to_string(event.microbatch % splits);
}

const char* SideName(Side side) {
  switch (side) {
    case Side::kEncoder:
      return "encoder";
    case Side::kLlm:
      return "llm";
    case Side::kShared:
      return "shared";
  }
  return "";
}

std::map<int, std::vector<double>> BucketLoads(const StepPicture& picture, Side side) {
  std::map<int, std::map<int, double>> loads;  // replica → microbatch → seconds
  for (const PictureEvent& event : picture.events) {
    if (event.stage < 0 || !event.IsMicrobatchWork()) continue;
    const PictureStage& stage = picture.stages[static_cast<std::size_t>(event.stage)];
    if (stage.side == side) loads[stage.replica][event.microbatch / picture.splits] += event.duration_s();
  }
  std::map<int, std::vector<double>> out;
  for (const auto& [replica, buckets] : loads) {
    for (const auto& [microbatch, seconds] : buckets) out[replica].push_back(seconds);
  }
  return out;
}

}  // namespace dflop
