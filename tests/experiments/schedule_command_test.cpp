// `dflop schedule show` as scripts see it, and a pipeline in a V under `dflop run`.
#include <algorithm>

#include "tests/experiments/command_line.hpp"

namespace dflop {
namespace {

class ScheduleCommand : public CommandLine {
 protected:
  /// e.json under both engines, each into a folder of its name. False where a build has no SimGrid.
  bool RunsInBothEngines() {
    for (const std::string engine : {"replay", "simgrid"}) {
      std::string arguments = "run e.json --no-report --trace none --engine ";
      const Outcome ran = Dflop(arguments.append(engine).append(" --out ").append(engine));
      if (engine == "simgrid" && ran.code == 2) return false;
      EXPECT_EQ(ran.code, 0) << ran.err;
    }
    return true;
  }
  double StepTime(const std::string& engine, std::size_t run) {
    const Json result = Result(engine);
    const Json& metrics = *result.find("runs")->as<Json::Array>()[run].find("metrics");
    return metrics.find("iteration_time_s")->find("mean")->number();
  }
};

TEST_F(ScheduleCommand, TellsOrderBubbleAndMemory) {
  // 1f1b, p 4, m 8, seconds of 1: (8 + 3)·3 = 33, of which 24 are work; p microbatches held.
  const Outcome shown = Dflop("schedule show 1f1b --stages 4 --microbatches 8 --json");
  ASSERT_EQ(shown.code, 0) << shown.err;
  const Json json = ParseJson(shown.out, "schedule");
  EXPECT_DOUBLE_EQ(json.find("makespan_s")->number(), 33);
  EXPECT_DOUBLE_EQ(json.find("bubble_of_makespan")->number(), 1 - 24.0 / 33);
  EXPECT_DOUBLE_EQ(json.find("peak_activations")->as<Json::Array>().front().number(), 4);
  EXPECT_EQ(json.find("order")->as<Json::Array>().size(), 4u);
}

TEST_F(ScheduleCommand, WhatItWritesRunsAgain) {
  ASSERT_EQ(Dflop("schedule show zb-v --stages 4 --microbatches 8 --csv v.csv --svg v.svg").code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "v.svg"));
  const std::string costs =
      " --stages 4 --microbatches 8 --forward 1 --backward-input 1.2 --backward-weight 0.8 --json";
  const Outcome written = Dflop("schedule show zb-v" + costs),
                read = Dflop("schedule show csv --param file=v.csv" + costs);
  ASSERT_EQ(read.code, 0) << read.err;
  EXPECT_EQ(read.out, written.out);
}

TEST_F(ScheduleCommand, RefusalsNameTheCause) {
  EXPECT_EQ(Dflop("schedule show zbv").code, 2);
  EXPECT_EQ(Dflop("schedule show bfs --param chunks").code, 2);
  EXPECT_EQ(Dflop("schedule show csv --param file=missing.csv").code, 2);
  const Outcome few = Dflop("schedule show interleaved --stages 4 --microbatches 6");
  EXPECT_EQ(few.code, 2);
  EXPECT_NE(few.err.find("a multiple of the 4 devices"), std::string::npos) << few.err;
  const Outcome large = Dflop("schedule show zb-h2 --stages 4 --microbatches 8 --memory-limit 4");
  EXPECT_EQ(large.code, 2);
  EXPECT_NE(large.err.find("device 0 holds 7 microbatches"), std::string::npos) << large.err;
}

TEST_F(ScheduleCommand, BothWaysPartsAndPairsAreShown) {
  // Chimera's table for 4 devices and microbatches, F 1 and BW 2: 16 s; the ends hold 4/2 + 1 microbatches.
  const Json chimera = ParseJson(Dflop("schedule show chimera --stages 4 --microbatches 4 --json").out, "");
  EXPECT_DOUBLE_EQ(chimera.find("makespan_s")->number(), 16);
  EXPECT_DOUBLE_EQ(chimera.find("peak_activations")->as<Json::Array>().front().number(), 3);
  const auto first = [](const Json& json) { return json.find("order")->as<Json::Array>().front().as<Json::Array>(); };
  EXPECT_EQ(first(chimera).front().find("split"), nullptr);
  EXPECT_EQ(first(chimera).size(), 8u);  // half of the microbatches, forward and backward, either way
  const Json parts = ParseJson(Dflop("schedule show seq1f1b --param splits=4 --json").out, "");
  EXPECT_DOUBLE_EQ(parts.find("makespan_s")->number(), 26.25);
  EXPECT_DOUBLE_EQ(first(parts)[1].find("split")->number(), 1);
  const Json pairs = ParseJson(Dflop("schedule show dualpipev --microbatches 10 --param overlap=0.75 --json").out, "");
  const auto order = first(pairs);
  EXPECT_TRUE(std::any_of(order.begin(), order.end(), [](const Json& op) {
    return op.find("pair") != nullptr && op.find("pair")->number() == 0.75;
  }));
}

TEST_F(ScheduleCommand, FilesOfPyTorchRefuseByNameWhatTheyCannotSay) {
  const auto refused = [&](const std::string& arguments) {
    const Outcome outcome = Dflop("schedule show " + arguments + " --csv x.csv");
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "x.csv"));
    return outcome.err;
  };
  EXPECT_NE(refused("chimera --microbatches 4").find("chimera has every stage on two devices"), std::string::npos);
  EXPECT_NE(refused("dualpipe").find("dualpipe has every stage on two devices"), std::string::npos);
  EXPECT_NE(refused("seq1f1b").find("seq1f1b runs parts of microbatches"), std::string::npos);
  EXPECT_NE(refused("dualpipev --csv-format compute_comms").find("dualpipev runs forwards and backwards as pairs"),
            std::string::npos);
}

