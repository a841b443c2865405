// A rate of nothing would take forever and is no rate; what is free is left out.
#include "experiments/spec/data_loading.hpp"

#include <algorithm>

namespace dflop {
namespace {

constexpr double kLeastRate = 1e-6;
constexpr double kMostRate = 1e15;

}  // namespace

const std::array<LoadedKind, 4> kLoadedKinds = {{
    {"images_per_s_per_core", &DataLoading::images, "images",
     [](const Sample& sample) { return static_cast<double>(sample.images.size()); }},
    {"video_frames_per_s_per_core", &DataLoading::video_frames, "video frames",
     [](const Sample& sample) { return static_cast<double>(sample.video_frames); }},
    {"audio_s_per_s_per_core", &DataLoading::audio_s, "audio", [](const Sample& sample) { return sample.audio_s; }},
    {"text_tokens_per_s_per_core", &DataLoading::text_tokens, "text",
     [](const Sample& sample) { return static_cast<double>(sample.text_tokens); }},
}};

DataLoading ReadDataLoading(const JsonReader& json) {
  std::vector<std::string> keys = {"cores_per_gpu", "prefetch_steps"};
  for (const LoadedKind& kind : kLoadedKinds) keys.emplace_back(kind.key);
  json.AllowOnly(keys);
  DataLoading loading;
  for (const LoadedKind& kind : kLoadedKinds) {
    if (const auto rate = json.Find(kind.key)) loading.*kind.rate = rate->Number(kLeastRate, kMostRate);
  }
  const bool any = std::any_of(kLoadedKinds.begin(), kLoadedKinds.end(),
                               [&](const LoadedKind& kind) { return loading.*kind.rate > 0; });
  if (!any) json.Fail("has no rate, so that nothing takes time: images_per_s_per_core or another one is wanted");
  loading.cores_per_gpu = json.At("cores_per_gpu").Number(1e-3, 1e6);
  loading.prefetch_steps = static_cast<int>(json.IntOr("prefetch_steps", loading.prefetch_steps, 0, 1000));
  return loading;
}

Json ToJson(const DataLoading& loading) {
  Json json;
  for (const LoadedKind& kind : kLoadedKinds) {
    if (loading.*kind.rate > 0) json[kind.key] = loading.*kind.rate;
  }
  json["cores_per_gpu"] = loading.cores_per_gpu;
  json["prefetch_steps"] = loading.prefetch_steps;
  return json;
}

}  // namespace dflop
