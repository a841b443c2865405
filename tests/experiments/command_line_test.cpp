// The `dflop` program as scripts see it: exit codes, messages, files, resume, spreading.
#include "tests/experiments/command_line.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/file.hpp"
#include "base/json_reader.hpp"
#include "experiments/results/comparison.hpp"
#include "experiments/run/folder_lock.hpp"
#include "experiments/spec/sweep.hpp"
#include "sim/plan/plan_file.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"

namespace dflop {
namespace {

std::vector<std::string> Strings(const Json& result, const char* key) {
  std::vector<std::string> values;
  for (const Json& run : result.find("runs")->as<Json::Array>()) values.push_back(run.find(key)->as<std::string>());
  return values;
}

void ExpectEqualFigures(const Json& a, const Json& b) {
  const Comparison comparison = CompareResults(JsonReader(a, "a"), JsonReader(b, "b"), 0);
  EXPECT_GT(comparison.runs, 0u);
  for (const RowComparison& row : comparison.rows) {
    EXPECT_EQ(row.verdict, Verdict::kUnchanged) << row.name << ": " << row.text;
  }
}

TEST_F(CommandLine, AWrongNameIsAnsweredWithTheNearestFew) {
  const Outcome samples = Dflop("samples inspect dflop-mx");
  EXPECT_EQ(samples.code, 2);
  EXPECT_NE(samples.err.find("nearest: dflop-mix, "), std::string::npos) << samples.err;
  const Outcome model = Dflop("samples inspect dflop-mix --model llava-ov-siglip-2.4b-lama3-8b");
  EXPECT_EQ(model.code, 2);
  EXPECT_NE(model.err.find("nearest: llava-ov-siglip-2.4b-llama3-8b, "), std::string::npos) << model.err;
  EXPECT_LT(model.err.size(), 400u);
  ASSERT_EQ(Dflop("samples inspect dflop-mix --count 10").code, 0);
  EXPECT_NE(Dflop("samples inspect dflop-mix --count 10").out.find("tiling llava-onevision-dflop"), std::string::npos);
}

TEST_F(CommandLine, AnImportRefusesDisagreementAndStoresNothingUnlessLenient) {
  WriteFile(folder_ / "set.jsonl", R"({"conversations": [{"value": "<image>a b"}]})");
  const Outcome strict = Dflop("samples import --from llava set.jsonl --out set.json");
  EXPECT_EQ(strict.code, 2);
  EXPECT_NE(strict.err.find("set.jsonl:1:"), std::string::npos) << strict.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "set.json"));
  const Outcome lenient = Dflop("samples import --from llava set.jsonl --out set.json --lenient");
  EXPECT_EQ(lenient.code, 0) << lenient.err;
  for (const std::string& text : {lenient.out, Dflop("samples inspect set.json").out}) {
    EXPECT_NE(text.find("text tokens of 1 estimated"), std::string::npos) << text;
    EXPECT_NE(text.find("1 taken although"), std::string::npos) << text;
  }
}

TEST_F(CommandLine, WithoutACommandIsBadUsage) {
  EXPECT_EQ(Dflop("").code, 2);
  EXPECT_EQ(Dflop("fly").code, 2);
  EXPECT_EQ(Dflop("run").code, 2);
  EXPECT_EQ(Dflop("run e.json --jobs 0").code, 2);
  EXPECT_EQ(Dflop("run e.json --engine ns3").code, 2);
}

TEST_F(CommandLine, EveryCommandShowsAnExample) {
  for (const char* command : {"", "run", "plan", "profile", "check", "report", "list", "trace import", "trace inspect",
                              "trace compare", "samples import", "samples generate", "samples inspect"}) {
    const Outcome help = Dflop(std::string(command) + " --help");
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_NE(help.out.find("Example"), std::string::npos) << command;
  }
  EXPECT_EQ(Dflop("--version").code, 0);
  EXPECT_TRUE(Dflop("--version").out.starts_with("dflop "));
}

