// The format dflop/samples/1 and the sources that a scenario can name.
#include "traces/samples.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/input_error.hpp"

namespace dflop {
namespace {

std::string SamplesFile(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + std::to_string(getpid()) + "dflop_samples_" + name;
  WriteFile(path, content);
  return path;
}

std::string SourceError(const std::string& text) {
  return ErrorOf([&] {
    const Json document = ParseJson(text, "experiment.json");
    ReadSampleSource(JsonReader(document, "experiment.json"));
  });
}

std::unique_ptr<SampleSource> ReadFileSource(const std::string& path) {
  const Json document = ParseJson(R"({"file": ")" + path + R"("})", "experiment.json");
  return ReadSampleSource(JsonReader(document, "experiment.json"));
}

std::string FileError(const std::string& content) {
  return ErrorOf([&] { ReadFileSource(SamplesFile("bad.json", content)); });
}

Sample RandomSample(RandomStream& random) {
  Sample sample;
  if (random.Below(4) == 0) {
    sample.direct = {.tiles = static_cast<int>(random.Below(100)),
                     .llm_tokens = static_cast<int>(1 + random.Below(9999))};
    return sample;
  }
  const std::uint64_t images = random.Below(4);
  for (std::uint64_t i = 0; i < images; ++i) {
    sample.images.push_back({static_cast<int>(1 + random.Below(1'000'000)), static_cast<int>(1 + random.Below(5000))});
  }
  sample.video_frames = static_cast<int>(random.Below(3) * random.Below(10'001) / 2);
  sample.audio_s = random.Below(2) == 0 ? 0.0 : random.LogNormal(10, 1);
  sample.text_tokens = static_cast<int>(1 + random.Below(10'000'000));
  return sample;
}

TEST(Samples, WrittenSamplesReadBackTheSame) {
  RandomStream random(3, "samples");
  SampleSet set{"a \"name\"", "a source", {}};
  for (int i = 0; i < 500; ++i) set.samples.push_back(RandomSample(random));
  const std::string path = testing::TempDir() + "dflop_samples_round_trip.json";
  WriteSamples(path, set);
  const auto read = ReadFileSource(path);
  EXPECT_EQ(read->name(), set.name);
  EXPECT_EQ(read->description(), set.source + " (500 records)");
  EXPECT_EQ(read->records()->samples, set.samples);
}

TEST(Samples, WhatIsEstimatedOrDisagreesIsStoredAndSaid) {
  SampleSet set{"n", "s", {{.text_tokens = 3}, {.video_frames = 9, .videos = 3}, {.audio_s = 4, .audios = 2}}, 2, 1};
  const std::string path = SamplesFile("provisos.json", "");
  WriteSamples(path, set);
  const auto read = ReadFileSource(path);
  EXPECT_EQ(read->records()->samples, set.samples);
  EXPECT_EQ(read->records()->estimated_texts, 2);
  EXPECT_EQ(read->records()->mismatched, 1);
  EXPECT_NE(read->description().find("text tokens of 2 estimated"), std::string::npos) << read->description();
  EXPECT_NE(read->description().find("1 taken although"), std::string::npos) << read->description();
}

TEST(Samples, NullAndEmptyImagesMeanAbsentAndANumberIsANumber) {
  const Json document = ParseJson(R"({"records": [{"images": null, "text_tokens": 5}, {"images": [], "text_tokens": 5},
                                               {"tiles": 2, "llm_tokens": 9, "images": null}]})",
                                  "x");
  const auto source = ReadSampleSource(JsonReader(document, "x"));
  Sample direct;
  direct.direct = {.tiles = 2, .llm_tokens = 9};
  EXPECT_EQ(source->records()->samples, (std::vector<Sample>{{.text_tokens = 5}, {.text_tokens = 5}, direct}));
  for (const char* key : {"video_frames", "audio_s", "text_tokens"}) {
    for (const char* value : {"null", "[]", "\"\""}) {
      const std::string text = std::string(R"({"records": [{"images": [[300, 200]], ")") + key + "\": " + value + "}]}";
      EXPECT_THROW(ReadSampleSource(JsonReader(ParseJson(text, "x"), "x")), InputError) << text;
    }
  }
}

TEST(Samples, RecordsAreDrawnWithReplacementAndEvenly) {
  const Json document =
      ParseJson(R"({"records": [{"text_tokens": 1}, {"text_tokens": 2}, {"tiles": 3, "llm_tokens": 9}]})", "x");
  const auto source = ReadSampleSource(JsonReader(document, "x"));
  ASSERT_NE(source->records(), nullptr);
  EXPECT_EQ(source->records()->samples.size(), 3u);
  RandomStream random(1, "draw");
  int direct = 0;
  for (int i = 0; i < 30'000; ++i) direct += source->Draw(random).direct ? 1 : 0;
  EXPECT_NEAR(direct, 10'000, 400);  // five standard deviations of a binomial: 5·√(30000·1/3·2/3) = 408
}

TEST(Samples, FilesAreFoundBesideTheExperiment) {
  const std::string folder = testing::TempDir() + "dflop_samples_folder";
  WriteFile(folder + "/data/set.json",
            R"({"schema": "dflop/samples/1", "name": "n", "source": "s", "records": [{"text_tokens": 5}]})");
  const Json document = ParseJson(R"({"file": "data/set.json"})", "x");
  const auto source = ReadSampleSource(JsonReader(document, folder + "/experiment.json"));
  EXPECT_EQ(source->name(), "n");
  EXPECT_EQ(source->records()->samples.front().text_tokens, 5);
}

TEST(Samples, AFileMayHoldADistributionWithItsSource) {
  const std::string path =
      SamplesFile("distribution.json", R"({"schema": "dflop/samples/1", "name": "mine", "source": "measured",
      "distribution": {"name": "fixed", "text_tokens": 7}})");
  const auto source = ReadFileSource(path);
  RandomStream random(1, "draw");
  EXPECT_EQ(source->name(), "mine");
  EXPECT_EQ(source->records(), nullptr);
  EXPECT_EQ(source->Draw(random).text_tokens, 7);
}

TEST(Samples, BadRecordsAreNamedByTheirPlace) {
  const auto starts = [](const std::string& error, const std::string& start) {
    EXPECT_EQ(error.substr(0, start.size()), start) << error;
  };
  starts(SourceError(R"({"records": []})"), "/records: ");
  starts(SourceError(R"({"records": [{}]})"), "/records/0: ");
  starts(SourceError(R"({"records": [{"text_tokens": 0}]})"), "/records/0: ");
  starts(SourceError(R"({"records": [{"text_tokens": 1}, {"text_tokens": -1}]})"), "/records/1/text_tokens: ");
  starts(SourceError(R"({"records": [{"text_tokens": 1.5}]})"), "/records/0/text_tokens: ");
  starts(SourceError(R"({"records": [{"text_tokens": 10000001}]})"), "/records/0/text_tokens: ");
  starts(SourceError(R"({"records": [{"images": [[0, 5]]}]})"), "/records/0/images/0/0: ");
  starts(SourceError(R"({"records": [{"images": [[5, 1000001]]}]})"), "/records/0/images/0/1: ");
  starts(SourceError(R"({"records": [{"images": [[5, 5, 5]]}]})"), "/records/0/images/0: ");
  starts(SourceError(R"({"records": [{"images": [[-5, 5]]}]})"), "/records/0/images/0/0: ");
  starts(SourceError(R"({"records": [{"video_frames": 10001}]})"), "/records/0/video_frames: ");
  starts(SourceError(R"({"records": [{"audio_s": -1}]})"), "/records/0/audio_s: ");
  starts(SourceError(R"({"records": [{"audio_s": 1e6}]})"), "/records/0/audio_s: ");
  starts(SourceError(R"({"records": [{"audio_s": "1"}]})"), "/records/0/audio_s: ");
  starts(SourceError(R"({"records": [{"text_token": 1}]})"), "/records/0/text_token: ");
  starts(SourceError(R"({"records": [{"tiles": 1}]})"), "/records/0: ");
  starts(SourceError(R"({"records": [{"tiles": 1, "llm_tokens": 0}]})"), "/records/0/llm_tokens: ");
  starts(SourceError(R"({"records": [{"tiles": 1, "llm_tokens": 9, "text_tokens": 3}]})"), "/records/0/text_tokens: ");
  starts(SourceError(R"({"records": [3]})"), "/records/0: ");
  starts(SourceError(R"({"records": [{"audio_s": NaN}]})"), ": ");
}

TEST(Samples, BadSourcesAreNamedByTheirPlace) {
  const auto holds = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  holds(SourceError(R"({})"), "is wanted");
  holds(SourceError(R"({"records": [{"text_tokens": 1}], "file": "x"})"), "/records: ");
  holds(SourceError(R"({"file": "no/such/file.json"})"), "/file: ");
  holds(SourceError(R"("dflop-mxi")"), "did you mean \"dflop-mix\"");
  holds(SourceError(R"({"name": "dflop-mix", "video_shares": 3})"), "/video_shares: ");
  holds(SourceError(R"({"name": "dflop-mix", "video_share": -3})"), "/video_share: ");
  holds(SourceError(R"({"name": "video", "clip_min_s": 40})"), "clip_min_s is larger");
  holds(SourceError(R"({"name": "fixed"})"), "needs content");
  holds(SourceError(R"({"name": "fixed", "tiles": 3})"), "llm_tokens");
  holds(SourceError(R"({"name": "fixed", "tiles": 3, "llm_tokens": 9, "text_tokens": 4})"), "nothing beside");
  holds(SourceError(R"({"name": "single-image", "photo_share": 0, "diagram_share": 0, "infographic_share": 0})"),
        "every share");
}

TEST(Samples, BadFilesAreRefused) {
  const std::string good =
      R"({"schema": "dflop/samples/1", "name": "n", "source": "s", "records": [{"text_tokens": 5}]})";
  EXPECT_EQ(FileError(good), "");
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(FileError(good.substr(0, length)), "") << "truncated to " << length << " bytes";
  }
  EXPECT_NE(FileError(R"({"schema": "dflop/samples/2", "name": "n", "source": "s", "records": [{"text_tokens": 5}]})"),
            "");
  EXPECT_NE(FileError(R"({"name": "n", "source": "s", "records": [{"text_tokens": 5}]})"), "");
  EXPECT_NE(FileError(R"({"schema": "dflop/samples/1", "source": "s", "records": [{"text_tokens": 5}]})"), "");
  EXPECT_NE(FileError(R"({"schema": "dflop/samples/1", "name": "n", "records": [{"text_tokens": 5}]})"), "");
  EXPECT_NE(FileError(R"({"schema": "dflop/samples/1", "name": "n", "source": "s", "records": [], "more": 1})"), "");
  EXPECT_NE(FileError("[]"), "");
}

// Records are read before the end of the file is known: what is wrong with the file as a whole still comes first.
TEST(Samples, AWrongFileIsReportedBeforeAWrongRecord) {
  const auto complaint = [](const std::string& head, const std::string& tail) {
    const std::string path =
        SamplesFile("wrong.json", "{" + head + R"("records": [{"text_tokens": 5}, {"colour": 1}])" + tail);
    const std::string error = ErrorOf([&] { ReadFileSource(path); });
    return error.substr(0, error.find(": "));
  };
  const std::string named = R"("name": "n", "source": "s", )";
  EXPECT_EQ(complaint(named + R"("schema": "dflop/plan/1", )", "}"), "/schema");
  EXPECT_EQ(complaint(named + R"("schema": "dflop/samples/1", )", R"(, "rows": 1})"), "/rows");
  EXPECT_EQ(complaint(named + R"("schema": "dflop/samples/1", )", "}"), "/records/1/colour");
  EXPECT_EQ(complaint(named + R"("schema": "dflop/samples/1", )", ""), "");  // cut off: the place is line and column
}

}  // namespace
}  // namespace dflop
