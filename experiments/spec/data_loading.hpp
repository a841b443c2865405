// The key `data_loading` of a scenario: how fast the host's cores read and decode samples before a step.
//
//   {"images_per_s_per_core": 60, "video_frames_per_s_per_core": 200, "audio_s_per_s_per_core": 400,
//    "text_tokens_per_s_per_core": 1e6, "cores_per_gpu": 8, "prefetch_steps": 2}
//
// One rate at least; what has none is free. Ranges: rates 10⁻⁶ to 10¹⁵, cores_per_gpu 0.001 to 10⁶ (of the GPUs that a
// layout uses), prefetch_steps 0 to 1000 (2): global batches that are ready or being made while a step runs.
#pragma once

#include <array>

#include "base/json_reader.hpp"
#include "traces/sample.hpp"

namespace dflop {

/// Share of the step's own time up to which a wait counts as hidden.
inline constexpr double kHiddenWait = 0.01;

/// Rates are per second and core; 0: free.
struct DataLoading {
  double images = 0;
  double video_frames = 0;
  double audio_s = 0;
  double text_tokens = 0;
  double cores_per_gpu = 1;
  int prefetch_steps = 2;
};

/// What a rate is of.
struct LoadedKind {
  const char* key;
  double DataLoading::*rate;
  const char* words;
  double (*count)(const Sample& sample);
};
extern const std::array<LoadedKind, 4> kLoadedKinds;

DataLoading ReadDataLoading(const JsonReader& json);

/// As it is in force, defaults included.
Json ToJson(const DataLoading& loading);

}  // namespace dflop