TEST_F(ScheduleCommand, AVRunsUnderAFixedLayoutInBothEngines) {
  const Json experiment = ParseJson(
      R"({"schema": "dflop/experiment/1", "name": "v", "seeds": [1], "steps": 1, "scenarios": [{"name": "v",)"
      R"( "model": "llama3-8b", "cluster": {"name": "dgx-a100", "nodes": 1}, "global_batch_size": 16,)"
      R"( "samples": {"records": [{"text_tokens": 2048}]}}], "policies": [{"name": "zb-v", "pipeline": "zb-v",)"
      R"( "batching": "in-order", "layout": {"name": "fixed", "uniform": {"tp": 2, "pp": 4, "dp": 1}, "microbatches": 8}},)"
      R"( {"name": "1f1b", "pipeline": "1f1b", "batching": "in-order", "layout": {"name": "fixed", "uniform":)"
      R"( {"tp": 2, "pp": 4, "dp": 1}, "microbatches": 8}}]})",
      "");
  Write(experiment);
  if (!RunsInBothEngines()) GTEST_SKIP() << "built without SimGrid";
  EXPECT_LT(StepTime("replay", 0), StepTime("replay", 1));  // seven slots in place of twenty-one
  EXPECT_NEAR(StepTime("simgrid", 0) / StepTime("replay", 0), 1, 0.02);
}

