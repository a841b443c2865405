// Words of `software` on the command line: which have no effect, which are named among the assumptions.
#include "tests/experiments/command_line.hpp"

namespace dflop {
namespace {

class SoftwareWords : public CommandLine {};

TEST_F(SoftwareWords, SoftwareThatNothingAsksForIsReported) {
  const auto warnings = [&](const std::string& software, const std::string& sweep = "null") {
    Json experiment = Edited("/scenarios/0/software", software);
    if (sweep != "null") experiment["sweep"] = ParseJson(sweep, "sweep");
    Write(experiment);
    const Outcome run = Dflop("run e.json --out result --no-report --trace none");
    EXPECT_EQ(run.code, 0) << run.err;
    return WithoutCostWarning(run.err);
  };
  const std::string place = "warning: e.json:/scenarios/0/software/";
  const std::string no_buckets =
      "bucket_bytes: has no effect: nothing goes in buckets without overlap_gradients, or overlap_parameters of a "
      "distributed_optimizer\n";
  const std::string no_gather =
      "overlap_parameters: has no effect: no weights are gathered without distributed_optimizer\n";
  EXPECT_EQ(warnings(R"({"bucket_bytes": 25e6, "overlap_parameters": true})"), place + no_buckets + place + no_gather);
  EXPECT_EQ(warnings(R"({"overlap_parameters": false, "overlap_gradients": true, "bucket_bytes": 25e6})"), "");
  EXPECT_EQ(warnings(R"({"overlap_parameters": true, "distributed_optimizer": true, "bucket_bytes": 25e6})"), "");
  EXPECT_EQ(warnings(R"({"shard_group": 2, "prefetch": 2})"),
            place + "shard_group: has no effect: nothing is divided without sharding\n" + place +
                "prefetch: has no effect: no parameters are gathered ahead without zero3\n");
  EXPECT_EQ(warnings(R"({"sharding": "zero3", "prefetch": 2})"), "");
  EXPECT_EQ(
      warnings(R"({"reshard_after_forward": false})"),
      place +
          "reshard_after_forward: has no effect: no parameters are gathered, and so none given back, without zero3\n");
  EXPECT_EQ(warnings(R"({"sharding": "zero3", "reshard_after_forward": false})"), "");
  EXPECT_EQ(
      warnings(R"({"context_parallel": "ring"})"),
      place + "context_parallel: has no effect: no layout that ran has sequences on several ranks (cp above 1)\n");
  EXPECT_EQ(warnings(R"({"sharding": "zero2", "bucket_bytes": 25e6})"), "");  // a bucket that memory holds
  // What one point of a sweep asks for has an effect.
  EXPECT_EQ(warnings(R"({"bucket_bytes": 25e6})", R"({"/software/overlap_gradients": [true, false]})"), "");
  const std::string limited = warnings(R"({"overlap_gradients": true, "bucket_bytes": 1e5})");
  EXPECT_TRUE(limited.starts_with(place + "bucket_bytes: has no effect below 0.")) << limited;
  EXPECT_TRUE(limited.ends_with(" MB: gradients go in 1024 buckets at most\n")) << limited;
}

TEST_F(SoftwareWords, HowSequencesAreDividedHasAnEffectWhereTheyAre) {
  Json experiment = Edited("/scenarios/0/software", R"({"context_parallel": "ring"})");
  experiment["policies"] = ParseJson(R"([{"name": "cp", "layout": {"name": "fixed", "uniform": {"tp": 1, "cp": 2,
      "pp": 1, "dp": 1}, "microbatches": 2}, "batching": "lpt-2d", "pipeline": "1f1b"}])",
                                     "policies");
  experiment["baselines"] = Json::EmptyArray();
  Write(experiment);
  const Outcome run = Dflop("run e.json --out result --no-report --trace none");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err.find("context_parallel: has no effect"), std::string::npos) << run.err;
  const Json result = ReadJsonFile(folder_ / "result/result.json");
  const JsonReader modules = JsonReader(result, "result.json").At("runs").Elements().front().At("layout").At("modules");
  EXPECT_EQ(modules.Elements().back().At("cp").Int(1, 8), 2);
}