TEST_F(CommandLine, ListsWhatThereIs) {
  for (const char* what :
       {"policies", "layouts", "batchers", "pipelines", "corrections", "models", "clusters", "gpus"}) {
    EXPECT_EQ(Dflop(std::string("list ") + what).code, 0) << what;
    const Outcome json = Dflop(std::string("list ") + what + " --json");
    EXPECT_FALSE(ParseJson(json.out, what).as<Json::Array>().empty()) << what;
  }
  EXPECT_NE(Dflop("list models").out.find("llava-ov-siglip-2.4b-llama3-8b"), std::string::npos);
  EXPECT_NE(Dflop("list samples").out.find("dflop-mix"), std::string::npos);
  EXPECT_EQ(Dflop("list planets").code, 2);
}

TEST_F(CommandLine, BadInputNamesItsPlaceAndWritesNothing) {
  Write(Edited("/scenarios/0/cluster/nodes", "0"));
  const Outcome run = Dflop("run e.json --out result");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err, "e.json:/scenarios/0/cluster/nodes: is 0, allowed is from 1 to 131072\n");
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(FilesInFolder(), 1u);  // the experiment
}

TEST_F(CommandLine, ImpossibleLayoutsNameTheirPlaceAndLeaveNothing) {
  const struct {
    const char* pointer;
    const char* value;
    const char* place;
  } cases[] = {
      {"/policies/1/layout/llm/tp", "3", "e.json:/policies/1/layout"},        // 16 heads
      {"/policies/0/layout/uniform/dp", "64", "e.json:/policies/0/layout"},   // 256 GPUs of 8
      {"/policies/0/layout/uniform/pp", "13", "e.json:/policies/0/layout"},   // more stages than layers
      {"/policies/0/layout/microbatches", "9", "e.json:/policies/0/layout"},  // eight samples
      {"/scenarios/0/global_batch_size", "1", "e.json:/policies/0/layout"},   // two replicas
  };
  for (const auto& [pointer, value, place] : cases) {
    Write(Edited(pointer, value));
    const Outcome run = Dflop("run e.json --out deep/result");
    EXPECT_EQ(run.code, 2) << pointer;
    EXPECT_TRUE(run.err.starts_with(place)) << run.err;
    EXPECT_EQ(FilesInFolder(), 1u) << pointer;
  }
}

TEST_F(CommandLine, AModelThatFitsNowhereSaysWhichTermIsTooLarge) {
  Json experiment = Edited("/scenarios/0/model", R"("qwen2.5-72b")");  // 18 bytes × 72e9 on 8 × 80 GB
  ASSERT_TRUE(WriteAt(experiment, "/scenarios/0/samples", ParseJson(R"({"records": [{"text_tokens": 500}]})", "text")));
  ASSERT_TRUE(WriteAt(experiment, "/policies",
                      ParseJson(R"([{"name": "plain", "layout": "uniform-tuned", "batching": "random",
                                     "pipeline": "1f1b"}])",
                                "policies")));
  Write(experiment);
  const Outcome run = Dflop("run e.json --out result");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(run.err.starts_with("e.json:/policies/0/layout")) << run.err;
  EXPECT_NE(run.err.find("GiB"), std::string::npos) << run.err;
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(CommandLine, AnInfeasiblePointOfASweepIsRecordedAndTheRestRuns) {
  Json experiment = Edited("/sweep", R"({"/global_batch_size": [1, 8]})");
  Write(experiment);
  EXPECT_EQ(Dflop("run e.json --out result").code, 0);
  int infeasible = 0;
  int simulated = 0;
  const Json result = Result("result");
  for (const Json& run : result.find("runs")->as<Json::Array>()) {
    if (run.find("infeasible") != nullptr) ++infeasible;
    if (run.find("metrics") != nullptr) ++simulated;
  }
  EXPECT_EQ(infeasible, 2);     // both policies want more microbatches than one sample
  EXPECT_EQ(simulated, 2 * 2);  // policies × seeds
}

