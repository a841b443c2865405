// Spellings of keys in use, as lists; sizes and lengths come from the medium itself, else from the record. Word lists
// tell an unread medium from a number or a caption about one.
#include "traces/conversation_media.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "traces/import_rules.hpp"

namespace dflop {
namespace {

using Keys = std::vector<std::string>;

/// The first of several spellings that says something.
std::optional<JsonReader> FirstGiven(const JsonReader& object, const Keys& keys) {
  for (const std::string& key : keys) {
    if (auto found = object.FindGiven(key)) return found;
  }
  return std::nullopt;
}

void CollectOne(const JsonReader& name, Medium medium, const std::optional<JsonReader>& own, NamedMedia& media) {
  if (name.json().is_null() || (name.IsString() && name.json().as<std::string>().empty())) return;
  if (name.IsObject()) {
    media[medium].push_back({name});
  } else if (name.IsArray() && medium == Medium::kVideo) {
    media[medium].push_back({own, static_cast<int>(std::min<std::size_t>(name.Size(), kMaxFrames + 1))});
  } else if (name.IsString()) {
    media[medium].push_back({own});
  } else {
    name.Fail(std::string("is ") + name.json().kind() + ", the name of one " +
              kMediumNames[static_cast<std::size_t>(medium)] + " or a list of names is wanted");
  }
}

const Keys kWidths = {"width", "widths", "width_list", "image_width", "image_widths"};
const Keys kHeights = {"height", "heights", "height_list", "image_height", "image_heights"};
const Keys kSizes = {"image_size", "image_sizes", "size"};
const Keys kFrames = {"frames", "video_frames", "num_frames", "nframes"};
const Keys kVideoSeconds = {"video_duration", "video_durations", "duration", "durations"};
const Keys kAudioSeconds = {"audio_duration", "audio_durations", "duration", "durations"};

const std::array<const Keys*, 3> kLengths = {&kFrames, &kVideoSeconds, &kAudioSeconds};

/// The numbers of a key that holds one or an array of them.
std::vector<double> OneOrMore(const JsonReader& json, double min, double max) {
  if (!json.IsArray()) return {json.Number(min, max)};
  std::vector<double> numbers;
  for (const JsonReader& element : json.Elements()) numbers.push_back(element.Number(min, max));
  return numbers;
}

std::vector<int> Pixels(const JsonReader& json) {
  if (!json.IsArray()) return {ReadInt(json, 1, kMaxPixels)};
  std::vector<int> pixels;
  for (const JsonReader& element : json.Elements()) pixels.push_back(ReadInt(element, 1, kMaxPixels));
  return pixels;
}

ImageSize SizePair(const JsonReader& json) {
  const std::vector<int> pair = Pixels(json);
  if (!json.IsArray() || pair.size() != 2) json.Fail("[width, height] is wanted");
  return {pair[0], pair[1]};
}

/// The sizes that an object states, for one image or several; none where it states nothing.
std::vector<ImageSize> StatedSizes(const JsonReader& object) {
  std::vector<ImageSize> sizes;
  if (const auto pairs = FirstGiven(object, kSizes)) {
    if (!pairs->IsArray()) pairs->Fail("[width, height] is wanted");
    if (!pairs->Element(0).IsArray()) return {SizePair(*pairs)};
    for (const JsonReader& pair : pairs->Elements()) sizes.push_back(SizePair(pair));
    return sizes;
  }
  const auto width = FirstGiven(object, kWidths);
  const auto height = FirstGiven(object, kHeights);
  if (!width || !height) return {};
  const std::vector<int> widths = Pixels(*width);
  const std::vector<int> heights = Pixels(*height);
  if (widths.size() != heights.size()) object.Fail("has another number of widths than of heights");
  for (std::size_t i = 0; i < widths.size(); ++i) sizes.push_back({widths[i], heights[i]});
  return sizes;
}

std::string Count(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void MeasureImages(const JsonReader& record, const std::vector<NamedMedium>& images, Sample& sample) {
  if (images.size() > kMaxImages) record.Fail("holds more than " + std::to_string(kMaxImages) + " images");
  std::size_t silent = 0;
  sample.images.resize(images.size());
  std::vector<bool> stated(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::vector<ImageSize> own = images[i].own ? StatedSizes(*images[i].own) : std::vector<ImageSize>{};
    if (own.size() > 1) images[i].own->Fail("has 1 image and " + Count(own.size(), "size"));
    stated[i] = own.size() == 1;
    if (stated[i]) sample.images[i] = own.front();
    silent += stated[i] ? 0 : 1;
  }
  if (silent == 0) return;
  const std::vector<ImageSize> shared = StatedSizes(record);
  if (shared.empty()) {
    record.Fail("has an image but not its size: add \"width\" and \"height\", or \"image_sizes\": [[w, h], …]");
  }
  if (shared.size() != silent) record.Fail("has " + Count(silent, "image") + " and " + Count(shared.size(), "size"));
  for (std::size_t i = 0, next = 0; i < images.size(); ++i) {
    if (!stated[i]) sample.images[i] = shared[next++];
  }
}

/// Of each clip that does not say so itself: what the record lists. `of` gives what one object says of one clip.
template <typename Of>
double SumOverClips(const JsonReader& record, const std::vector<NamedMedium>& clips, const std::string& what, Of of) {
  double sum = 0;
  std::size_t silent = 0;
  for (const NamedMedium& clip : clips) {
    std::vector<double> own;
    if (clip.frames > 0) own = {static_cast<double>(clip.frames)};
    if (own.empty() && clip.own) own = of(*clip.own);
    if (own.size() > 1) clip.own->Fail("has 1 " + what + " and " + Count(own.size(), "length"));
    if (own.empty()) ++silent;
    for (const double length : own) sum += length;
  }
  if (silent == 0) return sum;
  const std::vector<double> shared = of(record);
  if (shared.empty()) {
    record.Fail("has " +
                std::string(what == "audio" ? "audio but not its length: add "
                                            : "a video but not its length: add \"frames\" (as sampled) or ") +
                "\"duration\" in seconds");
  }
  if (shared.size() != silent) record.Fail("has " + Count(silent, what) + " and " + Count(shared.size(), "length"));
  for (const double length : shared) sum += length;
  return sum;
}

/// Frames of the clips that the object speaks of.
std::vector<double> StatedFrames(const JsonReader& object) {
  if (const auto frames = FirstGiven(object, kFrames)) {
    if (frames->IsArray() && frames->Element(0).IsString()) return {static_cast<double>(frames->Size())};
    std::vector<double> counts = OneOrMore(*frames, 1, kMaxFrames);
    for (const double count : counts) {
      if (std::floor(count) != count) frames->Fail("a whole number of frames is wanted");
    }
    return counts;
  }
  std::vector<double> frames;
  if (const auto seconds = FirstGiven(object, kVideoSeconds)) {
    for (const double clip : OneOrMore(*seconds, 0, kMaxAudioSeconds)) frames.push_back(SampledFrames(clip));
  }
  return frames;
}

std::vector<double> StatedSeconds(const JsonReader& object) {
  const auto seconds = FirstGiven(object, kAudioSeconds);
  if (!seconds) return {};
  std::vector<double> clips = OneOrMore(*seconds, 0, kMaxAudioSeconds);
  for (const double clip : clips) {
    if (clip <= 0) seconds->Fail("is a clip of no length");
  }
  return clips;
}

/// "ImageFiles_2" → image, files.
std::vector<std::string> WordsOf(const std::string& key) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < key.size(); ++i) {
    const auto c = static_cast<unsigned char>(key[i]);
    const bool begins = std::isupper(c) != 0 && i > 0 && std::islower(static_cast<unsigned char>(key[i - 1])) != 0;
    if (std::isalpha(c) == 0 || begins) words.emplace_back();
    if (std::isalpha(c) != 0) words.back() += static_cast<char>(std::tolower(c));
  }
  return words;
}

bool AnyOf(const std::vector<std::string>& words, const Keys& known) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(known.begin(), known.end(), word) != known.end();
  });
}

