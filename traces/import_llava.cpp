// Training sets in the JSON that LLaVA made common: an array of records, or one record per line.
//
//   images  "image" (a name or several) or "images", with their sizes: "width" and "height" (numbers, or arrays for
//           several images) or "image_size" / "image_sizes" ([w, h] or [[w, h], …])
//   video   "video" with "frames" (already sampled) or "duration" in seconds (one frame per second, at most 32)
//   audio   "audio" with "duration"
//   text    the values of "conversations", tokens = words × kTokensPerWord; <image>, <video>, <audio> are no words
//
// Other keys are left alone: every set has some of its own. Sizes are not read from the images themselves, which would
// need the files and a decoder, so a record without them is an error.
#include <string_view>

#include "base/file.hpp"
#include "traces/import_rules.hpp"

namespace dflop {
namespace {

/// Length of the placeholder that the text begins with, or 0.
std::size_t PlaceholderLength(std::string_view text) {
  for (const std::string_view placeholder : {"<image>", "<video>", "<audio>"}) {
    if (text.starts_with(placeholder)) return placeholder.size();
  }
  return 0;
}

int CountWords(std::string_view text) {
  int words = 0;
  bool inside = false;
  while (!text.empty()) {
    const std::size_t placeholder = PlaceholderLength(text);
    const bool gap = placeholder > 0 || std::string_view(" \n\t\r").find(text.front()) != std::string_view::npos;
    words += !gap && !inside ? 1 : 0;
    inside = !gap;
    text.remove_prefix(std::max<std::size_t>(placeholder, 1));
  }
  return words;
}

int TextTokens(const JsonReader& record) {
  int words = 0;
  for (const JsonReader& turn : record.At("conversations").Elements()) {
    const JsonReader value = turn.At("value");
    if (!value.json().is<std::string>()) value.Fail("a string is wanted");
    words += CountWords(value.json().as<std::string>());
  }
  return TokensOfWords(words);
}

/// The numbers of a key that holds one or an array of them.
std::vector<int> OneOrMore(const JsonReader& json) {
  if (!json.IsArray()) return {ReadInt(json, 1, kMaxPixels)};
  std::vector<int> numbers;
  for (const JsonReader& element : json.Elements()) numbers.push_back(ReadInt(element, 1, kMaxPixels));
  return numbers;
}

std::vector<ImageSize> SizesFromPairs(const JsonReader& json) {
  if (json.Size() > 0 && !json.Element(0).IsArray()) {
    const std::vector<int> pair = OneOrMore(json);
    if (pair.size() != 2) json.Fail("[width, height] is wanted");
    return {{pair[0], pair[1]}};
  }
  std::vector<ImageSize> sizes;
  for (const JsonReader& element : json.Elements()) {
    const std::vector<int> pair = OneOrMore(element);
    if (!element.IsArray() || pair.size() != 2) element.Fail("[width, height] is wanted");
    sizes.push_back({pair[0], pair[1]});
  }
  return sizes;
}

std::vector<ImageSize> Sizes(const JsonReader& record) {
  for (const char* key : {"image_size", "image_sizes"}) {
    if (const auto pairs = record.Find(key)) return SizesFromPairs(*pairs);
  }
  if (!record.Has("width") || !record.Has("height")) {
    record.Fail("has an image but not its size: add \"width\" and \"height\", or \"image_sizes\": [[w, h], …]");
  }
  const std::vector<int> widths = OneOrMore(record.At("width"));
  const std::vector<int> heights = OneOrMore(record.At("height"));
  if (widths.size() != heights.size()) record.Fail("has another number of widths than of heights");
  std::vector<ImageSize> sizes;
  for (std::size_t i = 0; i < widths.size(); ++i) sizes.push_back({widths[i], heights[i]});
  return sizes;
}

std::vector<ImageSize> Images(const JsonReader& record) {
  auto names = record.Find("image");
  if (!names) names = record.Find("images");
  if (!names || names->json().is_null()) return {};
  const std::size_t count = names->IsArray() ? names->Size() : 1;
  if (count == 0) return {};
  if (count > kMaxImages) names->Fail("holds more than " + std::to_string(kMaxImages) + " images");
  std::vector<ImageSize> sizes = Sizes(record);
  if (sizes.size() != count) {
    record.Fail("has " + std::to_string(count) + " images and " + std::to_string(sizes.size()) + " sizes");
  }
  return sizes;
}

int Frames(const JsonReader& record) {
  if (!record.Has("video")) return 0;
  if (const auto frames = record.Find("frames")) return ReadInt(*frames, 1, kMaxFrames);
  if (const auto duration = record.Find("duration")) return SampledFrames(duration->Number(0, kMaxAudioSeconds));
  record.Fail("has a video but not its length: add \"frames\" (as sampled) or \"duration\" in seconds");
}

double AudioSeconds(const JsonReader& record) {
  if (!record.Has("audio")) return 0.0;
  if (const auto duration = record.Find("duration")) return duration->Number(0, kMaxAudioSeconds);
  record.Fail("has audio but not its length: add \"duration\" in seconds");
}

Sample ReadRecord(const JsonReader& record) {
  Sample sample{.images = Images(record), .video_frames = Frames(record), .audio_s = AudioSeconds(record)};
  sample.text_tokens = TextTokens(record);
  if (!HoldsAnything(sample)) record.Fail("holds nothing: no image, video, audio or text");
  return sample;
}

/// One record of the array after the other; the words of all of them are never in memory as a tree.
void AppendArray(const std::string& text, const std::string& path, SampleSet& set) {
  ParseJson(text, path, {"", [&](const Json& record, const std::string& pointer) {
                           set.samples.push_back(ReadRecord(JsonReader(record, path, pointer)));
                         }});
}

/// One record per line; only one line's document is in memory at a time.
void AppendLines(const std::string& text, const std::string& path, SampleSet& set) {
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = path + ":" + std::to_string(number);
    const Json document = ParseJson(line, place);
    set.samples.push_back(ReadRecord(JsonReader(document, place)));
  }
}

void AppendFile(const std::string& path, SampleSet& set) {
  const std::string text = ReadFile(path);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) throw InputError(path, "", "is empty");
  const std::size_t before = set.samples.size();
  text[first] == '[' ? AppendArray(text, path, set) : AppendLines(text, path, set);
  if (set.samples.size() == before) throw InputError(path, "", "holds no records");
  AddOrigin(path, set);
}

}  // namespace

SampleSet ImportLlava(const std::vector<std::string>& paths) {
  RequirePaths(paths);
  SampleSet set;
  for (const std::string& path : paths) AppendFile(path, set);
  return set;
}

}  // namespace dflop