TEST_F(CommandLine, RunWritesResultTableTracesAndReport) {
  Write(SmallExperiment());
  const Outcome run = Dflop("run e.json --out result");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("vs plain"), std::string::npos);
  EXPECT_NE(run.out.find("report: result/report.html"), std::string::npos);
  EXPECT_NE(run.out.find("assumed: engine replay, bf16, flash attention, packed sequences, recompute none, "
                         "sequence_parallel false, communicator hub, 18.0 bytes per parameter; kernel costs: built-in"),
            std::string::npos)
      << run.out;
  EXPECT_EQ(WithoutCostWarning(run.err), "");
  for (const char* file :
       {"result.json", "table.csv", "report.html", "traces/tiny-plain.json", "timelines/tiny-split.json"}) {
    EXPECT_TRUE(std::filesystem::exists(folder_ / ("result/" + std::string(file)))) << file;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/partial"));
  EXPECT_EQ(Dflop("report result").code, 0);
}

TEST_F(CommandLine, InputsThatChangeNothingAreReported) {
  // Every policy is `fixed`, so that nothing is planned; the batch size matters.
  Json experiment = Edited("/sweep", R"({"/planning_samples": [8, 16], "/global_batch_size": [8, 16]})");
  Write(experiment);
  const Outcome swept = Dflop("run e.json --out swept");
  EXPECT_EQ(swept.code, 0);
  EXPECT_EQ(WithoutCostWarning(swept.err),
            "warning: e.json:/sweep/~1planning_samples: has no effect: no figure differs along this axis\n");
  experiment = Edited("/scenarios/0/policies", SmallExperiment().find("policies")->Dump());
  Write(experiment);
  EXPECT_EQ(WithoutCostWarning(Dflop("run e.json --out own").err),
            "warning: e.json:/policies: has no effect: every scenario has policies of its own\n");
  EXPECT_EQ(Result("own").find("inputs_without_effect")->as<Json::Array>().size(), 1u);
  Write(Edited("/policies/0/layout/communicator", R"("direct")"));
  EXPECT_EQ(Dflop("run e.json --out direct").err,
            "e.json:/policies/0/layout/communicator: has no effect in a uniform layout: encoder and LLM share their "
            "pipeline\n");
}

TEST_F(CommandLine, ACostFileThatIsMissingIsReportedWhereItIsNamed) {
  Write(Edited("/scenarios/0/costs", R"({"file": "absent.json"})"));
  const Outcome run = Dflop("run e.json --out result");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(run.err.starts_with("e.json:/scenarios/0/costs/file: ")) << run.err;
}

TEST_F(CommandLine, ATraceThatKnowsTooLittleIsRefusedUnlessToldOtherwise) {
  // A processor core was measured at the shapes of a model that two cores can train.
  const std::string trace = DFLOP_SOURCE_DIR "/traces/data/cpu-core.json";
  Write(Edited("/scenarios/0/costs", R"({"file": ")" + trace + R"(", "device_mismatch": "accept"})"));
  const Outcome refused = Dflop("run e.json --out result");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("e.json:/scenarios/0/costs: covers too little"), std::string::npos) << refused.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/result.json"));
  Write(Edited("/scenarios/0/costs",
               R"({"file": ")" + trace + R"(", "device_mismatch": "accept", "max_extrapolated_fraction": 1})"));
  EXPECT_EQ(Dflop("run e.json --out result").code, 0);
}

TEST_F(CommandLine, ATableThatNobodyGetsIsAFailure) {
  EXPECT_EQ(std::system(DFLOP_BINARY " list models >/dev/full 2>/dev/null"), 1 << 8);
}

