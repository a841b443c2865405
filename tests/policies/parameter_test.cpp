// Parameters of plug-ins: declared once, checked and listed from the same declaration.
#include <gtest/gtest.h>

#include "policies/api/batch_scheduler.hpp"
#include "policies/api/correction.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/pipeline_schedule.hpp"
#include "policies/api/registry.hpp"
#include "tests/input_error.hpp"

namespace dflop {
namespace {

const std::vector<Parameter> kDeclared = {
    {.name = "chunks", .type = Parameter::Integer{2, 128}, .standard = 2, .help = "chunks of layers on a device"},
    {.name = "limit", .type = Parameter::Number{0.5, 1e6}, .unit = "s", .help = "of time; none by default"},
    {.name = "inter", .type = Parameter::Flag{}, .standard = true, .help = "reordered"},
    {.name = "costs", .type = Parameter::Word{{"packed", "additive"}}, .standard = "packed", .help = "of a bucket"},
    {.name = "file", .type = Parameter::Other{"file"}, .help = "of buckets"}};

Json Given(const std::string& json) { return ParseJson(json, "e.json"); }

TEST(Parameters, WhatIsNotGivenIsTheStandard) {
  const Json json = Given(R"({"name": "x"})");
  const Parameters none(kDeclared, JsonReader(json, "e.json"));
  EXPECT_EQ(none.Int("chunks"), 2);
  EXPECT_TRUE(none.Flag("inter"));
  EXPECT_EQ(none.Word("costs"), "packed");
  EXPECT_FALSE(none.Given("limit"));
  const Json some = Given(R"({"name": "x", "chunks": 128, "limit": 0.5, "inter": false, "costs": "additive"})");
  const Parameters given(kDeclared, JsonReader(some, "e.json"));
  EXPECT_EQ(given.Int("chunks"), 128);
  EXPECT_EQ(given.Number("limit"), 0.5);
  EXPECT_FALSE(given.Flag("inter"));
  EXPECT_EQ(given.Word("costs"), "additive");
}

TEST(Parameters, AreRefusedAtTheirPlaceBeforeThePlugInSeesThem) {
  const auto refused = [](const std::string& text) {
    const Json json = Given(text);
    return ErrorOf([&] { Parameters(kDeclared, JsonReader(json, "e.json", "/policies/0/batching")); });
  };
  EXPECT_TRUE(refused(R"({"name": "x", "chunks": 129})").starts_with("/policies/0/batching/chunks: "));
  EXPECT_TRUE(refused(R"({"name": "x", "limit": 0.4})").starts_with("/policies/0/batching/limit: "));
  EXPECT_TRUE(refused(R"({"name": "x", "inter": 1})").starts_with("/policies/0/batching/inter: "));
  EXPECT_TRUE(refused(R"({"name": "x", "costs": "none"})").starts_with("/policies/0/batching/costs: "));
  EXPECT_TRUE(refused(R"({"name": "x", "chunk": 3})").starts_with("/policies/0/batching/chunk: "));
}

TEST(ParametersDeath, AreReadAsTheyWereDeclared) {
  const Json json = Given(R"({"name": "x"})");
  const Parameters given(kDeclared, JsonReader(json, "e.json"));
  EXPECT_DEATH(given.Int("chunk"), "did not declare: chunk");
  EXPECT_DEATH(given.Number("chunks"), "as another type than declared: chunks");
}

TEST(Parameters, ListsSayTypeRangeStandardAndMeaning) {
  EXPECT_EQ(
      ToJson(kDeclared[0]).Dump(),
      R"({"name":"chunks","type":"integer","least":2,"most":128,"default":2,"help":"chunks of layers on a device"})");
  EXPECT_EQ(
      ToJson(kDeclared[3]).Dump(),
      R"({"name":"costs","type":"string","words":["packed","additive"],"default":"packed","help":"of a bucket"})");
  EXPECT_EQ(InWords(kDeclared[1]), "limit  0.5 … 1e+06 s: of time; none by default");
  EXPECT_EQ(InWords(kDeclared[2]), "inter  true|false, default true: reordered");
}

/// Every plug-in of a kind takes its own standards, and nothing beyond the ranges that it lists.
template <typename Interface>
void ExpectDeclarationsHold() {
  const auto& registry = Registry<Interface>::Instance();
  for (const PluginInfo& info : registry.List()) {
    for (const Parameter& parameter : info.parameters) {
      EXPECT_FALSE(parameter.help.empty()) << info.name << ": " << parameter.name;
      Json json;
      json["name"] = info.name;
      json[parameter.name] = parameter.standard;
      if (!parameter.standard.is_null()) {
        EXPECT_NO_THROW(registry.Make(JsonReader(json, "e.json"))) << json.Dump();
      }
      if (const auto* integer = std::get_if<Parameter::Integer>(&parameter.type)) {
        json[parameter.name] = integer->most + 1;
        EXPECT_TRUE(ErrorOf([&] { registry.Make(JsonReader(json, "e.json")); }).starts_with("/" + parameter.name))
            << json.Dump();
      }
    }
  }
}

TEST(Parameters, OfEveryPlugInAreWhatItTakes) {
  ExpectDeclarationsHold<LayoutPlanner>();
  ExpectDeclarationsHold<BatchScheduler>();
  ExpectDeclarationsHold<PipelineSchedule>();
  ExpectDeclarationsHold<Correction>();
}

}  // namespace
}  // namespace dflop
