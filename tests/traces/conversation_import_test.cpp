// Conversations with media: dialects, containers, and that no medium is dropped without a word.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "test_paths.hpp"
#include "tests/input_error.hpp"
#include "traces/samples.hpp"

namespace dflop {
namespace {

std::string SetFile(const std::string& content) {
  const std::string path = testing::TempDir() + std::to_string(getpid()) + "dflop_conversations_set.json";
  WriteFile(path, content);
  return path;
}

std::vector<Sample> Import(const std::string& content) { return ImportLlava({SetFile(content)}).samples; }
std::string ImportComplaint(const std::string& content) {
  return ErrorOf([&] { Import(content); });
}

/// One record: what stands before its conversation, and the human's words in it.
std::string Record(const std::string& keys, const std::string& human) {
  return "{" + keys + (keys.empty() ? "" : ", ") + R"("conversations": [{"from": "human", "value": ")" + human +
         R"("}, {"from": "gpt", "value": "one two"}]})";
}

// "one two" are two tokens, and so is "a b": common words are one each.
TEST(ImportConversations, ImagesAndTheirSizesAreRead) {
  const std::vector<Sample> expected{Sample{.images = {{640, 480}}, .text_tokens = 4}};
  const std::string one = "<image>a b";
  for (const char* keys :
       {R"("image": "a.jpg", "width": 640, "height": 480)", R"("image": ["a.jpg"], "image_sizes": [[640, 480]])",
        R"("images": ["a.jpg"], "image_size": [640, 480])", R"("images": "a.jpg", "width": [640], "height": [480])",
        R"("image": "a.jpg", "width_list": [640], "height_list": [480])",
        R"("image": {"path": "a.jpg", "width": 640, "height": 480})",
        R"("images": [{"file": "a.jpg", "size": [640, 480]}])"}) {
    EXPECT_EQ(Import(Record(keys, one)), expected) << keys;
  }
  EXPECT_EQ(Import(Record(R"("images": ["a", "b"], "width_list": [1, 2], "height_list": [3, 4])", "<image>a<image>b")),
            (std::vector{Sample{.images = {{1, 3}, {2, 4}}, .text_tokens = 4}}));
}

TEST(ImportConversations, ClipsAreReadOneOrSeveral) {
  EXPECT_EQ(Import(Record(R"("video": "v.mp4", "frames": 9)", "<video>a b")),
            (std::vector{Sample{.video_frames = 9, .text_tokens = 4}}));
  EXPECT_EQ(Import(Record(R"("videos": ["v.mp4"], "duration": 9.5)", "<video>a b")),
            (std::vector{Sample{.video_frames = 10, .text_tokens = 4}}));
  EXPECT_EQ(Import(Record(R"("video": ["a.mp4", "b.mp4"], "duration": [20, 100])", "<video><video>a b")),
            (std::vector{Sample{.video_frames = 52, .videos = 2, .text_tokens = 4}}));
  EXPECT_EQ(Import(Record(R"("video": [["1.jpg", "2.jpg", "3.jpg"]])", "<video>a b")),
            (std::vector{Sample{.video_frames = 3, .text_tokens = 4}}));
  EXPECT_EQ(Import(Record(R"("audios": ["a.wav"], "duration": 12.5)", "<audio>a b")),
            (std::vector{Sample{.audio_s = 12.5, .text_tokens = 4}}));
  EXPECT_EQ(Import(Record(R"("audio": ["a.wav", "b.wav"], "audio_duration": [3, 4])", "<audio>a<audio>b")),
            (std::vector{Sample{.audio_s = 7, .audios = 2, .text_tokens = 4}}));
  // LLaVA-Video writes <image> where its one video goes.
  EXPECT_EQ(Import(Record(R"("video": "v.mp4", "frames": 9)", "<image>a b")),
            (std::vector{Sample{.video_frames = 9, .text_tokens = 4}}));
}

