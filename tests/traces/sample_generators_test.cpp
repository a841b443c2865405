// The generators' marginals against what they claim, and against measured sets where these are at hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "base/index.hpp"
#include "test_paths.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

constexpr int kDraws = 100'000;

std::vector<Sample> Draw(const std::string& generator, int count = kDraws, std::uint64_t seed = 1) {
  const Json document = ParseJson(generator, "test");
  const auto source = ReadSampleSource(JsonReader(document, "test"));
  RandomStream random(seed, "generator");
  std::vector<Sample> samples;
  samples.reserve(Index(count));
  for (int i = 0; i < count; ++i) samples.push_back(source->Draw(random));
  return samples;
}

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

template <typename Value>
std::vector<double> Collect(const std::vector<Sample>& samples, Value value) {
  std::vector<double> values;
  values.reserve(samples.size());
  for (const Sample& sample : samples) values.push_back(static_cast<double>(value(sample)));
  return values;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Width(const Sample& sample) { return sample.images.front().width_px; }
double Aspect(const Sample& sample) { return sample.images.front().height_px / Width(sample); }
double Text(const Sample& sample) { return sample.text_tokens; }

/// Column of a table of the reference data; empty when that is absent.
std::vector<double> Reference(const std::string& file, const std::string& column) {
  const std::string path = DFLOP_SHARED_DIR "/reference-data/" + file;
  if (!std::filesystem::exists(path)) return {};
  const CsvTable table = ReadCsv(path);
  std::vector<double> values;
  for (std::size_t row = 0; row < table.rows.size(); ++row) values.push_back(table.Number(row, table.Column(column)));
  return values;
}

// Shares 65, 60 and 60 of 185; the standard deviation of a share over 10⁵ draws is √(0.35·0.65/10⁵) = 0.0015.
TEST(SampleGenerators, DflopMixHasTheSharesOfItsSets) {
  int single = 0;
  int multi = 0;
  int video = 0;
  for (const Sample& sample : Draw(R"("dflop-mix")")) {
    single += sample.images.size() == 1;
    multi += sample.images.size() > 1;
    video += sample.video_frames > 0;
    EXPECT_FALSE(sample.video_frames > 0 && !sample.images.empty());
  }
  EXPECT_EQ(single + multi + video, kDraws);
  EXPECT_NEAR(single, kDraws * 65.0 / 185.0, 0.0075 * kDraws);
  EXPECT_NEAR(multi, kDraws * 60.0 / 185.0, 0.0075 * kDraws);
  EXPECT_NEAR(video, kDraws * 60.0 / 185.0, 0.0075 * kDraws);
}

// A lognormal's standard error of the median is 1.25·σ/√n: 0.28 % for σ = 0.7.
TEST(SampleGenerators, TextTokensHaveMedian150AndAFloorOf20) {
  const std::vector<double> text = Collect(Draw(R"("dflop-mix")"), Text);
  EXPECT_NEAR(Quantile(text, 0.5), 150, 2);
  EXPECT_NEAR(Quantile(text, 0.8413) / Quantile(text, 0.5), std::exp(0.7), 0.03);
  EXPECT_EQ(*std::min_element(text.begin(), text.end()), 20);
}

TEST(SampleGenerators, PhotosHaveTheStatedMedians) {
  const auto photos = Draw(R"({"name": "single-image", "diagram_share": 0, "infographic_share": 0})");
  EXPECT_NEAR(Quantile(Collect(photos, Width), 0.5), 800, 8);
  EXPECT_NEAR(Quantile(Collect(photos, Width), 0.8413), 800 * std::exp(0.45), 20);
  EXPECT_NEAR(Quantile(Collect(photos, Aspect), 0.5), 0.75, 0.01);
  const auto diagrams = Draw(R"({"name": "single-image", "photo_share": 0, "infographic_share": 0})");
  EXPECT_NEAR(Quantile(Collect(diagrams, Width), 0.5), 580, 6);
  EXPECT_NEAR(580 * Quantile(Collect(diagrams, Aspect), 0.5), 430, 5);
  const auto infographics = Draw(R"({"name": "single-image", "photo_share": 0, "diagram_share": 0})");
  EXPECT_NEAR(Quantile(Collect(infographics, Width), 0.5), 1000, 10);
  EXPECT_NEAR(Quantile(Collect(infographics, Aspect), 0.5), 2.6, 0.03);
}

// 2 + min(geometric of mean 2.5, 18): Σ_{k=1…18} (2.5/3.5)^k = 2.5·(1 − (2.5/3.5)^18) = 2.494.
TEST(SampleGenerators, MultiImageSamplesHaveTwoToTwentyImages) {
  const auto counts = Collect(Draw(R"("multi-image")"), [](const Sample& sample) { return sample.images.size(); });
  EXPECT_EQ(*std::min_element(counts.begin(), counts.end()), 2);
  EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 20);
  EXPECT_NEAR(Mean(counts), 4.494, 0.05);  // five standard errors: 5·2.96/√10⁵
}

