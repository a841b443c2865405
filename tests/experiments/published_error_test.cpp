// Errors by kind by hand, and the words that a result of a kind, or of none, gets.
#include "experiments/results/published_error.hpp"

#include <gtest/gtest.h>

#include "experiments/published_runs/error_kinds.hpp"
#include "models/model_data.hpp"

namespace dflop {
namespace {

PredictedRun RunOf(const std::string& stack, int gpus, double measured, double predicted) {
  PredictedRun run;
  run.run.kind = "dense";
  run.run.stack = stack;
  run.run.device = "h100-sxm";
  run.run.gpus = gpus;
  run.run.step_time_s = measured;
  run.predicted_s = predicted;
  return run;
}

TEST(ErrorKinds, MeanMedianAndRangeAreThoseOfTheKind) {
  // −10, +20 and +3 %: mean 11, median +3; the run without a preset and the one that failed are of no kind.
  std::vector<PredictedRun> runs = {RunOf("nemo", 64, 10, 9), RunOf("nemo", 8, 10, 12), RunOf("nemo", 512, 100, 103),
                                    RunOf("", 8, 1, 9), RunOf("nemo", 4096, 1, 1)};
  runs.back().predicted_s.reset();
  const Json kinds = ErrorKindsJson(runs);
  ASSERT_EQ(kinds.as<Json::Array>().size(), 1u);
  const Json& kind = kinds.as<Json::Array>().front();
  EXPECT_EQ(*kind.find("rows"), Json(3));
  EXPECT_EQ(kind.find("gpus")->Dump(), "[8,512]");
  EXPECT_DOUBLE_EQ(kind.find("mean_error")->number(), 0.11);
  EXPECT_DOUBLE_EQ(kind.find("median_error")->number(), 0.03);
}

std::string WordsOf(const std::string& software, const std::string& gpu, const std::string& model) {
  const Json json = ParseJson(R"({"model": )" + model + R"(, "cluster": {"node": {"gpu": {"name": ")" + gpu +
                                  R"("}}}, "software": {"precision": "bf16", "software": )" + software + "}}",
                              "");
  return PublishedErrorInWords(JsonReader(json, "result.json"));
}

TEST(PublishedError, AKindWithRunsTellsTheirError) {
  const Json document = BuiltInJson("published_errors.json");
  ASSERT_FALSE(document.as<Json::Array>().empty());
  const std::string words =
      WordsOf(R"({"preset": "llm-foundry-fsdp"})", "h100-sxm", R"({"encoders": [], "llm": {"hidden": 8}})");
  EXPECT_NE(words.find("% mean error over 31 published runs of dense models under llm-foundry-fsdp on h100-sxm"),
            std::string::npos)
      << words;
}

TEST(PublishedError, AnyOtherKindSaysThatThereIsNone) {
  EXPECT_EQ(WordsOf(R"({"preset": "nemo"})", "a100-sxm-40gb", R"({"llm": {}})"),
            "no published run of dense models under nemo on a100-sxm-40gb");
  EXPECT_EQ(WordsOf(R"({"preset": "nemo"})", "h100-sxm", R"({"encoders": [{}], "llm": {}})"),
            "no published run of multimodal models under nemo on h100-sxm");
  EXPECT_EQ(WordsOf("{}", "h100-sxm", R"({"llm": {}})"),
            "no published run of this kind (name a software preset for one)");
  EXPECT_EQ(PublishedErrorInWords(JsonReader(Json::EmptyObject(), "")), "");  // an older result
}

}  // namespace
}  // namespace dflop
