// Sample tables. A row is one sample; the column names say what it holds:
//
//   shape   tiles | vit_tiles with tokens | llm_tokens (the whole sequence, text included); nothing else is read then
//   image   width_px and height_px
//   video   frames | video_frames (already sampled), or video_s, or duration_s | duration_ms in a table that also has a
//           column video, fps or frame_count (as sets of clips do); one frame per second, at most 32
//   audio   audio_s, or duration_s | duration_ms in any other table
//   text    text_tokens, or the sum of all columns called words or …_words (tokens = words × kTokensPerWord)
//
// An empty cell means absent, so that rows of several kinds can share a table. A column that names a medium of which
// the table says no more (image without sizes, video or audio without length) is an error; other columns are left
// alone: such tables come with names, types and answers of their own.
#include <optional>

#include "base/csv.hpp"
#include "traces/conversation_media.hpp"
#include "traces/import_rules.hpp"

namespace dflop {
namespace {

constexpr double kMaxWords = kMaxTokens / 2.0;

/// The columns of one table by what they mean; absent ones are empty.
class SampleColumns {
  using Column = std::optional<std::size_t>;

 public:
  explicit SampleColumns(const CsvTable& table)
      : table_(table),
        tiles_(First({"tiles", "vit_tiles"})),
        llm_tokens_(First({"tokens", "llm_tokens"})),
        width_(First({"width_px"})),
        height_(First({"height_px"})),
        frames_(First({"frames", "video_frames"})),
        video_s_(First({"video_s"})),
        audio_s_(First({"audio_s"})),
        text_tokens_(First({"text_tokens"})) {
    FindDuration();
    for (std::size_t i = 0; i < table.header.size(); ++i) {
      if (table.header[i] == "words" || table.header[i].ends_with("_words")) words_.push_back(i);
    }
    CheckUseful();
    CheckMedia();
  }

  /// Whether the row's text tokens follow from its words.
  bool Estimates(std::size_t row) const { return !tiles_ && !Given(row, text_tokens_) && !words_.empty(); }

  Sample Read(std::size_t row) const {
    Sample sample;
    if (tiles_ && (Given(row, tiles_) || Given(row, llm_tokens_))) {
      sample.direct = {.tiles = Int(row, *tiles_, 0, kMaxTiles), .llm_tokens = Int(row, *llm_tokens_, 1, kMaxTokens)};
      return sample;
    }
    if (Given(row, frames_) || Given(row, video_s_)) {
      sample.video_frames =
          Given(row, frames_) ? Int(row, *frames_, 0, kMaxFrames) : SampledFrames(Seconds(row, *video_s_));
    } else if (Given(row, width_) || Given(row, height_)) {
      sample.images = {{Int(row, *width_, 1, kMaxPixels), Int(row, *height_, 1, kMaxPixels)}};
    }
    if (Given(row, audio_s_)) sample.audio_s = Seconds(row, *audio_s_);
    sample.text_tokens = TextTokens(row);
    if (!HoldsAnything(sample)) table_.Fail(row, "holds nothing: no image, frame, audio or text");
    return sample;
  }

 private:
  bool IsVideo() const { return frames_ || video_s_; }
  bool Given(std::size_t row, Column column) const {
    return column && table_.rows[row][*column].find_first_not_of(" \t\r") != std::string::npos;
  }

  Column First(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      if (table_.Has(name)) return table_.Column(name);
    }
    return std::nullopt;
  }

  void FindDuration() {
    const Column duration = First({"duration_s", "duration_ms"});
    if (!duration || IsVideo() || audio_s_) return;
    duration_scale_ = table_.Has("duration_s") ? 1.0 : 1e-3;
    (First({"video", "fps", "frame_count"}) ? video_s_ : audio_s_) = duration;
  }

  /// Columns like "image" or "audio_path" whose media would be lost.
  void CheckMedia() const {
    for (const std::string& name : table_.header) {
      const std::optional<Medium> medium = MediumNamedBy(name);
      const bool measured = tiles_ || !medium || (*medium == Medium::kImage && (width_ || IsVideo())) ||
                            (*medium == Medium::kVideo && IsVideo()) || (*medium == Medium::kAudio && audio_s_);
      if (measured) continue;
      throw InputError(table_.file, "",
                       "has a column " + JsonQuote(name) + " but not what its media are: add width_px and height_px, " +
                           "frames or video_s, or audio_s");
    }
  }

  void CheckUseful() const {
    if (tiles_.has_value() != llm_tokens_.has_value()) {
      throw InputError(table_.file, "", "needs both tiles and tokens, or neither");
    }
    if (width_.has_value() != height_.has_value()) {
      throw InputError(table_.file, "", "needs both width_px and height_px, or neither");
    }
    if (tiles_ || width_ || IsVideo() || audio_s_ || text_tokens_ || !words_.empty()) return;
    throw InputError(table_.file, "",
                     "has no column that says what a sample holds; known: tiles and tokens, width_px and height_px, "
                     "frames, video_s, audio_s, duration_s, duration_ms, text_tokens, words, …_words");
  }

  int Int(std::size_t row, std::size_t column, int min, int max) const {
    const double number = table_.Number(row, column, min, max);
    if (std::floor(number) != number)
      table_.Fail(row, "holds " + table_.rows[row][column] + ", a whole number is wanted");
    return static_cast<int>(number);
  }

  double Seconds(std::size_t row, std::size_t column) const {
    return duration_scale_ * table_.Number(row, column, 0.0, kMaxAudioSeconds / duration_scale_);
  }

  int TextTokens(std::size_t row) const {
    if (Given(row, text_tokens_)) return Int(row, *text_tokens_, 0, kMaxTokens);
    double words = 0;
    for (const std::size_t column : words_)
      if (Given(row, column)) words += table_.Number(row, column, 0, kMaxWords);
    if (words > kMaxWords) table_.Fail(row, "holds more words than a sample may have");
    return TokensOfWords(words);
  }

  const CsvTable& table_;
  Column tiles_, llm_tokens_, width_, height_, frames_, video_s_, audio_s_, text_tokens_;
  double duration_scale_ = 1.0;
  std::vector<std::size_t> words_;
};

void AppendTable(const std::string& path, SampleSet& set) {
  const CsvTable table = ReadCsv(path);
  if (table.rows.empty()) throw InputError(path, "", "has a header but no rows");
  const SampleColumns columns(table);
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    set.samples.push_back(columns.Read(row));
    set.estimated_texts += columns.Estimates(row) && set.samples.back().text_tokens > 0 ? 1 : 0;
  }
  AddOrigin(path, set);
}

}  // namespace

SampleSet ImportCsv(const std::vector<std::string>& paths) {
  RequirePaths(paths);
  SampleSet set;
  for (const std::string& path : paths) AppendTable(path, set);
  return set;
}

}  // namespace dflop
