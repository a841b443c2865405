// Sample tables. A row is one sample; the column names say what it holds:
//
//   shape   tiles | vit_tiles with tokens | llm_tokens (the whole sequence, text included); nothing else is read then
//   image   width_px and height_px
//   video   frames | video_frames (already sampled), or video_s, or duration_s | duration_ms in a table that also has a
//           column video, fps or frame_count (as sets of clips do); one frame per second, at most 32
//   audio   audio_s, or duration_s | duration_ms in any other table
//   text    text_tokens, or the sum of all columns called words or …_words (tokens = words × kTokensPerWord)
//
// Other columns are left alone: such tables come with names, types and answers of their own.
#include <optional>

#include "base/csv.hpp"
#include "traces/import_rules.hpp"

namespace dflop {
namespace {

constexpr double kMaxWords = kMaxTokens / 2.0;

/// The columns of one table by what they mean; absent ones are empty.
class SampleColumns {
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
  }

  Sample Read(std::size_t row) const {
    Sample sample;
    if (tiles_) {
      sample.direct = {.tiles = Int(row, *tiles_, 0, kMaxTiles), .llm_tokens = Int(row, *llm_tokens_, 1, kMaxTokens)};
      return sample;
    }
    if (IsVideo()) {
      sample.video_frames = frames_ ? Int(row, *frames_, 0, kMaxFrames) : SampledFrames(Seconds(row, *video_s_));
    } else if (width_) {
      sample.images = {{Int(row, *width_, 1, kMaxPixels), Int(row, *height_, 1, kMaxPixels)}};
    }
    if (audio_s_) sample.audio_s = Seconds(row, *audio_s_);
    sample.text_tokens = TextTokens(row);
    if (!HoldsAnything(sample)) table_.Fail(row, "holds nothing: no image, frame, audio or text");
    return sample;
  }

 private:
  using Column = std::optional<std::size_t>;

  bool IsVideo() const { return frames_ || video_s_; }

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
    if (text_tokens_) return Int(row, *text_tokens_, 0, kMaxTokens);
    double words = 0;
    for (const std::size_t column : words_) words += table_.Number(row, column, 0, kMaxWords);
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
  for (std::size_t row = 0; row < table.rows.size(); ++row) set.samples.push_back(columns.Read(row));
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