TEST_F(CommandLine, ResultHoldsEveryPromisedFigureAndThePartsAddUp) {
  Write(SmallExperiment());
  ASSERT_EQ(Dflop("run e.json --out result --quiet").code, 0);
  const Json result = Result("result");
  for (const char* key : {"schema", "experiment", "engine", "inputs", "runs", "provenance"}) {
    EXPECT_NE(result.find(key), nullptr) << key;
  }
  const auto& runs = result.find("runs")->as<Json::Array>();
  ASSERT_EQ(runs.size(), 4u);  // two policies × two seeds
  for (const Json& run : runs) {
    const Json& metrics = *run.find("metrics");
    const bool extrapolated = metrics.find("extrapolated_fraction")->number() > 0;
    EXPECT_EQ(run.find("extrapolated_shapes")->find("count")->number() > 0, extrapolated);
    for (const char* key : {"samples_per_s", "tokens_per_s", "tflops_per_gpu", "mfu", "balance_gap", "planning_time_s",
                            "planning_exposed_s", "peak_memory_bytes", "fits", "memory_by_stage",
                            "extrapolated_fraction", "speedup_vs"}) {
      EXPECT_NE(metrics.find(key), nullptr) << key;
    }
    double parts = 0;
    for (const Json::Member& part : metrics.find("idle_by_cause")->as<Json::Object>()) parts += part.value.number();
    EXPECT_NEAR(parts, metrics.find("idle_fraction")->number(), 1e-9);
    const Json& time = *metrics.find("iteration_time_s");
    const auto& steps = time.find("per_step")->as<Json::Array>();
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_NEAR(time.find("mean")->number(), (steps[0].number() + steps[1].number()) / 2, 1e-12);
    EXPECT_NEAR(metrics.find("samples_per_s")->number(), 8 / time.find("mean")->number(), 1e-9);
  }
  const double plain = runs[0].find("metrics")->find("iteration_time_s")->find("mean")->number();
  const double split = runs[2].find("metrics")->find("iteration_time_s")->find("mean")->number();
  EXPECT_DOUBLE_EQ(runs[2].find("metrics")->find("speedup_vs")->find("plain")->number(), plain / split);
}

TEST_F(CommandLine, TwoRunsAndAnyNumberOfJobsGiveEqualFigures) {
  Json experiment = Edited("/sweep", R"({"/global_batch_size": [8, 16]})");
  experiment["scenarios"].as<Json::Array>().front()["anomalies"] = ParseJson(R"([{"kind": "noise"}])", "anomalies");
  Write(experiment);
  ASSERT_EQ(Dflop("run e.json --out one --jobs 1 --quiet").code, 0);
  ASSERT_EQ(Dflop("run e.json --out two --jobs 2 --quiet").code, 0);
  ExpectEqualFigures(Result("one"), Result("two"));
  EXPECT_EQ(Strings(Result("one"), "decision_hash"), Strings(Result("two"), "decision_hash"));
  EXPECT_EQ(Strings(Result("one"), "timeline_hash"), Strings(Result("two"), "timeline_hash"));
}

TEST_F(CommandLine, AnotherSeedIsAnotherRun) {
  Write(SmallExperiment());
  ASSERT_EQ(Dflop("run e.json --out one --quiet --seed 5").code, 0);
  ASSERT_EQ(Dflop("run e.json --out two --quiet --seed 6").code, 0);
  EXPECT_EQ(Strings(Result("one"), "decision_hash").size(), 2u);
  EXPECT_NE(Strings(Result("one"), "decision_hash"), Strings(Result("two"), "decision_hash"));
}

TEST_F(CommandLine, DecisionsDoNotDependOnTheEngine) {
  Write(SmallExperiment());
  ASSERT_EQ(Dflop("run e.json --out replay --quiet --engine replay").code, 0);
  const Outcome simgrid = Dflop("run e.json --out simgrid --quiet --engine simgrid");
  if (simgrid.code == 2) GTEST_SKIP() << "built without SimGrid: " << simgrid.err;
  ASSERT_EQ(simgrid.code, 0) << simgrid.err;
  EXPECT_EQ(Strings(Result("replay"), "decision_hash"), Strings(Result("simgrid"), "decision_hash"));
}

