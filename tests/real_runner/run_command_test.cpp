// `real_runner run` as scripts see it: threads and processes, files, exit codes, and ranks that die.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "real_runner/execute/measured_step.hpp"
#include "real_runner/training/refusal.hpp"
#include "test_paths.hpp"
#include "tests/program_test.hpp"
#include "tests/real_runner/runner_plans.hpp"

namespace dflop {
namespace {

class RunCommand : public ProgramTest {
 protected:
  RunCommand() {
    PlanRecipe recipe{Homogeneous({1, 2, 1, 1, 8})};
    recipe.steps = 2;
    plan_ = MakePlan(SmallJob(), recipe);
    WriteJsonFile(folder_ / "plan.json", ToJson(plan_));
  }

  Outcome Run(const std::string& arguments) { return Shell(std::string("'") + REAL_RUNNER_BINARY + "' " + arguments); }
  /// Open MPI never frees what it began with, which a sanitizer would call a failure of the rank.
  static std::string Mpirun(int ranks) {
    return "LSAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 '" DFLOP_MPIEXEC
           "' --oversubscribe -n " +
           std::to_string(ranks) + " '" REAL_RUNNER_BINARY "' ";
  }
  /// So that a step of the plan lasts so many real seconds.
  std::string Lasting(double seconds) const {
    return " --time-scale " + ShortestNumber(seconds / PredictedTimeline(plan_, 0).makespan.value());
  }
  bool Exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  void ExpectRefused(const Outcome& outcome, const std::string& message) {
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_FALSE(Exists("t.json"));
  }