// Uniform 3–30 s, rounded up to whole frames: 4 … 30 equally likely, mean 17. At 2 frames/s the cap of 32 is reached.
TEST(SampleGenerators, VideosHaveOneFramePerSecond) {
  const auto frames = Collect(Draw(R"("video")"), [](const Sample& sample) { return sample.video_frames; });
  EXPECT_EQ(*std::min_element(frames.begin(), frames.end()), 4);
  EXPECT_EQ(*std::max_element(frames.begin(), frames.end()), 30);
  EXPECT_NEAR(Mean(frames), 17, 0.13);
  const auto dense =
      Collect(Draw(R"({"name": "video", "frames_per_s": 2})"), [](const Sample& s) { return s.video_frames; });
  EXPECT_EQ(*std::max_element(dense.begin(), dense.end()), 32);
}

TEST(SampleGenerators, SharesShiftTheMix) {
  for (const Sample& sample : Draw(R"({"name": "dflop-mix", "video_share": 0, "multi_image_share": 0})", 1000)) {
    EXPECT_EQ(sample.images.size(), 1u);
  }
  for (
      const Sample& sample : Draw(
          R"({"name": "dflop-mix", "photo_share": 0, "diagram_share": 0, "infographic_share": 0, "multi_image_share": 0})",
          1000)) {
    EXPECT_GT(sample.video_frames, 0);
  }
}

TEST(SampleGenerators, FixedGivesWhatItWasTold) {
  const Sample text = Draw(R"({"name": "fixed", "text_tokens": 2048})", 1).front();
  EXPECT_EQ(text, (Sample{.text_tokens = 2048}));
  const Sample images =
      Draw(R"({"name": "fixed", "images_per_sample": 2, "image_width_px": 9, "image_height_px": 8})", 1).front();
  EXPECT_EQ(images, (Sample{.images = {{9, 8}, {9, 8}}}));
  const Sample shape = Draw(R"({"name": "fixed", "tiles": 5, "llm_tokens": 99})", 1).front();
  EXPECT_EQ(shape.direct, (Sample::Direct{5, 99}));
}

TEST(SampleGenerators, TheSeedAloneDecides) {
  for (const GeneratorInfo& info : SampleGenerators()) {
    if (info.name == "fixed") continue;
    const std::string name = "\"" + info.name + "\"";
    EXPECT_EQ(Draw(name, 200, 5), Draw(name, 200, 5)) << info.name;
    EXPECT_NE(Draw(name, 200, 5), Draw(name, 200, 6)) << info.name;
  }
}

TEST(SampleGenerators, EveryListedParameterIsAccepted) {
  for (const GeneratorInfo& info : SampleGenerators()) {
    EXPECT_FALSE(info.description.empty());
    if (info.name == "fixed") continue;  // its parameters exclude each other
    Json json = Json::EmptyObject();
    json["name"] = info.name;
    for (const auto& [name, value] : info.parameters) json[name] = value;
    EXPECT_NO_THROW(ReadSampleSource(JsonReader(json, "test"))) << info.name;
  }
}

