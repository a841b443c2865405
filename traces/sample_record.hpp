// One record of the format dflop/samples/1, shared by the readers of files, of inline records and of `fixed`.
//
// Keys: `images` [[width, height], …] in pixels 1…10^6 (at most 10^4 images), `video_frames` 0…10^4 of all clips and
// `videos`, how many clips they are of (1), `audio_s` 0…10^5 of all clips and `audios`, how many (1), `text_tokens`
// 0…10^7; or, when only the shape is known, `tiles` 0…10^6 and `llm_tokens` 1…10^7 (text included), which stand
// together and alone. null, "" and [] mean absent. A record must hold something.
#pragma once

#include <cstdint>

#include "base/json_reader.hpp"
#include "traces/sample.hpp"

namespace dflop {

inline constexpr int kMaxPixels = 1'000'000;
inline constexpr int kMaxImages = 10'000;
inline constexpr int kMaxFrames = 10'000;
inline constexpr double kMaxAudioSeconds = 1e5;
inline constexpr int kMaxClips = 10'000;
inline constexpr int kMaxTiles = 1'000'000;
inline constexpr int kMaxTokens = 10'000'000;

Sample ReadSampleRecord(const JsonReader& json);
Json ToJson(const Sample& sample);

/// A non-empty array of records.
std::vector<Sample> ReadSampleRecords(const JsonReader& json);

/// Whether there is anything in the sample for an encoder or the LLM.
bool HoldsAnything(const Sample& sample);

/// JsonReader::Int with a range that fits an int.
int ReadInt(const JsonReader& json, int min, int max);

}  // namespace dflop
