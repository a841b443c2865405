// Claims on the strict JSON of base/: what is refused, how complaints read, and that numbers survive the round trip.
#include "base/json.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json_reader.hpp"
#include "base/random.hpp"
#include "tests/temporary_folder.hpp"

namespace dflop {
namespace {

/// The complaint about `text` in the file f.json, "" when it is accepted.
std::string ComplaintAbout(std::string_view text) {
  try {
    ParseJson(text, "f.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

template <typename Use>
std::string ComplaintOf(const std::string& text, Use use) {
  const Json document = ParseJson(text, "f.json");
  try {
    use(JsonReader(document, "f.json"));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Json, RefusesWhatIsNoStrictJson) {
  for (const char* text :
       {"",    " ",     "{",        "[1,",       "{\"a\": }", "{\"a\" 1}", "[1,]",       "{\"a\":1,}",   "nul",
        "NaN", "[NaN]", "Infinity", "-Infinity", "1 2",       "{} x",      "// note\n1", "'a'",          "{a: 1}",
        "01",  "+1",    ".5",       "1.",        "\"open",    "\"\\x\"",   "\"\xff\"",   "\"tab\there\""}) {
    EXPECT_NE(ComplaintAbout(text), "") << text;
  }
}

TEST(Json, EveryTruncationOfAnObjectIsRefused) {
  const std::string whole = R"({"a": [1, 2.5e3, true], "b": {"c": "x\n", "d": null}})";
  EXPECT_EQ(ComplaintAbout(whole), "");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(ComplaintAbout(whole.substr(0, length)), "") << length;
  }
}

TEST(Json, ComplaintNamesFileLineAndColumn) {
  // The stray x is the third character of the second line.
  const std::string complaint = ComplaintAbout("{\n  x");
  EXPECT_EQ(complaint.find("f.json: is no valid JSON at line 2, column 3"), 0u) << complaint;
}

TEST(Json, RefusesNumbersThatNoDoubleHolds) {
  EXPECT_NE(ComplaintAbout("1e400").find("overflow"), std::string::npos);
  EXPECT_NE(ComplaintAbout("[-1e400]"), "");
  EXPECT_EQ(ComplaintAbout("1e308"), "");
}

TEST(Json, RefusesAKeyTwiceInOneObjectOnly) {
  EXPECT_EQ(ComplaintAbout(R"({"s": [0, {"a": 1, "a": 2}]})"), "f.json:/s/1: the key \"a\" stands twice in one object");
  EXPECT_EQ(ComplaintAbout(R"({"s": {"a": 1}, "a": 2})"), "");
}

TEST(Json, Accepts64LevelsAndRefuses65) {
  EXPECT_EQ(ComplaintAbout(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_NE(ComplaintAbout(std::string(65, '[') + std::string(65, ']')).find("deeper than 64"), std::string::npos);
  EXPECT_NE(ComplaintAbout(std::string(1000000, '[')), "");
}

TEST(Json, RandomDoublesComeBackToTheLastBit) {
  RandomStream random(1, "json doubles");
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random.Next());
    if (!std::isfinite(value)) continue;
    const Json again = ParseJson(Json(value).Dump(), "f.json");
    ASSERT_TRUE(again.is<double>()) << value;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(again.as<double>()), std::bit_cast<std::uint64_t>(value)) << value;
  }
}

TEST(Json, WholeDoublesStayDoublesAndIntegersStayIntegers) {
  EXPECT_EQ(Json(2.0).Dump(), "2.0");
  EXPECT_EQ(Json(-0.0).Dump(), "-0.0");
  EXPECT_EQ(Json(2).Dump(), "2");
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(ParseJson(Json(kLargest).Dump(), "").as<std::int64_t>(), kLargest);
}

TEST(Json, NonFiniteNumbersNeverLeave) {
  EXPECT_DEATH(Json(std::numeric_limits<double>::quiet_NaN()).Dump(), "non-finite");
  EXPECT_DEATH(Json(std::numeric_limits<double>::infinity()).Dump(), "non-finite");
}

TEST(Json, DocumentsComeBackEqualInEveryLayout) {
  const Json document = ParseJson(
      R"({"b": [], "a": {}, "rows": [[1, 2], [3]], "t": [true, null, "é \u0001 \" \\ \n"], "n": {"x": [{"y": 1.5}]}})",
      "");
  for (const int indent : {0, 1, 4}) EXPECT_EQ(ParseJson(document.Dump(indent), ""), document) << indent;
}

TEST(Json, KeysKeepTheirOrder) { EXPECT_EQ(ParseJson(R"({"z":1,"a":2})", "").Dump(), R"({"z":1,"a":2})"); }

TEST(Json, WrittenFileReadsBackEqual) {
  const TemporaryFolder folder;
  Json document;
  document["x_s"] = 0.1;
  document["list"].push_back("a");
  WriteJsonFile(folder / "new/folder/f.json", document);
  EXPECT_EQ(ReadJsonFile(folder / "new/folder/f.json"), document);
  EXPECT_EQ(ReadFile(folder / "new/folder/f.json").back(), '\n');
}

TEST(JsonReader, PointerEscapesTildeAndSlash) {  // RFC 6901: ~ is ~0 and / is ~1
  const std::string complaint = ComplaintOf(R"({"a/b": {"m~n": [0, "x"]}})", [](const JsonReader& json) {
    json.At("a/b").At("m~n").Element(1).Number(0, 1);
  });
  EXPECT_EQ(complaint, "f.json:/a~1b/m~0n/1: is a string, a number from 0 to 1 is wanted");
}

TEST(JsonReader, RangesAreInclusiveAndPartOfTheMessage) {
  const Json document = ParseJson("[1, 8, 9, 8.0, 8.5]", "f.json");
  const JsonReader json(document, "f.json");
  EXPECT_EQ(json.Element(0).Int(1, 8), 1);
  EXPECT_EQ(json.Element(1).Int(1, 8), 8);
  EXPECT_EQ(json.Element(3).Int(1, 8), 8);
  EXPECT_THROW(json.Element(2).Int(1, 8), InputError);
  EXPECT_THROW(json.Element(4).Int(1, 9), InputError);
  EXPECT_THROW(json.Element(4).Number(8.6, 9), InputError);
  EXPECT_EQ(ComplaintOf("9", [](const JsonReader& nine) { nine.Int(1, 8); }), "f.json: is 9, allowed is from 1 to 8");
}

// 2^63 − 1 is the largest std::int64_t; as a double it is 2^63, which a comparison of doubles cannot tell from it.
TEST(JsonReader, IntegerBoundsAreExactAtBothEnds) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const auto read = [](const std::string& text, std::int64_t min, std::int64_t max) {
    return ComplaintOf(text, [&](const JsonReader& json) { json.Int(min, max); });
  };
  EXPECT_EQ(read("9223372036854775807", 0, most), "");
  EXPECT_NE(read("9223372036854775808", 0, most), "");  // 2^63: not a negative number
  EXPECT_NE(read("9223372036854775808", least, most), "");
  EXPECT_NE(read("1e300", least, most), "");
  EXPECT_EQ(read("-9223372036854775808", least, most), "");
  EXPECT_NE(read("-9223372036854775809", least, most), "");
  EXPECT_NE(read("-1e300", least, most), "");
  // Neighbours beyond 2^53, where doubles lie two apart and further.
  EXPECT_EQ(read("9007199254740993", 9007199254740993, most), "");
  EXPECT_NE(read("9007199254740992", 9007199254740993, most), "");
  EXPECT_NE(read("9007199254740994", 0, 9007199254740993), "");
  EXPECT_NE(read("9223372036854775807", 0, most - 1), "");
  EXPECT_NE(read("0", 1, 8), "");
  EXPECT_NE(read("-1", 0, 8), "");
}

