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

TEST(PublishedError, WordsChangedUnderAPresetAreNamed) {
  const auto behind = [](const std::string& overrides) {
    const std::string words =
        WordsOf(R"({"preset": "nemo")" + overrides + "}", "h100-sxm", R"({"llm": {"hidden": 8}})");
    return words.substr(words.find("GPUs"));
  };
  EXPECT_EQ(behind(R"(, "attention_kernel": "cudnn")"), "GPUs");  // as the preset has it
  EXPECT_EQ(behind(R"(, "host_s_per_kernel": 1e-3, "launch": "blocking")"),
            "GPUs (changed here: host_s_per_kernel, launch)");
  // Buckets of as many parameters as before.
  EXPECT_EQ(behind(R"(, "gradient_bytes": 4, "bytes_per_parameter": 18)"),
            "GPUs (changed here: bytes_per_parameter, gradient_bytes)");
  EXPECT_EQ(behind(R"(, "sharding": "none")"), "GPUs (changed here: sharding)");
}

TEST(PublishedError, NothingIsClaimedOfOtherRatesOtherCostsOrSeveralKindsOfNodes) {
  const auto words = [](const std::string& cluster, const std::string& costs) {
    const Json json = ParseJson(R"({"model": {"llm": {}}, "cluster": )" + cluster + R"(, "kernel_costs": ")" + costs +
                                    R"(", "software": {"attention": "flash", "software": {"preset": "nemo"}}})",
                                "");
    return PublishedErrorInWords(JsonReader(json, "result.json"));
  };
  const auto with_peak = [](const std::string& peak) {
    return R"({"node": {"gpu": {"name": "h100-sxm", "memory_bytes_per_s": 3.35e12, "peak_flops_per_s": )" + peak +
           "}}}";
  };
  EXPECT_NE(words(with_peak("989e12"), "built-in h100-sxm").find("% mean error over"), std::string::npos);
  EXPECT_EQ(words(with_peak("50e12"), "built-in a100-sxm-80gb scaled"),
            "no published run of dense models under nemo on h100-sxm with rates of its own");
  EXPECT_EQ(words(with_peak("989e12"), "ours.json"),
            "no published run of dense models under nemo on h100-sxm with kernel costs of a file");
  EXPECT_EQ(words(R"({"node_kinds": []})", "built-in h100-sxm"),
            "no published run of dense models under nemo on several kinds of nodes");
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
