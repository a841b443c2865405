// Importers: what each row or record becomes, what is refused, and the counts on real tables.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

std::string TempFile(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + std::to_string(getpid()) + "dflop_import_" + name;
  WriteFile(path, content);
  return path;
}

std::vector<Sample> Csv(const std::string& content) { return ImportCsv({TempFile("table.csv", content)}).samples; }

Sample Shape(int tiles, int llm_tokens) {
  Sample sample;
  sample.direct = {.tiles = tiles, .llm_tokens = llm_tokens};
  return sample;
}

// Words become tokens by 1.35: 10 → 13.5 → 14, 20 → 27.
TEST(ImportCsv, ColumnNamesSayWhatARowHolds) {
  EXPECT_EQ(Csv("name,tiles,tokens\na,5,1320\n"), (std::vector{Shape(5, 1320)}));
  EXPECT_EQ(Csv("width_px,height_px,words\n640,480,10\n"),
            (std::vector{Sample{.images = {{640, 480}}, .text_tokens = 14}}));
  EXPECT_EQ(Csv("frames,question_words,answer_words\n8,18,2\n"),
            (std::vector{Sample{.video_frames = 8, .text_tokens = 27}}));
  EXPECT_EQ(Csv("duration_ms,words\n2500,10\n"), (std::vector{Sample{.audio_s = 2.5, .text_tokens = 14}}));
  EXPECT_EQ(Csv("text_tokens,words\n7,100\n"), (std::vector{Sample{.text_tokens = 7}}));
}

TEST(ImportCsv, ADurationIsAVideoInATableOfClips) {
  EXPECT_EQ(Csv("video,duration_s,width_px,height_px\nv,12.2,640,480\n"), (std::vector{Sample{.video_frames = 13}}));
  EXPECT_EQ(Csv("duration_s,fps\n90,30\n"), (std::vector{Sample{.video_frames = 32}}));
  EXPECT_EQ(Csv("video_s\n0.2\n"), (std::vector{Sample{.video_frames = 1}}));
  EXPECT_EQ(Csv("duration_s\n12.2\n"), (std::vector{Sample{.audio_s = 12.2}}));
}

// A table of images and texts: the second row has no size, the third no words.
TEST(ImportCsv, EmptyCellsMeanAbsent) {
  EXPECT_EQ(Csv("width_px,height_px,words\n640,480,10\n,,20\n800,600,\n"),
            (std::vector{Sample{.images = {{640, 480}}, .text_tokens = 14}, Sample{.text_tokens = 27},
                         Sample{.images = {{800, 600}}}}));
  EXPECT_EQ(
      Csv("frames,width_px,height_px,text_tokens\n8,,,5\n,640,480,5\n"),
      (std::vector{Sample{.video_frames = 8, .text_tokens = 5}, Sample{.images = {{640, 480}}, .text_tokens = 5}}));
  EXPECT_NE(ErrorOf([] { Csv("width_px,height_px,words\n640,,10\n"); }), "");
}

TEST(ImportCsv, AColumnOfMediaWithoutTheirSizesIsRefused) {
  ExpectError(ErrorOf([] { Csv("image,words\na.jpg,10\n"); }), "column \"image\"");
  ExpectError(ErrorOf([] { Csv("audio_path,words\na.wav,10\n"); }), "column \"audio_path\"");
  EXPECT_EQ(Csv("image_id,words\n7,10\n").size(), 1u);
  EXPECT_EQ(Csv("image,width_px,height_px\na.jpg,640,480\n").size(), 1u);
}

TEST(ImportCsv, LengthsFromWordsAreCountedAsEstimates) {
  EXPECT_EQ(ImportCsv({TempFile("w.csv", "words\n10\n20\n")}).estimated_texts, 2);
  EXPECT_EQ(ImportCsv({TempFile("w.csv", "text_tokens,words\n10,8\n20,16\n")}).estimated_texts, 0);
}