TEST(SampleGenerators, PhotosHaveTheAspectOfCocoPhotographs) {
  const auto widths = Reference("more/coco_val2017/image_sizes_captions.csv", "width_px");
  const auto heights = Reference("more/coco_val2017/image_sizes_captions.csv", "height_px");
  if (widths.empty()) GTEST_SKIP() << "no reference data";
  std::vector<double> aspects;
  for (std::size_t i = 0; i < widths.size(); ++i) aspects.push_back(heights[i] / widths[i]);
  const auto drawn = Collect(Draw(R"({"name": "single-image", "diagram_share": 0, "infographic_share": 0})"), Aspect);
  EXPECT_NEAR(Quantile(drawn, 0.5), Quantile(aspects, 0.5), 0.02);
  for (const double share : {0.05, 0.25, 0.75, 0.95}) {  // cameras have few formats, a bell has tails: within 30 %
    EXPECT_NEAR(Quantile(drawn, share) / Quantile(aspects, share), 1.0, 0.3) << share;
  }
}

TEST(SampleGenerators, AudioLiesBetweenReadBooksAndShortSentences) {
  const auto books = Reference("more/librispeech/utterance_durations_train_clean_100.csv", "duration_s");
  auto sentences = Reference("more/common_voice/indonesian.csv", "duration_ms");
  if (books.empty() || sentences.empty()) GTEST_SKIP() << "no reference data";
  for (double& duration : sentences) duration *= 1e-3;
  const auto drawn = Collect(Draw(R"("audio")"), [](const Sample& sample) { return sample.audio_s; });
  EXPECT_GT(Quantile(drawn, 0.5), Quantile(sentences, 0.5));
  EXPECT_LT(Quantile(drawn, 0.5), Quantile(books, 0.5));
  EXPECT_NEAR(Mean(drawn), (Mean(books) + Mean(sentences)) / 2, 0.05 * Mean(drawn));
  EXPECT_LE(*std::max_element(drawn.begin(), drawn.end()), 30.0);
}

TEST(SampleGenerators, TextOnlyHasTheLengthsOfConversations) {
  const std::string path = DFLOP_SHARED_DIR "/reference-data/azure-llm-2023/token_lengths.csv";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data";
  const CsvTable table = ReadCsv(path);
  double sum = 0;
  int count = 0;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    if (table.rows[row][table.Column("trace")] != "conv") continue;
    sum += std::log(table.Number(row, table.Column("context_tokens")) +
                    table.Number(row, table.Column("generated_tokens")));
    ++count;
  }
  const auto drawn = Collect(Draw(R"("text-only")"), [](const Sample& s) { return std::log(s.text_tokens); });
  EXPECT_NEAR(Mean(drawn), sum / count, 0.02);
}

// Independent of the quantiles: the summary's own means, and the shares of the 70,706 samples.
TEST(SampleGenerators, InternVlSftMatchesTheMeansOfItsSource) {
  const std::string path = DFLOP_SHARED_DIR "/reference-data/internvl-sft-summary/tiles_text_tokens.csv";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data";
  const CsvTable table = ReadCsv(path);
  std::map<int, double> samples;
  double total = 0;
  double llm_tokens = 0;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto number = [&](const char* column) { return table.Number(row, table.Column(column)); };
    const double count = number("samples_in_dataset") * number("share_of_dataset");
    samples[static_cast<int>(number("tiles"))] += count;
    total += count;
    llm_tokens += count * (256 * number("tiles") + number("text_tokens_mean"));
  }
  const auto drawn = Draw(R"("internvl-sft")");
  EXPECT_NEAR(Mean(Collect(drawn, [](const Sample& s) { return s.direct->llm_tokens; })), llm_tokens / total,
              0.01 * 1100);
  for (const auto& [tiles, count] : samples) {
    const auto hits =
        std::count_if(drawn.begin(), drawn.end(), [t = tiles](const Sample& s) { return s.direct->tiles == t; });
    EXPECT_NEAR(static_cast<double>(hits) / kDraws, count / total, 0.008) << tiles;
  }
}

}  // namespace
}  // namespace dflop
