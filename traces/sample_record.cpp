// Strict, unlike the importers: a key that is not of the format is an error, and so is a sample that holds nothing.
#include "traces/sample_record.hpp"

#include <algorithm>

namespace dflop {
namespace {

ImageSize ReadImageSize(const JsonReader& json) {
  if (!json.IsArray() || json.Size() != 2) json.Fail("a pair [width, height] in pixels is wanted");
  return {ReadInt(json.Element(0), 1, kMaxPixels), ReadInt(json.Element(1), 1, kMaxPixels)};
}

/// A number is a number here: only lists may be absent by saying that they are empty, in this format of our own.
int GivenInt(const JsonReader& json, const char* key, int fallback, int min, int max) {
  const auto member = json.Find(key);
  return member ? ReadInt(*member, min, max) : fallback;
}

/// Other keys may stand beside the shape as long as they say nothing.
Sample ReadDirect(const JsonReader& json) {
  for (const std::string& key : json.Keys()) {
    if (key != "tiles" && key != "llm_tokens" && json.FindGiven(key)) json.AllowOnly({"tiles", "llm_tokens"});
  }
  Sample sample;
  sample.direct = {.tiles = ReadInt(json.At("tiles"), 0, kMaxTiles),
                   .llm_tokens = ReadInt(json.At("llm_tokens"), 1, kMaxTokens)};
  return sample;
}

}  // namespace

int ReadInt(const JsonReader& json, int min, int max) { return static_cast<int>(json.Int(min, max)); }

bool HoldsAnything(const Sample& sample) {
  return sample.direct || !sample.images.empty() || sample.video_frames > 0 || sample.audio_s > 0 ||
         sample.text_tokens > 0;
}

Sample ReadSampleRecord(const JsonReader& json) {
  if (json.FindGiven("tiles") || json.FindGiven("llm_tokens")) return ReadDirect(json);
  json.AllowOnly({"images", "video_frames", "videos", "audio_s", "audios", "text_tokens", "tiles", "llm_tokens"});
  Sample sample;
  if (const auto images = json.FindGiven("images")) {
    if (images->Size() > kMaxImages) images->Fail("holds more than " + std::to_string(kMaxImages) + " images");
    for (const JsonReader& image : images->Elements()) sample.images.push_back(ReadImageSize(image));
  }
  sample.video_frames = GivenInt(json, "video_frames", 0, 0, kMaxFrames);
  sample.videos = GivenInt(json, "videos", 1, 1, std::max(1, sample.video_frames));
  if (const auto seconds = json.Find("audio_s")) sample.audio_s = seconds->Number(0.0, kMaxAudioSeconds);
  sample.audios = GivenInt(json, "audios", 1, 1, sample.audio_s > 0 ? kMaxClips : 1);
  sample.text_tokens = GivenInt(json, "text_tokens", 0, 0, kMaxTokens);
  if (!HoldsAnything(sample)) json.Fail("holds nothing: no image, frame, audio or text token");
  return sample;
}

std::vector<Sample> ReadSampleRecords(const JsonReader& json) {
  const std::size_t size = json.Size();
  if (size == 0) json.Fail("is empty, at least one sample is wanted");
  std::vector<Sample> samples;
  samples.reserve(size);
  for (std::size_t i = 0; i < size; ++i) samples.push_back(ReadSampleRecord(json.Element(i)));
  return samples;
}

Json ToJson(const Sample& sample) {
  Json json = Json::EmptyObject();
  if (sample.direct) {
    json["tiles"] = sample.direct->tiles;
    json["llm_tokens"] = sample.direct->llm_tokens;
    return json;
  }
  for (const ImageSize image : sample.images) {
    json["images"].push_back(Json(Json::Array{image.width_px, image.height_px}));
  }
  if (sample.video_frames > 0) json["video_frames"] = sample.video_frames;
  if (sample.video_frames > 0 && sample.videos > 1) json["videos"] = sample.videos;
  if (sample.audio_s > 0) json["audio_s"] = sample.audio_s;
  if (sample.audio_s > 0 && sample.audios > 1) json["audios"] = sample.audios;
  if (sample.text_tokens > 0) json["text_tokens"] = sample.text_tokens;
  return json;
}

}  // namespace dflop