TEST(ImportCsv, BadTablesAreRefused) {
  ExpectError(ErrorOf([] { Csv(""); }), "empty");
  ExpectError(ErrorOf([] { Csv("tiles,tokens\n"); }), "no rows");
  ExpectError(ErrorOf([] { Csv("tiles\n3\n"); }), "both tiles and tokens");
  ExpectError(ErrorOf([] { Csv("width_px\n3\n"); }), "both width_px and height_px");
  ExpectError(ErrorOf([] { Csv("colour\nred\n"); }), "no column that says");
  ExpectError(ErrorOf([] { Csv("tiles,tokens\n5,1320\n5\n"); }), "3: ");
  ExpectError(ErrorOf([] { Csv("tiles,tokens\n-5,1320\n"); }), "2: ");
  ExpectError(ErrorOf([] { Csv("tiles,tokens\n5,nan\n"); }), "2: ");
  ExpectError(ErrorOf([] { Csv("tiles,tokens\n5.5,20\n"); }), "whole number");
  ExpectError(ErrorOf([] { Csv("width_px,height_px\n0,20\n"); }), "2: ");
  ExpectError(ErrorOf([] { Csv("words\n0\n"); }), "holds nothing");
  ExpectError(ErrorOf([] { ImportCsv({"no/such/file.csv"}); }), "no/such/file.csv");
}

struct RealTable {
  const char* file;
  std::size_t rows;
};