TEST(JsonReader, NumberBoundsAreInclusive) {
  const auto read = [](const std::string& text, double min, double max) {
    return ComplaintOf(text, [&](const JsonReader& json) { json.Number(min, max); });
  };
  EXPECT_EQ(read("1", 0, 1), "");
  EXPECT_EQ(read("0", 0, 1), "");
  EXPECT_EQ(read("0.1", 0.1, 0.1), "");
  EXPECT_NE(read("1.0000000000000002", 0, 1), "");
  EXPECT_NE(read("-5e-324", 0, 1), "");
}

TEST(JsonReader, NothingIsSaidByNullAndByWhatIsEmpty) {
  const Json document = ParseJson(R"({"a": null, "b": "", "c": [], "d": 0, "e": {}, "f": [null]})", "f.json");
  const JsonReader json(document, "f.json");
  for (const char* key : {"a", "b", "c", "g"}) EXPECT_FALSE(json.FindGiven(key)) << key;
  for (const char* key : {"d", "e", "f"}) EXPECT_TRUE(json.FindGiven(key)) << key;
}

TEST(JsonReader, NearestNamesBeginWithThoseThatHoldWhatWasTyped) {
  const std::vector<std::string> names = {"llama3-70b", "qwen2.5-7b", "llama3-8b", "qwen-7b", "llava-llama3-8b"};
  EXPECT_EQ(NearestNames("llama3-8b", names, 2), (std::vector<std::string>{"llama3-8b", "llava-llama3-8b"}));
  EXPECT_EQ(NearestNames("lama3-8b", names, 1), (std::vector<std::string>{"llama3-8b"}));
  EXPECT_EQ(NearestNames("nothing like it", names).size(), 3u);
}

TEST(Json, ACommaBeforeTheClosingBracketIsNamed) {
  EXPECT_NE(ComplaintAbout("[1,\n]").find("a comma after the last element"), std::string::npos);
  EXPECT_NE(ComplaintAbout("{\"a\": 1, }").find("a comma after the last element"), std::string::npos);
  EXPECT_EQ(ComplaintAbout("[1, x]").find("a comma after the last element"), std::string::npos);
}