TEST_F(ScheduleCommand, PairsAndWavesRunUnderAFixedLayoutInBothEngines) {
  const std::string rest =
      R"(, "batching": "in-order", "layout": {"name": "fixed", "uniform": {"tp": 2, "pp": 4, "dp": 1}, "microbatches": 8}})";
  const std::string policies = R"({"name": "pairs", "pipeline": "dualpipev")" + rest +
                               R"(, {"name": "overlapped", "pipeline": {"name": "dualpipev", "overlap": 0.8})" + rest +
                               R"(, {"name": "waves", "pipeline": {"name": "hanayo", "waves": 2})" + rest;
  const std::string scenario =
      R"({"schema": "dflop/experiment/1", "name": "v", "seeds": [1], "steps": 1, "scenarios": [{"name": "v",)"
      R"( "model": "llama3-8b", "cluster": {"name": "dgx-a100", "nodes": 1}, "global_batch_size": 16,)"
      R"( "samples": {"records": [{"text_tokens": 2048}]}}], "policies": [)";
  Write(ParseJson(scenario + policies + "]}", ""));
  if (!RunsInBothEngines()) GTEST_SKIP() << "built without SimGrid";
  for (std::size_t run = 0; run < 3; ++run)
    EXPECT_NEAR(StepTime("simgrid", run) / StepTime("replay", run), 1, 0.02) << run;
  // A device's last stages have at least three pairs of eight microbatches' two chunks: a fifth of them is saved.
  EXPECT_LT(StepTime("replay", 1), 0.97 * StepTime("replay", 0));
}

TEST_F(ScheduleCommand, ModalitiesAreSegmentsOrSpreadUnderAFixedLayoutInBothEngines) {
  const std::string fixed = R"(, "layout": {"name": "fixed", "microbatches": 8, )";
  const std::string segments = fixed + R"("uniform": {"tp": 2, "pp": 4, "dp": 1, "encoder_stages": 4}}})";
  const std::string spread =
      fixed + R"("encoders": {"siglip-so400m": {"tp": 1, "spread": true}}, "llm": {"tp": 2, "pp": 4, "dp": 1}}})";
  const auto policy = [](const std::string& name, const std::string& rest) {
    return R"({"batching": "random", "pipeline": ")" + name + R"(", "name": ")" + name + "\"" + rest;
  };
  const std::string scenario =
      R"({"schema": "dflop/experiment/1", "name": "v", "seeds": [1], "steps": 2, "scenarios": [{"name": "v",)"
      R"( "model": "llava-ov-siglip-so400m-llama3-8b", "cluster": {"name": "dgx-a100", "nodes": 1}, "global_batch_size": 32,)"
      R"( "samples": {"name": "dflop-mix"}}], "policies": [)";
  Write(ParseJson(scenario + policy("1f1b", spread) + ", " + policy("optimus", spread) + ", " +
                      policy("interleaved", segments) + ", " + policy("dip", segments) + "]}",
                  ""));
  if (!RunsInBothEngines()) GTEST_SKIP() << "built without SimGrid";
  for (std::size_t run = 0; run < 4; ++run)
    EXPECT_NEAR(StepTime("simgrid", run) / StepTime("replay", run), 1, 0.02) << run;
  EXPECT_LT(StepTime("replay", 1), StepTime("replay", 0)) << "the encoder's work fills bubbles";
}

TEST_F(ScheduleCommand, WhatWantsSpreadEncodersOrTwoChunksSaysSo) {
  const Outcome alone = Dflop("schedule show optimus");
  EXPECT_EQ(alone.code, 2);
  EXPECT_NE(alone.err.find("optimus: the schedule places encoders that are spread over the LLM's devices, and here is "
                           "none"),
            std::string::npos)
      << alone.err;
  const Json dip = ParseJson(Dflop("schedule show dip --stages 4 --microbatches 8 --param memory=2 --json").out, "");
  // Interleaved's 2·8·3 + (4 − 1)·3 with chunks of a second each.
  EXPECT_LE(dip.find("makespan_s")->number(), 57);
}

/// One scenario of a text-only model on 8 GPUs, 16 samples a step.
std::string OneScenarioOf(const std::string& policies) {
  return R"({"schema": "dflop/experiment/1", "name": "v", "seeds": [1], "steps": 1, "scenarios": [{"name": "v",)"
         R"( "model": "llama3-8b", "cluster": {"name": "dgx-a100", "nodes": 1}, "global_batch_size": 16,)"
         R"( "samples": {"records": [{"text_tokens": 2048}]}}], "policies": [)" +
         policies + "]}";
}