// Row counts as the READMEs of the tables state them.
TEST(ImportCsv, RealTablesGiveOneSamplePerRow) {
  const std::string folder = DFLOP_SHARED_DIR "/reference-data/more/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no reference data";
  for (const RealTable& table : {RealTable{"omnibal/internvl_sft_samples.csv", 40'332},
                                 {"nextqa/nextqa_val.csv", 4'996},
                                 {"activitynet/qa_train.csv", 31'930},
                                 {"librispeech/utterance_durations_train_clean_100.csv", 27'952},
                                 {"common_voice/indonesian.csv", 12'115},
                                 {"coco_val2017/image_sizes_captions.csv", 3'500},
                                 {"sroie_receipts/image_sizes_words.csv", 437}}) {
    EXPECT_EQ(ImportCsv({folder + table.file}).samples.size(), table.rows) << table.file;
  }
}

// First row of NExT-QA: 12 s of video; 8 + 15 + 3 words → 35.1 tokens.
TEST(ImportCsv, NextQaRowsAreVideosSampledOncePerSecond) {
  const std::string path = DFLOP_SHARED_DIR "/reference-data/more/nextqa/nextqa_val.csv";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data";
  EXPECT_EQ(ImportCsv({path}).samples.front(), (Sample{.video_frames = 12, .text_tokens = 35}));
}

std::string Histograms(const std::string& text) {
  return R"({"0": {"text_tokens": ")" + text + R"(", "image_tokens": "{100: 1.0}", "image_count": "{2: 1.0}"}})";
}

// 100 tokens of 28×28 px are a square of 280 px.
TEST(ImportServeGen, HistogramsBecomeRequests) {
  const SampleSet set = ImportServeGen({TempFile("x.json", Histograms("{50: 0.25, 60: 0.75}"))}, 4000, 1);
  ASSERT_EQ(set.samples.size(), 4000u);
  int shorter = 0;
  for (const Sample& sample : set.samples) {
    EXPECT_EQ(sample.images, (std::vector<ImageSize>{{280, 280}, {280, 280}}));
    shorter += sample.text_tokens == 50 ? 1 : 0;
  }
  EXPECT_NEAR(shorter, 1000, 137);  // five standard deviations
  EXPECT_EQ(ImportServeGen({TempFile("x.json", Histograms("{50: 0.25, 60: 0.75}"))}, 4000, 1).samples, set.samples);
}

// The first client's only window saw 1 + 2 requests/s, the second's first one 1 and its second one none: 3 : 1.
TEST(ImportServeGen, WindowsWeighByTheirRequests) {
  const std::string folder = testing::TempDir() + "dflop_import_servegen";
  const std::string window = R"("image_tokens": "{100: 1.0}", "image_count": "{1: 1.0}"})";
  WriteFile(folder + "/chunk-0-dataset.json", R"({"0": {"text_tokens": "{1: 1.0}", )" + window + "}");
  WriteFile(folder + "/chunk-0-trace.csv", "0,1,0.5,Gamma,1,1\n600,2,0.5,Gamma,1,1\n");
  WriteFile(folder + "/chunk-1-dataset.json", R"({"0": {"text_tokens": "{2: 1.0}", )" + window +
                                                  R"(, "600": {"text_tokens": "{3: 1.0}", )" + window + "}");
  WriteFile(folder + "/chunk-1-trace.csv", "0,1,0.5,Gamma,1,1\n600,0,0,,0,0\n");
  int first = 0;
  for (const Sample& sample : ImportServeGen({folder}, 4000, 1).samples) {
    EXPECT_NE(sample.text_tokens, 3);
    first += sample.text_tokens == 1 ? 1 : 0;
  }
  EXPECT_NEAR(first, 3000, 137);
}

TEST(ImportServeGen, BadHistogramsAreRefused) {
  for (const char* bad :
       {"", "{}", "50: 1", "{50}", "{x: 1}", "{50: nan}", "{50: -1}", "{50: 2}", "{-5: 1}", "{1.5: 1}", "{5: 0}"}) {
    ExpectError(ErrorOf([&] { ImportServeGen({TempFile("x.json", Histograms(bad))}, 10, 1); }), "/0/text_tokens: ");
  }
  ExpectError(ErrorOf([] { ImportServeGen({TempFile("x.json", "{}")}, 10, 1); }), "no time window");
}

// The reference data's own summary: mean text tokens and images of each client and window, weighed by its requests.
TEST(ImportServeGen, DrawsHaveTheMeansOfTheProductionTrace) {
  const std::string folder = DFLOP_SHARED_DIR "/reference-data/servegen/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no reference data";
  const CsvTable table = ReadCsv(folder + "mm_image_client_window_means.csv");
  double weight = 0;
  double text = 0;
  double images = 0;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto number = [&](const char* column) { return table.Number(row, table.Column(column)); };
    weight += number("sum_request_rate");
    text += number("sum_request_rate") * number("mean_text_tokens");
    images += number("sum_request_rate") * number("mean_image_count");
  }
  const int count = 40'000;
  double drawn_text = 0;
  double drawn_images = 0;
  for (const Sample& sample : ImportServeGen({folder + "mm-image"}, count, 1).samples) {
    drawn_text += sample.text_tokens;
    drawn_images += static_cast<double>(sample.images.size());
  }
  EXPECT_NEAR(drawn_text / count, text / weight, 0.05 * text / weight);
  EXPECT_NEAR(drawn_images / count, images / weight, 0.03 * images / weight);
}

TEST(ImportServeGen, RequestsWithOtherMediaAreRefused) {
  const auto import = [](const std::string& count) {
    const std::string window = R"({"0": {"text_tokens": "{1: 1}", "image_tokens": "{1: 1}", "image_count": "{1: 1}", )";
    const std::string path = TempFile("media.json", window + "\"audio_count\": \"" + count + "\"}}");
    return ErrorOf([&] { ImportServeGen({path}, 3, 1); });
  };
  EXPECT_EQ(import("{0: 1.0}"), "");
  EXPECT_EQ(import("{0: 1.0, 2: 0.0}"), "");
  ExpectError(import("{0: 0.9, 1: 0.1}"), "/0/audio_count: ");
}

TEST(ImportServeGen, AWindowStartsAtANumberOfSeconds) {
  const std::string window = R"({"text_tokens": "{1: 1}", "image_tokens": "{1: 1}", "image_count": "{1: 1}"})";
  const auto import = [&](const std::string& start) {
    const std::string path = TempFile("window.json", "{\"" + start + "\": " + window + ", \"60\": " + window + "}");
    return ErrorOf([&] { ImportServeGen({path}, 3, 1); });
  };
  EXPECT_EQ(import("0"), "");
  for (const char* start : {"nan", "-nan", "inf", "-inf", "1e999", "", "x", "1 "}) {
    ExpectError(import(start), "a window's start in seconds is wanted");
  }
}

}  // namespace
}  // namespace dflop