TEST(JsonReader, UnknownKeyNamesTheAllowedOnesAndTheNearest) {
  const std::string complaint = ComplaintOf(R"({"stepz": 1})", [](const JsonReader& json) {
    json.AllowOnly({"steps", "seeds"});
  });
  EXPECT_EQ(complaint, "f.json:/stepz: is an unknown key, allowed: steps, seeds (did you mean \"steps\"?)");
}

TEST(JsonReader, MissingKeyAndWrongKindAreSaid) {
  const auto at = [](const JsonReader& json) { json.At("steps"); };
  EXPECT_EQ(ComplaintOf("{}", at), "f.json: lacks the key \"steps\"");
  EXPECT_EQ(ComplaintOf("[]", at), "f.json: is an array, an object is wanted");
  EXPECT_EQ(ComplaintOf("{}", [](const JsonReader& json) { json.Elements(); }),
            "f.json: is an object, an array is wanted");
  EXPECT_EQ(ComplaintOf("1", [](const JsonReader& json) { json.Bool(); }),
            "f.json: is a number, true or false is wanted");
  EXPECT_EQ(ComplaintOf("\"\"", [](const JsonReader& json) { json.String(); }), "f.json: is an empty string");
}

TEST(JsonReader, FallbackHoldsOnlyForAMissingKey) {
  const Json document = ParseJson(R"({"a": null, "b": 5})", "f.json");
  const JsonReader json(document, "f.json");
  EXPECT_EQ(json.IntOr("c", 7, 0, 9), 7);
  EXPECT_EQ(json.IntOr("b", 7, 0, 9), 5);
  EXPECT_THROW(json.IntOr("a", 7, 0, 9), InputError);
  EXPECT_THROW(json.IntOr("b", 7, 0, 4), InputError);
}

TEST(JsonReader, SchemaMustBeTheOneThatIsRead) {
  const auto check = [](bool required) {
    return [required](const JsonReader& json) { json.CheckSchema("dflop/gpu/1", required); };
  };
  EXPECT_EQ(ComplaintOf(R"({"schema": "dflop/gpu/1"})", check(true)), "");
  EXPECT_EQ(ComplaintOf("{}", check(false)), "");
  EXPECT_EQ(ComplaintOf("{}", check(true)), "f.json: lacks the key \"schema\"");
  EXPECT_EQ(ComplaintOf(R"({"schema": "dflop/gpu/2"})", check(false)),
            "f.json:/schema: is \"dflop/gpu/2\", this program reads \"dflop/gpu/1\"");
}

TEST(JsonReader, HintsOnlyAtNearNames) {
  EXPECT_EQ(NearestName("repaly", {"replay", "simgrid"}), "replay");
  EXPECT_EQ(NearestName("zebra", {"replay", "simgrid"}), "");
}

TEST(Json, AStreamedArrayIsHandedOverElementByElement) {
  std::vector<std::string> seen;
  const ElementStream stream{"/a/records", [&](const Json& element, const std::string& pointer) {
                               seen.push_back(pointer + " " + element.Dump());
                             }};
  const Json rest =
      ParseJson(R"({"records": [1], "a": {"b": [2, 3], "records": [{"x": [4]}, [5, 6], 7]}})", "f", stream);
  EXPECT_EQ(seen, (std::vector<std::string>{R"(/a/records/0 {"x":[4]})", "/a/records/1 [5,6]", "/a/records/2 7"}));
  EXPECT_EQ(rest.Dump(), R"({"records":[1],"a":{"b":[2,3],"records":[]}})");
  seen.clear();
  EXPECT_EQ(ParseJson("[[1], 2]", "f", {"", stream.take}).Dump(), "[]");
  EXPECT_EQ(seen, (std::vector<std::string>{"/0 [1]", "/1 2"}));
}

TEST(Json, ComplaintsInsideAStreamedArrayCountTheElementsThatAreGone) {
  std::string complaint;
  try {
    ParseJson(R"({"rows": [{}, {}, {"a": {"k": 1, "k": 2}}]})", "f", {"/rows", [](const Json&, const std::string&) {}});
  } catch (const InputError& error) {
    complaint = error.what();
  }
  EXPECT_EQ(complaint, "f:/rows/2/a: the key \"k\" stands twice in one object");
}

// Large objects find a repeated key by another way than small ones.
TEST(Json, ARepeatedKeyIsFoundAmongFewAndAmongMany) {
  for (const int keys : {1, 15, 16, 17, 200}) {
    std::string members;
    for (int i = 0; i < keys; ++i) members += "\"key" + std::to_string(i) + "\": 0, ";
    EXPECT_EQ(ComplaintAbout("{" + members + "\"other\": 0}"), "");
    for (const int repeated : {0, keys / 2, keys - 1}) {
      EXPECT_NE(ComplaintAbout("{" + members + "\"key" + std::to_string(repeated) + "\": 0}"), "") << keys;
    }
  }
}

}  // namespace
}  // namespace dflop