const Keys kMediaWords = {"image",  "images", "img",   "imgs",     "picture",   "pictures",   "photo",
                          "photos", "pic",    "pics",  "pixel",    "pixels",    "thumbnail",  "video",
                          "videos", "vid",    "vids",  "clip",     "clips",     "movie",      "movies",
                          "frame",  "frames", "audio", "audios",   "sound",     "sounds",     "speech",
                          "voice",  "wav",    "wavs",  "waveform", "recording", "recordings", "media"};
/// What says something about a medium and is none.
const Keys kAboutWords = {"id",      "ids",        "size",        "sizes",      "width",     "widths",   "height",
                          "heights", "aspect",     "ratio",       "duration",   "durations", "length",   "lengths",
                          "fps",     "rate",       "count",       "num",        "number",    "n",        "token",
                          "tokens",  "type",       "types",       "format",     "caption",   "captions", "description",
                          "label",   "labels",     "category",    "tag",        "tags",      "title",    "start",
                          "end",     "time",       "timestamp",   "timestamps", "hash",      "license",  "dataset",
                          "split",   "resolution", "resolutions", "has",        "is",        "source",   "bbox",
                          "boxes",   "index",      "indices",     "total",      "nframes",   "sampling"};
/// Whose value may look like a file's name all the same.
const Keys kNoFileWords = {"id", "ids", "caption", "captions", "description", "title"};
constexpr auto kMediaEndings = std::to_array<std::string_view>(
    {".jpg",  ".jpeg", ".png",  ".webp", ".bmp",  ".gif", ".tif",  ".tiff", ".heic", ".avif", ".mp4",  ".mkv",
     ".avi",  ".mov",  ".webm", ".m4v",  ".flv",  ".wmv", ".wav",  ".flac", ".mp3",  ".ogg",  ".opus", ".m4a",
     ".aac",  ".mpg",  ".mpeg", ".jfif", ".jpe",  ".jp2", ".heif", ".ppm",  ".3gp",  ".ogv",  ".m2ts", ".mpe",
     ".weba", ".wma",  ".amr",  ".aif",  ".aiff", ".svg", ".tga",  ".ico",  ".dng"});