TEST_F(SoftwareWords, KernelWordsThatNothingAsksForAreReported) {
  const auto warnings = [&](const std::string& software, const std::string& attention = "flash") {
    Json experiment = Edited("/scenarios/0/software", software);
    Json& scenario = experiment["scenarios"].as<Json::Array>()[0];
    scenario["attention"] = attention;
    scenario["cluster"] = ParseJson(R"({"name": "dgx-a100", "nodes": 1})", "cluster");
    Write(experiment);
    const Outcome run = Dflop("run e.json --out result --no-report --trace none");
    EXPECT_EQ(run.code, 0) << run.err;
    return WithoutCostWarning(run.err);
  };
  const std::string place = "warning: e.json:/scenarios/0/software/";
  EXPECT_EQ(warnings(R"({"attention_kernel": "flash3"})"),
            place +
                "attention_kernel: has no effect: no rates of it are known on this GPU, so that the table's kernel "
                "runs\n");
  EXPECT_EQ(warnings(R"({"attention_kernel": "flash1"})"), "");
  EXPECT_EQ(warnings(R"({"attention_kernel": "flash1"})", "unfused"),
            place + "attention_kernel: has no effect: unfused attention is GEMMs and a softmax\n");
  EXPECT_EQ(warnings(R"("nemo")"), "");  // whose attention no A100 has: a preset's words are not the user's
  EXPECT_EQ(warnings(R"("nemo")", "unfused"), "");
  EXPECT_EQ(warnings(R"({"launch": "graphs", "host_s_per_kernel": 1e-5})"),
            place + "host_s_per_kernel: has no effect: graphs are launched as a whole\n");
  EXPECT_EQ(warnings(R"({"fused_activation": true})"), "");
}

TEST_F(SoftwareWords, AssumptionsNameWhatOverlaps) {
  Write(
      Edited("/scenarios/0/software", R"({"overlap_gradients": true, "bucket_bytes": 25e6, "blocking_sends": true})"));
  const Outcome run = Dflop("run e.json --out result --no-report --trace none");
  EXPECT_NE(run.out.find(" bytes per parameter, overlap_gradients, bucket_bytes 2.5e+07, blocking_sends; kernel"),
            std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("verdicts: 32 draws of kernel costs"), std::string::npos) << run.out;
}

TEST_F(SoftwareWords, BlockingSendsOfEqualReplicasAreThoseOfReplicasToldApart) {
  Json experiment = Edited("/scenarios/0/software", R"({"blocking_sends": true})");
  Json& scenario = experiment["scenarios"].as<Json::Array>()[0];
  scenario["samples"] = ParseJson(R"({"records": [{"text_tokens": 500}]})", "samples");
  experiment["policies"].as<Json::Array>().pop_back();
  for (const char* uniform :
       {R"({"tp": 2, "pp": 2, "dp": 2, "encoder_stages": 1})", R"({"tp": 4, "pp": 1, "dp": 2, "encoder_stages": 0})"}) {
    experiment["policies"].as<Json::Array>()[0]["layout"]["uniform"] = ParseJson(uniform, "uniform");
    scenario["anomalies"] = Json::EmptyArray();
    Write(experiment);
    ASSERT_EQ(Dflop("run e.json --out folded --quiet --no-report --trace none").code, 0);
    scenario["anomalies"] = ParseJson(R"([{"kind": "drift", "per_step": 0}])", "anomalies");
    Write(experiment);
    ASSERT_EQ(Dflop("run e.json --out apart --quiet --no-report --trace none").code, 0);
    const Json folded = Result("folded");
    const Json& run = folded.find("runs")->as<Json::Array>().front();
    EXPECT_EQ(*run.find("replica_classes")->find("folded"), Json(true));
    const Json apart = Result("apart");
    const Json& other = apart.find("runs")->as<Json::Array>().front();
    EXPECT_EQ(*run.find("metrics")->find("iteration_time_s"), *other.find("metrics")->find("iteration_time_s"));
    EXPECT_EQ(*run.find("timeline_hash"), *other.find("timeline_hash"));
  }
}

}  // namespace
}  // namespace dflop
