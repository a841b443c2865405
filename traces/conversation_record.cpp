// Reads tolerantly but counts: places of media in the text must match the media that the keys name, and a key that
// looks like a medium and was read by nobody is reported.
#include "traces/conversation_record.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "traces/conversation_media.hpp"
#include "traces/import_rules.hpp"
#include "traces/text_length.hpp"

namespace dflop {
namespace {

const std::vector<std::string> kTurnLists = {"conversations", "messages"};
const std::vector<std::string> kTurnTexts = {"value", "content", "text"};
const std::vector<std::string> kTokenCounts = {"text_tokens", "num_text_tokens", "token_count", "num_tokens",
                                               "n_tokens"};
constexpr std::array<std::string_view, kMediumCount> kPlaceholders = {"<image>", "<video>", "<audio>"};

/// The tokens of a record's texts, and the places of media in them.
struct Texts {
  double tokens = 0;
  bool any = false;    // text or part, though it be a placeholder
  std::string unread;  // the first key of a part that looks like a medium and is none
  std::array<int, kMediumCount> places{};

  /// Words and the placeholders between them, which no token reaches across.
  void Add(std::string_view text) {
    any = any || !text.empty();
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t medium = PlaceholderAt(text.substr(at));
      if (medium == kMediumCount) {
        ++at;
        continue;
      }
      tokens += EstimateTokens(text.substr(begin, at - begin));
      ++places[medium];
      at += kPlaceholders[medium].size();
      begin = at;
    }
    tokens += EstimateTokens(text.substr(begin));
  }