bool NamesMediumFile(const JsonReader& value) {
  if (!value.IsString()) return false;
  std::string text = value.json().as<std::string>();
  if (text.find("://") != std::string::npos) text = text.substr(0, text.find_first_of("?#"));
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
  if (text.starts_with("data:image/") || text.starts_with("data:video/") || text.starts_with("data:audio/"))
    return true;
  return std::any_of(kMediaEndings.begin(), kMediaEndings.end(), [&](auto ending) { return text.ends_with(ending); });
}

/// "imageurl", "videofile": a medium and what names it, in one word.
bool IsMediumName(const std::string& word) {
  const Keys kNames = {"url", "urls", "uri", "path", "paths", "file", "files", "name", "names", "data", "bytes"};
  return std::any_of(std::begin(kMediumNames), std::end(kMediumNames), [&](const std::string& medium) {
    return word.starts_with(medium) && AnyOf({word.substr(medium.size())}, kNames);
  });
}

/// Whether a key that nobody reads, or anything below it, is named as a medium or names a medium's file. Numbers and
/// captions are often called like files: they count where a record has no other media, if they are about one.
bool LooksLikeAMedium(const std::string& key, const JsonReader& value, bool has_media) {
  const std::vector<std::string> words = WordsOf(key);
  const bool says_a_lot = value.IsString() || value.IsArray() || value.IsObject();
  const bool about_media = AnyOf(words, kMediaWords) || std::any_of(words.begin(), words.end(), IsMediumName);
  if (says_a_lot && about_media && !AnyOf(words, kAboutWords)) return true;
  if (AnyOf(words, kNoFileWords)) return about_media && !has_media && NamesMediumFile(value);
  if (value.IsArray()) {
    const std::vector<JsonReader> elements = value.Elements();
    return std::any_of(elements.begin(), elements.end(),
                       [&](const JsonReader& element) { return LooksLikeAMedium(key, element, has_media); });
  }
  if (value.IsObject()) {
    const std::vector<std::string> keys = value.Keys();
    return std::any_of(keys.begin(), keys.end(), [&](const std::string& inner) {
      const auto below = value.FindGiven(inner);
      return below && LooksLikeAMedium(inner, *below, has_media);
    });
  }
  return NamesMediumFile(value);
}