TEST(ImportConversations, MessagesPartsAndTextKeysAreTheSameRecord) {
  const std::vector<Sample> expected{Sample{.images = {{640, 480}}, .text_tokens = 4}};
  const std::string answer = R"({"role": "assistant", "content": "one two"}]})";
  const std::string user = R"({"messages": [{"role": "user", "content": )";
  EXPECT_EQ(Import(user + R"([{"type": "image", "image": "a.jpg", "width": 640, "height": 480},
                             {"type": "text", "text": "a b"}]},)" +
                   answer),
            expected);
  EXPECT_EQ(Import(user + R"([{"type": "image_url", "image_url": {"url": "a.jpg", "width": 640, "height": 480}},
                             {"type": "text", "text": "a b"}]},)" +
                   answer),
            expected);
  EXPECT_EQ(Import(R"({"images": ["a.jpg"], "image_sizes": [[640, 480]], "messages": [{"role": "user",
                       "content": [{"type": "image"}, {"type": "text", "text": "a b"}]},)" +
                   answer),
            expected);
  EXPECT_EQ(Import(R"({"images": ["a.jpg"], "image_sizes": [[640, 480]], "messages":
                       [{"role": "user", "content": "<image>a b"},)" +
                   answer),
            expected);
  EXPECT_EQ(Import(R"({"image": "a.jpg", "width": 640, "height": 480, "conversations": [{"value": ["<image>", "a b"]},
                       {"from": "gpt", "text": "one two"}]})"),
            expected);
  ExpectError(ImportComplaint(user + R"([{"type": "point_cloud", "data": "x"}]}]})"), "/messages/0/content/0: ");
  ExpectError(ImportComplaint(R"({"conversations": [{"from": "human"}]})"),
              "/conversations/0: lacks the key \"value\"");
}

TEST(ImportConversations, NullAndEmptyMeanAbsentForEveryKey) {
  const std::vector<Sample> text{Sample{.text_tokens = 4}};
  for (const char* keys : {R"("image": null, "video": null, "audio": null, "width": null, "height": null)",
                           R"("image": "", "video": "", "duration": "")", R"("images": [], "videos": [], "audios": [])",
                           R"("image": [null, ""], "frames": null, "image_sizes": [], "text_tokens": null)"}) {
    EXPECT_EQ(Import(Record(keys, "a b")), text) << keys;
  }
  EXPECT_EQ(Import(Record(R"("image": "a", "video": null, "width": 3, "height": 4, "duration": null)", "<image>a b")),
            (std::vector{Sample{.images = {{3, 4}}, .text_tokens = 4}}));
  EXPECT_EQ(Import(R"({"conversations": [{"value": "a b"}, {"value": null}, {"value": "", "content": "one two"}]})"),
            text);
}

TEST(ImportConversations, PlaceholdersAreHeldAgainstMedia) {
  const std::string sized = R"("image": ["a", "b"], "width": [3, 3], "height": [4, 4])";
  ExpectError(ImportComplaint("[" + Record("", "a b") + "," + Record(sized, "<image>a b") + "]"), "/1: has 1 <image>");
  ExpectError(ImportComplaint(Record(sized, "<image><image><image>a b")),
              "has 3 <image> in its text and 2 of kind image");
  ExpectError(ImportComplaint(Record("", "<image>a b")), "has 1 <image> in its text and 0");
  ExpectError(ImportComplaint(Record("", "<video>a b")), "has 1 <video>");
  ExpectError(ImportComplaint(Record("", "<audio>a b")), "has 1 <audio>");
  ExpectError(ImportComplaint(Record(R"("audio": "a.wav", "duration": 3)", "a b")), "has 0 <audio> in its text and 1");
  ExpectError(ImportComplaint(Record(R"("audio": "a.wav", "duration": 3)", "<video>a b")), "<video>");
}

