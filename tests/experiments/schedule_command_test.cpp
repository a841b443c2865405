// `dflop schedule show` as scripts see it, and a pipeline in a V under `dflop run`.
#include "tests/experiments/command_line.hpp"

namespace dflop {
namespace {

using ScheduleCommand = CommandLine;

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
  for (const std::string engine : {"replay", "simgrid"}) {
    std::string arguments = "run e.json --no-report --trace none --engine ";
    arguments.append(engine).append(" --out ").append(engine);
    const Outcome ran = Dflop(arguments);
    if (engine == "simgrid" && ran.code == 2) GTEST_SKIP() << "built without SimGrid";
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  const auto seconds = [&](const std::string& engine, std::size_t run) {
    const Json result = Result(engine);
    return result.find("runs")
        ->as<Json::Array>()[run]
        .find("metrics")
        ->find("iteration_time_s")
        ->find("mean")
        ->number();
  };
  EXPECT_LT(seconds("replay", 0), seconds("replay", 1));  // seven slots in place of twenty-one
  EXPECT_NEAR(seconds("simgrid", 0) / seconds("replay", 0), 1, 0.02);
}

}  // namespace
}  // namespace dflop
