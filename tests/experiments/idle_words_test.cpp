// Words of models and policies that others beside them leave nothing to do.
#include "tests/experiments/command_line.hpp"

namespace dflop {
namespace {

class IdleWords : public CommandLine {
 protected:
  std::string Warnings(const Json& experiment) {
    Write(experiment);
    const Outcome run = Dflop("run e.json --out result --no-report --trace none");
    EXPECT_EQ(run.code, 0) << run.err;
    return WithoutCostWarning(run.err);
  }
};

Json WithExperts(const std::string& keys) {
  return Edited("/scenarios/0/model/llm/experts", R"({"count": 8, "top_k": 2, "ffn_hidden": 1024)" + keys + "}");
}

TEST_F(IdleWords, ACapacityLeavesAnImbalanceNothingToDo) {
  const std::string line =
      "warning: e.json:/scenarios/0/model/llm/experts/imbalance: has no effect: beside capacity_factor every expert "
      "runs "
      "as many rows\n";
  EXPECT_EQ(Warnings(WithExperts(R"(, "capacity_factor": 1.25, "imbalance": 1.5)")), line);
  EXPECT_EQ(Warnings(WithExperts(R"(, "imbalance": 1.5)")), "");
  EXPECT_EQ(Warnings(WithExperts(R"(, "capacity_factor": 1.25)")), "");
  // One point of a sweep without a capacity is enough.
  Json swept = WithExperts(R"(, "capacity_factor": 1.25, "imbalance": 1.5)");
  swept["sweep"] = ParseJson(R"({"/model/llm/experts/capacity_factor": [null, 1.25]})", "sweep");
  EXPECT_EQ(Warnings(swept), "");
}

TEST_F(IdleWords, EncodersThatAreNotThereAreSpreadNowhere) {
  const std::string searching = R"([{"name": "searched", "layout": {"name": "expected-makespan", "budget": 8,
      "spread_encoders": true}, "batching": "random", "pipeline": "1f1b"}])";
  Json experiment = Edited("/policies", searching);
  experiment["baselines"] = Json::EmptyArray();
  EXPECT_EQ(Warnings(experiment), "");
  Json& scenario = experiment["scenarios"].as<Json::Array>()[0];
  scenario["model"]["encoders"] = Json::EmptyArray();
  scenario["samples"] = ParseJson(R"({"records": [{"text_tokens": 500}]})", "samples");
  EXPECT_EQ(Warnings(experiment),
            "warning: e.json:/policies/0/layout/spread_encoders: has no effect: the model has no encoder\n");
}

}  // namespace
}  // namespace dflop