TEST(ImportConversations, UnknownKeysThatLookLikeMediaAreErrors) {
  for (const char* key : {R"("img": "a.jpg")", R"("Images": ["a"])", R"("image_path": "a")", R"("picture": "x")",
                          R"("video_file": "v")", R"("clip": ["a"])", R"("frames": ["1.jpg", "2.jpg"])",
                          R"("speech": {"path": "x"})", R"("file_name": "dog.PNG")", R"("url": "http://x/a.mp4")",
                          R"("raw": "data:image/png;base64,AAAA")", R"("duration": 12.5)", R"("video_frames": 8)"}) {
    const std::string error = ImportComplaint("[" + Record(key, "a b") + "]");
    ExpectError(error, "/0: the key /0/");
    ExpectError(error, "looks like a medium");
  }
  for (const char* key :
       {R"("id": "dog.png")", R"("image_id": "x")", R"("num_images": 2)", R"("dataset": "coco")",
        R"("image_caption": "a dog")", R"("has_video": true)", R"("duration": 0)", R"("img": null)"}) {
    EXPECT_EQ(Import(Record(key, "a b")), (std::vector{Sample{.text_tokens = 4}})) << key;
  }
  // In a turn too.
  ExpectError(ImportComplaint(R"({"messages": [{"role": "user", "content": "a b", "picture": "a.jpg"}]})"),
              "/messages/0/picture");
}

// From here on each line was once read without a word, and wrongly.
TEST(ImportConversations, AListOfTurnsThatIsEmptyIsAbsent) {
  const std::string turns = R"([{"from": "human", "value": "one two"}])";
  for (const char* nothing : {"[]", "null", R"("")"}) {
    const std::string both = R"([{"conversations": )" + turns + R"(, "messages": )" + nothing + "}]";
    EXPECT_EQ(Import(both), std::vector<Sample>{Sample{.text_tokens = 2}}) << both;
    const std::string other = R"([{"conversations": )" + std::string(nothing) + R"(, "messages": )" + turns + "}]";
    EXPECT_EQ(Import(other), std::vector<Sample>{Sample{.text_tokens = 2}}) << other;
  }
}

TEST(ImportConversations, APartMayHoldTextAndMedia) {
  const auto parts = [](const std::string& list) {
    return R"([{"width": 640, "height": 480, "messages": [{"role": "user", "content": [)" + list + "]}]}]";
  };
  const std::vector<Sample> both{Sample{.images = {{640, 480}}, .text_tokens = 2}};
  for (const char* part :
       {R"({"type": "text", "text": "one two", "image": "a.jpg"})",
        R"({"type": "text", "text": "one two", "images": ["a.jpg"]})",
        R"({"type": "image", "image": "a.jpg", "text": "one two"})", R"({"image": "a.jpg", "text": "one two"})"}) {
    EXPECT_EQ(Import(parts(part)), both) << part;
  }
  const std::vector<Sample> two = Import(
      R"([{"image_sizes": [[10, 20], [30, 40]], "messages": [{"role": "user", "content":
          [{"type": "image", "image": ["a.jpg", "b.jpg"]}, {"type": "text", "text": "one two"}]}]}])");
  EXPECT_EQ(two, (std::vector<Sample>{Sample{.images = {{10, 20}, {30, 40}}, .text_tokens = 2}}));
}

TEST(ImportConversations, AMediumUnderAnUnknownKeyIsFoundHoweverDeep) {
  for (const char* keys :
       {R"("attachments": [{"path": "a.jpg"}])", R"("multi_modal_data": {"image": ["a.jpg"]})",
        R"("metadata": {"video": "a.mp4"})", R"("image_list": ["000001", "000002"])", R"("imageurl": "https://x")",
        R"("file": "https://x/y.jpg?w=640")", R"("files": ["notes.txt", "a.jpg"])", R"("path": "a.mpg")",
        R"("path": "a.jfif")", R"("video_id": "a.mp4")"}) {
    ExpectError(ImportComplaint("[" + Record(keys, "a b") + "]"), "looks like a medium");
  }
  // Beside a medium that is read a number may look like its file's name.
  EXPECT_EQ(
      Import("[" + Record(R"("image_id": "7.jpg", "image": "7.jpg", "width": 1, "height": 1)", "<image>a b") + "]")
          .size(),
      1u);
  EXPECT_EQ(Import("[" + Record(R"("metadata": {"source": "web", "rank": 3}, "image_id": 7)", "a b") + "]").size(), 1u);
}