 private:
  static std::size_t PlaceholderAt(std::string_view text) {
    const auto found = std::find_if(kPlaceholders.begin(), kPlaceholders.end(),
                                    [&](std::string_view placeholder) { return text.starts_with(placeholder); });
    return static_cast<std::size_t>(found - kPlaceholders.begin());
  }
};

/// The medium that a part's type names ("image", "image_url", "input_audio"), if any.
std::optional<Medium> MediumOf(const std::string& type) {
  for (std::size_t m = 0; m < kMediumCount; ++m) {
    if (type.find(kMediumNames[m]) != std::string::npos) return static_cast<Medium>(m);
  }
  return std::nullopt;
}

/// A part names its media, or only says where one of the record's belongs.
void ReadMediumPart(const JsonReader& part, Medium medium, Texts& texts, NamedMedia& media) {
  texts.any = true;
  ++texts.places[static_cast<std::size_t>(medium)];
  const std::string name = kMediumNames[static_cast<std::size_t>(medium)];
  if (medium == Medium::kVideo) {
    if (const auto frames = part.FindGiven(name); frames && frames->IsArray()) {
      media[medium].push_back({part, static_cast<int>(std::min<std::size_t>(frames->Size(), kMaxFrames + 1))});
      return;
    }
  }
  for (const std::string& key :
       {name, name + "s", name + "_url", "input_" + name, name + "_path", std::string("url"), std::string("path"),
        std::string("file"), std::string("source"), std::string("data"), std::string("base64"), std::string("bytes")}) {
    const auto given = part.FindGiven(key);
    if (!given) continue;
    if (given->IsArray() && given->Size() > 1) {
      texts.places[static_cast<std::size_t>(medium)] += static_cast<int>(given->Size()) - 1;
      for (const JsonReader& one : given->Elements()) {
        media[medium].push_back({one.IsObject() ? std::optional(one) : std::nullopt});
      }
      return;
    }
    const bool says_more = given->IsObject() && !part.FindGiven("width") && !part.FindGiven("duration");
    media[medium].push_back({says_more ? *given : part});
    return;
  }
}

void ReadText(const JsonReader& text, Texts& texts, NamedMedia& media);

/// A part is text, a medium, or both.
void ReadPart(const JsonReader& part, Texts& texts, NamedMedia& media) {
  if (!part.IsObject()) return ReadText(part, texts, media);
  const auto type = part.FindGiven("type");
  const std::string name = type ? type->String() : "";
  const std::optional<Medium> typed = MediumOf(name);
  const bool is_text = !typed && (name.empty() || name.find("text") != std::string::npos);
  bool read = typed.has_value();
  for (std::size_t m = 0; m < kMediumCount; ++m) {
    const auto medium = static_cast<Medium>(m);
    const bool holds = part.FindGiven(kMediumNames[m]) || part.FindGiven(std::string(kMediumNames[m]) + "s");
    if (typed != medium && !(is_text && holds)) continue;
    ReadMediumPart(part, medium, texts, media);
    read = true;
  }
  const auto text = part.Find("text");
  if (text && (is_text || typed)) {
    ReadText(*text, texts, media);
    read = true;
  }
  if (!read) {
    part.Fail(name.empty() ? "is a part without \"type\"; known are text, image, video, audio"
                           : "is a part of the type " + JsonQuote(name) + "; known are text, image, video, audio");
  }
  if (typed || !texts.unread.empty()) return;
  const std::string key = UnreadMedium(part, {.clips = true, .media = true});
  if (!key.empty()) texts.unread = part.pointer() + "/" + EscapePointerKey(key);
}

void ReadText(const JsonReader& text, Texts& texts, NamedMedia& media) {
  if (text.json().is_null()) return;
  if (text.IsString()) return texts.Add(text.json().as<std::string>());
  if (!text.IsArray()) text.Fail(std::string("is ") + text.json().kind() + ", a string or a list of parts is wanted");
  for (const JsonReader& part : text.Elements()) ReadPart(part, texts, media);
}

/// A turn's words: the first of its keys that says something, at least one of which must be there.
void ReadTurn(const JsonReader& turn, Texts& texts, NamedMedia& media) {
  if (turn.IsString()) return ReadText(turn, texts, media);
  CollectMedia(turn, turn, media);
  bool known = false;
  if (const auto thoughts = turn.FindGiven("reasoning_content")) ReadText(*thoughts, texts, media);
  for (const std::string& key : kTurnTexts) {
    known = known || turn.Has(key);
    const auto text = turn.FindGiven(key);
    if (text) return ReadText(*text, texts, media);
  }
  if (!known) turn.Fail("lacks the key \"value\", \"content\" or \"text\"");
}

/// InternVL's and others' "image": {"my_set": {"annotation": FILE, …}} and the like are lists of files, not records.
[[noreturn]] void FailUnknown(const JsonReader& record) {
  for (const std::string& key : record.Keys()) {
    const JsonReader value = record.At(key);
    const auto annotation = value.IsObject() ? value.FindGiven("annotation") : std::nullopt;
    if (!annotation) continue;
    record.Fail(
        "is a list of data sets and holds no records: import the annotation files that it names, the first is " +
        annotation->json().Dump());
  }
  record.Fail("lacks the key \"conversations\" or \"messages\"");
}

std::optional<JsonReader> GivenTokens(const JsonReader& record) {
  std::optional<JsonReader> count;
  for (const std::string& key : kTokenCounts) {
    const auto given = record.FindGiven(key);
    if (!given) continue;
    if (count && count->json().number() != given->Number(0, kMaxTokens)) {
      given->Fail("is another count than " + count->pointer());
    }
    ReadInt(*given, 0, kMaxTokens);
    count = given;
  }
  return count;
}

Texts ReadTexts(const JsonReader& record, NamedMedia& media) {
  Texts texts;
  std::optional<JsonReader> turns;
  for (const std::string& key : kTurnLists) {
    const auto given = record.FindGiven(key);
    if (given && turns) given->Fail("stands beside " + turns->pointer() + ": one is wanted");
    if (given) turns = given;
  }
  if (!turns && !GivenTokens(record) && !IsConversation(record)) FailUnknown(record);
  if (const auto system = record.FindGiven("system")) {
    system->IsObject() ? ReadTurn(*system, texts, media) : ReadText(*system, texts, media);
  }
  if (!turns) return texts;
  for (const JsonReader& turn : turns->Elements()) ReadTurn(turn, texts, media);
  return texts;
}

std::string UnreadIn(const JsonReader& record, const Texts& texts, const NamedMedia& media) {
  Holdings holdings;
  holdings.clips = !media[Medium::kVideo].empty() || !media[Medium::kAudio].empty();
  holdings.media = holdings.clips || !media[Medium::kImage].empty();
  std::string key = UnreadMedium(record, holdings, kTurnLists);
  if (!key.empty()) return record.pointer() + "/" + EscapePointerKey(key);
  for (const std::string& list : kTurnLists) {
    const auto turns = record.FindGiven(list);
    if (!turns || !turns->IsArray()) continue;
    for (const JsonReader& turn : turns->Elements()) {
      key = turn.IsObject() ? UnreadMedium(turn, {holdings.clips, true}, kTurnTexts) : "";
      if (!key.empty()) return turn.pointer() + "/" + EscapePointerKey(key);
    }
  }
  return texts.unread;
}

/// "" when every placeholder has its medium and every medium its placeholder. <image> may stand for a video.
std::string WhyPlacesDiffer(const Texts& texts, const NamedMedia& media) {
  if (!texts.any) return "";
  std::array<int, kMediumCount> places = texts.places;
  const auto named = [&](std::size_t m) { return static_cast<int>(media.of[m].size()); };
  constexpr std::size_t kImage = 0;
  constexpr std::size_t kVideo = 1;
  if (places[kVideo] == 0 && places[kImage] == named(kImage) + named(kVideo)) {
    places[kVideo] = named(kVideo);
    places[kImage] = named(kImage);
  }
  for (std::size_t m = 0; m < kMediumCount; ++m) {
    if (places[m] == named(m)) continue;
    return "has " + std::to_string(places[m]) + " " + std::string(kPlaceholders[m]) + " in its text and " +
           std::to_string(named(m)) + " of kind " + kMediumNames[m] + " in its keys";
  }
  return "";
}

std::string MismatchOf(const JsonReader& record, const Texts& texts, const NamedMedia& media) {
  const std::string unread = UnreadIn(record, texts, media);
  if (!unread.empty()) {
    return "the key " + unread + " looks like a medium; media are read from image(s), video(s) and audio(s)";
  }
  return WhyPlacesDiffer(texts, media);
}

}  // namespace

bool IsConversation(const JsonReader& object) {
  const auto has = [&](const std::string& key) { return object.Has(key); };
  return std::any_of(kTurnLists.begin(), kTurnLists.end(), has) ||
         std::any_of(kTokenCounts.begin(), kTokenCounts.end(), has);
}

ConversationSample ReadConversation(const JsonReader& record) {
  ConversationSample read;
  NamedMedia media;
  CollectMedia(record, std::nullopt, media);
  const Texts texts = ReadTexts(record, media);
  read.mismatch = MismatchOf(record, texts, media);
  MeasureMedia(record, media, read.sample);
  const auto given = GivenTokens(record);
  const double tokens = given ? given->json().number() : std::round(texts.tokens);
  if (tokens > kMaxTokens) record.Fail("holds more text than " + std::to_string(kMaxTokens) + " tokens");
  read.sample.text_tokens = static_cast<int>(tokens);
  read.estimated = !given && tokens > 0;
  if (!HoldsAnything(read.sample)) record.Fail("holds nothing: no image, video, audio or text");
  return read;
}

}  // namespace dflop