  Plan plan_;
};

TEST_F(RunCommand, WritesATimelineOfEveryExecution) {
  const Outcome outcome = Run("run plan.json --backend spin --out t.json --repeats 2 --attempts 9" + Lasting(0.1));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = ReadJsonFile(folder_ / "t.json");
  const Timeline first = ReadTimeline(JsonReader(json, "t.json"));
  EXPECT_EQ(first.events.size(), PredictedTimeline(plan_, 0).events.size());
  const auto& runs = json.find("runs")->as<Json::Array>();
  ASSERT_EQ(runs.size(), 4u);  // two steps, twice
  EXPECT_EQ(runs[1].find("step")->number(), 1);
  EXPECT_EQ(runs[2].find("repeat")->number(), 1);
  EXPECT_GT(runs[0].find("replayed_makespan_s")->number(), 0);
}

TEST_F(RunCommand, LongWorkIsToldAndWantsForce) {
  EXPECT_NE(Run("run plan.json --backend spin --out s.json --repeats 1 --attempts 9" + Lasting(0.1))
                .err.find("expected to last about"),
            std::string::npos);
  // Of two steps the first lasts a second: 10,000 times both are more than an hour, so many hours as the plan says.
  const double seconds = PredictedTimeline(plan_, 1).makespan / PredictedTimeline(plan_, 0).makespan + 1;
  const std::string flags = "run plan.json --backend spin --out t.json --warm-up 0 --repeats 10000" + Lasting(1);
  ExpectRefused(Run(flags), "the plans predict " + Format("%.4g", 10000 * seconds / 3600) + " h of execution");
}

TEST(RunnerMemory, TheLargestMicrobatchKeepsTheInputOfEveryLayer) {
  // One device: 4 bytes × (layers × hidden × tokens) of encoder and LLM, over the samples of the fullest bucket.
  const Plan plan = MakePlan(SmallJob(), PlanRecipe{Homogeneous({1, 1, 1, 0, 4})});
  const EncoderSpec& encoder = plan.model.encoders.front();
  double most = 0;
  for (const auto& bucket : plan.steps[0].plan.buckets[0]) {
    double bytes = 0;
    for (const int i : bucket) {
      const SampleShape& shape = plan.steps[0].batch[static_cast<std::size_t>(i)];
      bytes += 4.0 * encoder.shape.layers * encoder.shape.hidden * shape.tiles[0] * encoder.tokens_per_tile() +
               4.0 * plan.model.llm.shape.layers * plan.model.llm.shape.hidden * shape.llm_tokens;
    }
    most = std::max(most, bytes);
  }
  ASSERT_EQ(plan.layout.groups.size(), 1u);
  EXPECT_NEAR(training::LeastBytesOfActivations(plan, 4)[0] / most, 1, 1e-12);
}

TEST_F(RunCommand, ASampleOfAPlanIsBoundedAsEverywhere) {
  for (const char* key : {"llm_tokens", "text_tokens"}) {
    Json json = ToJson(plan_);
    json["steps"].as<Json::Array>()[0]["batch"].as<Json::Array>()[0][key] = std::int64_t{2'000'000'000};
    WriteJsonFile(folder_ / "large.json", json);
    ExpectRefused(Run("run large.json --backend spin --out t.json"), "large.json:/steps/0/batch/0/" + std::string(key));
  }
}

TEST_F(RunCommand, WhatTheCudaPluginRefusesIsSaidAndNothingIsWritten) {
  const std::string program = streams_ / "real_runner";
  std::filesystem::copy(REAL_RUNNER_BINARY, program);
  const std::string run = "'" + program + "' run plan.json --backend cuda --out t.json";
  ExpectRefused(Shell(run), "--backend cuda: there is no ");
  std::filesystem::copy(FAKE_CUDA_PLUGIN, streams_ / "libdflop_cuda.so");
  ExpectRefused(Shell("DFLOP_FAKE_CUDA='17 parts are too many' " + run), "--backend cuda: 17 parts are too many");
  ExpectRefused(Shell(run + " --time-scale 2"), "only spin can be scaled");
  ExpectRefused(Shell("PMI_SIZE=2 " + run), "start it without a launcher");
}

TEST_F(RunCommand, ProcessesUnderALauncherDoTheSame) {
  if (std::string(DFLOP_MPIEXEC).empty()) GTEST_SKIP() << "this build has no MPI";
  const Outcome outcome = Shell(Mpirun(2) + "run plan.json --backend spin --out t.json --attempts 20" + Lasting(0.3));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = ReadJsonFile(folder_ / "t.json");
  for (const Json& run : json.find("runs")->as<Json::Array>()) {
    if (run.find("lost_share")->number() > 0.02) GTEST_SKIP() << "disturbed 20 times";
    const double measured = run.find("makespan_s")->number();
    EXPECT_NEAR(measured / run.find("predicted_makespan_s")->number(), 1, 0.02);
    EXPECT_NEAR(measured / run.find("replayed_makespan_s")->number(), 1, 0.02);
    EXPECT_LE(run.find("executor_share")->number(), 0.02);
  }
}

TEST_F(RunCommand, MoreRanksThanStartedIsBadInput) {
  if (std::string(DFLOP_MPIEXEC).empty()) GTEST_SKIP() << "this build has no MPI";
  ExpectRefused(Shell(Mpirun(1) + "run plan.json --backend spin --out t.json"),
                "the plan wants 2 ranks, the launcher has started 1: mpirun -n 2");
}

TEST_F(RunCommand, BadInputIsRefusedBeforeAnythingRuns) {
  ExpectRefused(Run("run nowhere.json --backend spin --out t.json"), "nowhere.json");
  ExpectRefused(Run("run plan.json --backend spun --out t.json"), "\"spun\"");
  ExpectRefused(Run("run plan.json --backend spin --time-scale 0 --out t.json"), "--time-scale");
  const std::string text = ReadFile(folder_ / "plan.json");
  WriteFile(folder_ / "cut.json", text.substr(0, text.size() / 2));
  ExpectRefused(Run("run cut.json --backend spin --out t.json"), "cut.json:");
  Json other = ToJson(plan_);
  other["model"]["llm"]["layers"] = 11;
  WriteJsonFile(folder_ / "other.json", other);
  ExpectRefused(Run("run other.json --backend spin --out t.json"), "other.json:/layout/stages");
}

/// Processes of this machine that execute the file, the launcher not among them.
std::vector<int> RanksThatRun(const std::string& file) {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "cmdline");
    std::string command;
    std::getline(in, command);
    if (command.find(file) != command.npos && command.starts_with(REAL_RUNNER_BINARY)) {
      found.push_back(std::stoi(entry.path().filename().string()));
    }
  }
  return found;
}

TEST_F(RunCommand, AKilledRankEndsTheJobWithItsOperationAndWhatWasMeasured) {
  if (std::string(DFLOP_MPIEXEC).empty()) GTEST_SKIP() << "this build has no MPI";
  const std::string plan = folder_ / "plan.json";
  std::thread killer([&] {
    for (int wait = 0; wait < 200 && RanksThatRun(plan).size() < 2; ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // into the first step, which lasts 20 s
    const std::vector<int> ranks = RanksThatRun(plan);
    if (!ranks.empty()) kill(ranks.back(), SIGKILL);
  });
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = Shell(Mpirun(2) + "run '" + plan + "' --backend spin --out t.json" + Lasting(20));
  killer.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_NE(outcome.code, 0);
  EXPECT_NE(outcome.err.find("is gone; it was "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(" on stage "), std::string::npos) << outcome.err;
  EXPECT_FALSE(Exists("t.json"));
  ASSERT_TRUE(Exists("t.partial.json"));
  const Json json = ReadJsonFile(folder_ / "t.partial.json");
  EXPECT_NE(json.find("failure")->as<std::string>().find("rank "), std::string::npos);
  EXPECT_FALSE(json.find("events")->as<Json::Array>().empty());
}

}  // namespace
}  // namespace dflop