TEST(ImportConversations, SystemTextAndThoughtsAreText) {
  for (const char* system : {R"("one two")", R"([{"type": "text", "text": "one two"}])", R"({"content": "one two"})"}) {
    EXPECT_EQ(Import("[" + Record(R"("system": )" + std::string(system), "a b") + "]"),
              std::vector<Sample>{Sample{.text_tokens = 6}})
        << system;
  }
  EXPECT_EQ(Import(R"([{"messages": [{"role": "assistant", "reasoning_content": "one two", "content": "a b"}]}])"),
            std::vector<Sample>{Sample{.text_tokens = 4}});
}

TEST(ImportConversations, ALenientImportCountsWhatDisagrees) {
  const std::string path = SetFile("[" + Record("", "<image>a b") + "," + Record("", "a b") + "," +
                                   Record(R"("picture": "x.jpg")", "a b") + "]");
  const SampleSet set = ImportLlava({path}, true);
  EXPECT_EQ(set.mismatched, 2);
  EXPECT_EQ(set.samples, (std::vector<Sample>(3, Sample{.text_tokens = 4})));
}

TEST(ImportConversations, ACountInTheRecordWins) {
  const SampleSet counted = ImportLlava({SetFile(Record(R"("text_tokens": 77)", "a b"))});
  EXPECT_EQ(counted.samples.front().text_tokens, 77);
  EXPECT_EQ(counted.estimated_texts, 0);
  EXPECT_EQ(ImportLlava({SetFile(Record("", "a b"))}).estimated_texts, 1);
  EXPECT_EQ(Import(R"({"image": "a", "width": 3, "height": 4, "num_tokens": 5})"),
            (std::vector{Sample{.images = {{3, 4}}, .text_tokens = 5}}));
  ExpectError(ImportComplaint(Record(R"("text_tokens": 7, "num_tokens": 8)", "a b")), "another count");
  ExpectError(ImportComplaint(Record(R"("text_tokens": -1)", "a b")), "/text_tokens: ");
}

TEST(ImportConversations, RecordsThatLackSomethingSayWhatToAdd) {
  ExpectError(ImportComplaint(Record(R"("image": "a.jpg")", "<image>a")), "image_sizes");
  ExpectError(ImportComplaint(Record(R"("video": "a.mp4")", "<video>a")), "\"duration\"");
  ExpectError(ImportComplaint(Record(R"("image": ["a", "b"], "width": 3, "height": 4)", "<image><image>a")),
              "2 images and 1 size");
  ExpectError(ImportComplaint(Record(R"("video": ["a", "b"], "duration": 3)", "<video><video>a")),
              "2 videos and 1 length");
  ExpectError(ImportComplaint("[" + Record(R"("image": "a", "width": -3, "height": 4)", "<image>a") + "]"),
              "/0/width: ");
  ExpectError(ImportComplaint(Record(R"("audio": "a", "duration": 0)", "<audio>a")), "no length");
  ExpectError(ImportComplaint(Record(R"("image": "a", "images": ["b"], "width": 3, "height": 4)", "<image>a")),
              "one of the two");
  ExpectError(ImportComplaint(R"([{"image": "a", "width": 3, "height": 4}])"), "conversations");
  ExpectError(ImportComplaint(R"([{"conversations": [{"value": 3}]}])"), "/0/conversations/0/value: ");
  ExpectError(ImportComplaint(R"([{"conversations": []}])"), "holds nothing");
  ExpectError(ImportComplaint(R"({"my_set": {"root": "data", "annotation": "ann.jsonl"}})"), "ann.jsonl");
}

TEST(ImportConversations, EveryContainerHoldsTheSameRecords) {
  const std::string a = Record("", "a b");
  const std::vector<Sample> two(2, Sample{.text_tokens = 4});
  const std::string mark = "\xef\xbb\xbf";
  const std::string pretty =
      "{\n  \"conversations\": [\n    {\"value\": \"a b\"},\n    {\"value\": \"one two\"}\n  ]\n}\n";
  const std::vector<std::string> containers = {
      "[" + a + "," + a + "]",
      mark + "[" + a + "," + a + "]",
      a + "\n" + a,
      mark + a + "\r\n" + a + "\r\n",
      "[" + a + "]\n[" + a + "]",
      a + "\n\n" + a + "\n",
      pretty + pretty,
      "{\"data\": [" + a + "," + a + "]}",
      "{\"version\": 2, \"note\": \"x\", \"annotations\": [" + a + "," + a + "]}"};
  for (const std::string& text : containers) {
    EXPECT_EQ(Import(text), two) << text;
  }
}