// Makes a run that is killed in its middle. Many points, so that something is left to do.
class KilledRun : public CommandLine {
 protected:
  void SetUp() override {
    Json batches = Json::EmptyArray();
    for (int size = 8; size < 8 + 40; ++size) batches.push_back(size);
    Json experiment = SmallExperiment();
    experiment["sweep"]["/global_batch_size"] = batches;
    experiment["steps"] = 40;
    Write(experiment);
    const pid_t pid = Start();
    while (FirstPartial("result").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    ASSERT_FALSE(std::filesystem::exists(folder_ / "result/result.json")) << "was done before it was killed";
  }

  pid_t Start(const char* option = nullptr, const char* value = nullptr) {
    const pid_t pid = fork();
    if (pid == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
      if (chdir(folder_.path().c_str()) == 0) {
        execl(DFLOP_BINARY, DFLOP_BINARY, "run", "e.json", "--out", "result", "--jobs", "1", option, value, nullptr);
      }
      _exit(127);
    }
    return pid;
  }

  // Doubles a figure of the partial result: where it turns up again, the unit was not run anew.
  void Mark(const std::string& path) {
    Json partial = ReadJsonFile(path);
    partial["runs"].as<Json::Array>().front()["metrics"]["samples_per_s"] = 12345678.5;
    WriteJsonFile(path, partial);
  }
};

TEST_F(KilledRun, ContinuesWhereItStopped) {
  Mark(FirstPartial("result"));
  ASSERT_EQ(Dflop("run e.json --out result --quiet").code, 0);
  EXPECT_NE(ReadFile(folder_ / "result/result.json").find("12345678.5"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/partial"));
  // A complete result is run again: the mark is gone, and everything else is as in an undisturbed run.
  ASSERT_EQ(Dflop("run e.json --out result --quiet").code, 0);
  EXPECT_EQ(ReadFile(folder_ / "result/result.json").find("12345678.5"), std::string::npos);
}

TEST_F(KilledRun, ForgetsWhatOtherInputsMade) {
  Mark(FirstPartial("result"));
  ASSERT_EQ(Dflop("run e.json --out result --quiet --seed 77").code, 0);
  EXPECT_EQ(ReadFile(folder_ / "result/result.json").find("12345678.5"), std::string::npos);
}

TEST_F(KilledRun, TellsNothingOfWhatOtherInputsMade) {
  const std::string told = folder_ / "result/partial/finished.jsonl";
  WriteFile(told, "{\"seed\":1}\n");  // unless it was killed before it told of its first unit
  const pid_t other = Start("--seed", "77");
  const auto tells = [&] {
    return std::filesystem::exists(told) && ReadFile(told).find("\"seed\":77") != std::string::npos;
  };
  while (!tells()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  EXPECT_EQ(ReadFile(told).find("\"seed\":1,"), std::string::npos) << ReadFile(told);
  EXPECT_EQ(ReadFile(told).find("\"seed\":1}"), std::string::npos) << ReadFile(told);
}

TEST_F(CommandLine, RanksShareTheWorkAndOnlyTheFirstSpeaks) {
  Write(SmallExperiment());
  auto rank_zero = std::make_unique<FolderLock>(folder_ / "result");  // at work somewhere
  const Outcome second = Dflop("run e.json --out result", "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2");
  rank_zero.reset();
  EXPECT_EQ(second.code, 0);
  EXPECT_EQ(second.out + second.err, "");
  EXPECT_NE(FirstPartial("result"), "");  // its unit is handed in, nothing more
  EXPECT_FALSE(std::filesystem::exists(folder_ / "result/result.json"));
  const Outcome first = Dflop("run e.json --out result", "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2");
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.out.find("report: "), std::string::npos);
  ASSERT_EQ(Dflop("run e.json --out alone --quiet").code, 0);
  ExpectEqualFigures(Result("alone"), Result("result"));
}

TEST_F(CommandLine, PlanExplainsAndWritesTheWholePlan) {
  Write(SmallExperiment());
  const Outcome plan = Dflop("plan e.json --policy split --out plan.json");
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_NE(plan.out.find("why: "), std::string::npos);
  const Json document = ReadJsonFile(folder_ / "plan.json");
  const Plan read = ReadPlan(JsonReader(document, "plan.json"));
  EXPECT_EQ(read.policy, "split");
  EXPECT_EQ(read.steps.size(), 2u);
  EXPECT_EQ(read.steps[0].batch.size(), 8u);
  EXPECT_FALSE(read.steps[0].operations.empty());
  EXPECT_EQ(ToJson(read), document);  // nothing is lost on the way
  EXPECT_EQ(Dflop("plan e.json --policy nobody").code, 2);
}

TEST_F(CommandLine, ProfileWritesCurvesDataAndFigures) {
  Write(Edited("/policies/1/layout", R"("dflop")"));
  const Outcome profile = Dflop("profile e.json --policy split --samples 64 --resamples 2 --out p");
  ASSERT_EQ(profile.code, 0) << profile.err;
  EXPECT_NE(profile.out.find("samples  resamples"), std::string::npos);
  const Json model = ReadJsonFile(folder_ / "p/model-profile.json");
  EXPECT_EQ(model.find("schema")->as<std::string>(), "dflop/model-profile/1");
  EXPECT_EQ(model.find("modules")->as<Json::Array>().size(), 2u);
  EXPECT_EQ(ReadJsonFile(folder_ / "p/data-profile.json").find("sample_count")->number(), 64);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "p/sample-size.txt"));
  for (const char* figure : {"eye-throughput", "eye-degradation", "eye-tiles", "eye-seconds"}) {
    EXPECT_TRUE(ReadFile(folder_ / ("p/figures/" + std::string(figure) + ".svg")).ends_with("</svg>\n")) << figure;
  }
}

TEST_F(CommandLine, ProfileOfBadInputWritesNothing) {
  Write(Edited("/policies/1/layout/llm/tp", "3"));
  EXPECT_EQ(Dflop("profile e.json").code, 2);  // no --out
  EXPECT_EQ(Dflop("profile e.json --out p --samples 0").code, 2);
  EXPECT_EQ(Dflop("profile e.json --out p --scenario nowhere").code, 2);
  const Outcome infeasible = Dflop("profile e.json --out p --policy split");
  EXPECT_EQ(infeasible.code, 2);
  EXPECT_TRUE(infeasible.err.starts_with("e.json:/policies/1/layout")) << infeasible.err;
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(CommandLine, TwoRunsDoNotShareAFolder) {
  Write(SmallExperiment());
  {
    const FolderLock first(folder_ / "result");
    const Outcome second = Dflop("run e.json --out result");
    EXPECT_EQ(second.code, 2);
    EXPECT_EQ(second.err.find("result: another run is writing its results there"), 0u) << second.err;
    EXPECT_EQ(FilesInFolder(), 2u);  // the experiment and the empty folder
  }
  EXPECT_EQ(Dflop("run e.json --out result --quiet").code, 0);
}

TEST_F(CommandLine, AFileIsNoFolderForResults) {
  Write(SmallExperiment());
  const Outcome run = Dflop("run e.json --out e.json");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err.find("e.json: is no folder"), 0u) << run.err;
}

TEST_F(CommandLine, TinyModelIsSimulatedFromCostsMeasuredOnACpu) {
  const Outcome run = Dflop("run " DFLOP_SOURCE_DIR "/experiments/tiny-cpu.json --out tiny");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("measured on AMD EPYC, one core (traces/data/cpu-core.json)"), std::string::npos) << run.out;
  const Json result = Result("tiny");
  for (const Json& entry : result.find("runs")->as<Json::Array>()) {
    // Only what no row covers (mostly tiles and tokens beyond the profiled sizes) may be extrapolated.
    EXPECT_LT(entry.find("metrics")->find("extrapolated_fraction")->number(), 0.5);
  }
}

}  // namespace
}  // namespace dflop