/// A length, or the frames themselves, though no clip is named.
bool SpeaksOfAClip(const std::string& key, const JsonReader& value) {
  const bool length = std::any_of(kLengths.begin(), kLengths.end(), [&](const Keys* keys) {
    return std::find(keys->begin(), keys->end(), key) != keys->end();
  });
  return length && (!value.json().is_number() || value.json().number() > 0);
}

bool IsRead(const std::string& key) {
  for (const Keys& keys : {kWidths, kHeights, kSizes, kFrames, kVideoSeconds, kAudioSeconds}) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
  }
  return std::any_of(std::begin(kMediumNames), std::end(kMediumNames),
                     [&](const std::string& name) { return key == name || key == name + "s"; });
}

}  // namespace

void CollectMedia(const JsonReader& holder, const std::optional<JsonReader>& own, NamedMedia& media) {
  for (std::size_t m = 0; m < kMediumCount; ++m) {
    const std::string name = kMediumNames[m];
    const auto one = holder.FindGiven(name);
    const auto several = holder.FindGiven(name + "s");
    if (one && several) several->Fail("stands beside " + JsonQuote(name) + ": one of the two is wanted");
    const auto& given = one ? one : several;
    if (!given) continue;
    const auto medium = static_cast<Medium>(m);
    if (!given->IsArray()) {
      CollectOne(*given, medium, own, media);
      continue;
    }
    const std::optional<JsonReader> alone = given->Size() == 1 ? own : std::nullopt;
    for (const JsonReader& element : given->Elements()) CollectOne(element, medium, alone, media);
  }
}

void MeasureMedia(const JsonReader& record, const NamedMedia& media, Sample& sample) {
  MeasureImages(record, media[Medium::kImage], sample);
  const auto& videos = media[Medium::kVideo];
  const auto& audios = media[Medium::kAudio];
  const double frames = videos.empty() ? 0 : SumOverClips(record, videos, "video", StatedFrames);
  if (frames > kMaxFrames) record.Fail("holds more than " + std::to_string(kMaxFrames) + " frames");
  sample.video_frames = static_cast<int>(frames);
  sample.videos = std::max(1, static_cast<int>(videos.size()));
  sample.audio_s = audios.empty() ? 0 : SumOverClips(record, audios, "audio", StatedSeconds);
  if (sample.audio_s > kMaxAudioSeconds || audios.size() > kMaxClips) record.Fail("holds too much audio");
  sample.audios = std::max(1, static_cast<int>(audios.size()));
}

std::string UnreadMedium(const JsonReader& holder, const Holdings& holdings, const std::vector<std::string>& skipped) {
  for (const std::string& key : holder.Keys()) {
    const auto value = holder.FindGiven(key);
    if (!value || std::find(skipped.begin(), skipped.end(), key) != skipped.end()) continue;
    if (!holdings.clips && SpeaksOfAClip(key, *value)) return key;
    if (!IsRead(key) && LooksLikeAMedium(key, *value, holdings.media)) return key;
  }
  return "";
}

std::optional<Medium> MediumNamedBy(const std::string& key) {
  const std::vector<std::string> words = WordsOf(key);
  if (AnyOf(words, kAboutWords)) return std::nullopt;
  for (std::size_t m = 0; m < kMediumCount; ++m) {
    const std::string name = kMediumNames[m];
    if (AnyOf(words, {name, name + "s"})) return static_cast<Medium>(m);
  }
  return std::nullopt;
}

}  // namespace dflop