TEST(ImportConversations, WhatIsNoContainerIsNamedForWhatItIs) {
  using std::string_literals::operator""s;
  const std::string a = Record("", "a b");
  const std::vector<std::pair<std::string, std::string>> strangers = {
      {"PAR1\x15\x04\x15PAR1", "Parquet"},
      {"\x1f\x8b\x08\x00"s, "gzip"},
      {"PK\x03\x04xx", "zip"},
      {"\xff\xfe[\0]\0"s, "UTF-16"},
      {"ARROW1\0\0"s, "Arrow"},
      {"{\0}"s, "binary"},
      {"image,width\na.jpg,3\n", "begins with \"image,width\""},
      {"[" + a + ",\n]", "comma after the last element"},
      {a + ",\n" + a, "comma between its values"},
      {R"({"images": [{"id": 1}], "annotations": [{"id": 2}]})", "several lists"},
      {"", "empty"},
      {"\xef\xbb\xbf \n", "empty"},
      {"[]", "no records"},
      {"[3]", "/0: is a number"},
      {a + "\n" + R"({"conversations": [)", "set.json:2"},
      {a + "\n" + R"({"conversations": 3})", "set.json:2:/conversations"}};
  for (const auto& [text, cause] : strangers) {
    ExpectError(ImportComplaint(text), cause);
  }
}

/// The shared cases: records and what they hold, or a part of the complaint.
TEST(ImportConversations, SharedCasesAreRight) {
  const std::string folder = DFLOP_SHARED_DIR "/cases/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared cases";
  const auto read = [&](const std::string& file) { return ImportLlava({folder + file}).samples; };
  EXPECT_NEAR(read("01-text-without-spaces/en.json")[0].text_tokens, 89, 9);
  EXPECT_NEAR(read("01-text-without-spaces/zh.json")[0].text_tokens, 72, 7);
  EXPECT_EQ(read("02-internvl-dialect/internvl-multi.jsonl")[0].images,
            (std::vector<ImageSize>{{800, 600}, {1024, 768}, {448, 448}}));
  const std::vector<Sample> media = read("03-media-keys-lost/videos.json");
  EXPECT_EQ(media[0].video_frames, 30);
  EXPECT_EQ(media[1].audio_s, 12.5);
  EXPECT_EQ(read("03-media-keys-lost/multivideo.json")[0].video_frames, 30);
  EXPECT_EQ(read("03-media-keys-lost/multivideo.json")[0].videos, 2);
  for (const char* file : {"text-null.json", "text-empty-string.json", "text-empty-list.json"}) {
    EXPECT_GT(read(std::string("04-text-only-records/") + file)[0].text_tokens, 0) << file;
  }
  EXPECT_EQ(read("04-text-only-records/mixed-null.json")[0].images.size(), 1u);
  EXPECT_EQ(read("05-messages/messages.json").size(), 2u);
  for (const char* file : {"messages.json", "messages-parts.jsonl", "value-list.json"}) {
    EXPECT_EQ(read(std::string("05-messages/") + file)[0].images, (std::vector<ImageSize>{{640, 480}})) << file;
  }
  EXPECT_GT(read("05-messages/gpt-text-key.jsonl")[0].text_tokens, 0);
  for (const char* file :
       {"bom.json", "bom.jsonl", "concat-arrays.json", "crlf.jsonl", "pretty-one.json", "wrapped.json"}) {
    EXPECT_EQ(read(std::string("06-containers/") + file)[0].images, (std::vector<ImageSize>{{640, 480}})) << file;
  }
  EXPECT_EQ(read("06-containers/concat-arrays.json").size(), 2u);
  ExpectError(ErrorOf([&] { read("06-containers/fake.parquet"); }), "Parquet");
  ExpectError(ErrorOf([&] { read("06-containers/trailing-comma.json"); }), "comma after the last element");
}

}  // namespace
}  // namespace dflop