std::string UniformPolicy(const std::string& pipeline, int pp, int microbatches) {
  return R"({"name": ")" + pipeline + R"(", "pipeline": ")" + pipeline +
         R"(", "batching": "in-order", "layout": {"name": "fixed", "uniform": {"tp": 2, "pp": )" + std::to_string(pp) +
         R"(, "dp": 1}, "microbatches": )" + std::to_string(microbatches) + "}}";
}

TEST_F(ScheduleCommand, PipelinesInTwoDirectionsRunInBothEngines) {
  Write(ParseJson(OneScenarioOf(UniformPolicy("1f1b", 4, 8) + "," + UniformPolicy("chimera", 4, 8) + "," +
                                UniformPolicy("dualpipe", 4, 8)),
                  ""));
  std::vector<Json> results;
  if (!RunsInBothEngines()) GTEST_SKIP() << "built without SimGrid";
  for (const char* engine : {"replay", "simgrid"}) results.push_back(Result(engine));
  const auto run = [&](std::size_t engine, std::size_t policy) -> const Json& {
    return results[engine].find("runs")->as<Json::Array>()[policy];
  };
  const auto metric = [&](std::size_t engine, std::size_t policy, const char* name) -> const Json& {
    return *run(engine, policy).find("metrics")->find(name);
  };
  for (std::size_t policy = 0; policy < 3; ++policy) {
    const double replay = metric(0, policy, "iteration_time_s").find("mean")->number();
    EXPECT_NEAR(metric(1, policy, "iteration_time_s").find("mean")->number() / replay, 1, 0.02) << policy;
    const Json& layout = *run(0, policy).find("layout");
    EXPECT_EQ(layout.find("gpus_used")->number(), 8);
    EXPECT_EQ(layout.find("microbatches")->number(), 8);
    EXPECT_EQ(layout.find("modules")->as<Json::Array>()[0].find("dp")->number(), 1);
    EXPECT_EQ(layout.find("directions") == nullptr, policy == 0);
    EXPECT_EQ(run(0, policy).find("replica_classes")->find("replicas")->number(), policy == 0 ? 1 : 2);
  }
  // As many samples, and flops, with either schedule; two copies of the weights.
  EXPECT_EQ(metric(0, 1, "tokens_per_s").number() * metric(0, 1, "iteration_time_s").find("mean")->number(),
            metric(0, 0, "tokens_per_s").number() * metric(0, 0, "iteration_time_s").find("mean")->number());
  EXPECT_GT(metric(0, 1, "peak_memory_bytes").number(), 1.5 * metric(0, 0, "peak_memory_bytes").number());
  // 1f1b leaves 3 of 11 slots empty, dualpipe waits for one forward of a chunk.
  EXPECT_LT(metric(0, 2, "idle_by_cause").find("bubble")->number(),
            metric(0, 0, "idle_by_cause").find("bubble")->number());
}

TEST_F(ScheduleCommand, ARunSaysWhyItCannotGoBothWays) {
  const auto refused = [&](const std::string& policy) {
    Write(ParseJson(OneScenarioOf(policy), ""));
    const Outcome ran = Dflop("run e.json --no-report --trace none --out refused");
    return std::to_string(ran.code) + " " + ran.err + ran.out;
  };
  const auto expect = [&](const std::string& policy, const std::string& words) {
    const std::string all = refused(policy);
    EXPECT_EQ(all.front(), '2');
    EXPECT_NE(all.find(words), std::string::npos) << all;
  };
  expect(UniformPolicy("dualpipe", 2, 7), "an even number is wanted, the nearest 6 or 8");
  expect(UniformPolicy("chimera", 4, 6), "wants a multiple of its 4 devices in microbatches, not 6; 8 would do");
  expect(UniformPolicy("chimera", 3, 6), "not pp 3; nearest that do: 2 or 4");
}

}  // namespace
}  // namespace dflop
