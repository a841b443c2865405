// Trust is read where the number is read: one figure for one thing in terminal, report, CSV and JSON; costs of another
// device refused; what was not measured said on every table. And the edges of the command line around it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <regex>

#include "base/csv.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "experiments/report/svg.hpp"
#include "experiments/results/extrapolation.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/run/runner.hpp"
#include "experiments/spec/sweep.hpp"
#include "test_paths.hpp"
#include "tests/experiments/small_experiment.hpp"
#include "tests/program_test.hpp"

namespace dflop {
namespace {

namespace fs = std::filesystem;

class Trust : public ProgramTest {
 protected:
  Outcome Dflop(const std::string& arguments) { return Shell("'" DFLOP_BINARY "' " + arguments); }
  void Write(const std::string& pointer, const std::string& value) {
    Json experiment = SmallExperiment();
    EXPECT_TRUE(WriteAt(experiment, pointer, ParseJson(value, "value")));
    WriteJsonFile(folder_ / "e.json", experiment);
  }
};

/// The cells of the line of a table that begins with `name`.
std::vector<std::string> RowOf(const std::string& table, const std::string& name) {
  const std::size_t at = table.find("\n" + name + " ");
  if (at == std::string::npos) return {};
  const std::string line = table.substr(at + 1, table.find('\n', at + 1) - at - 1);
  const std::regex gap(" {2,}");
  return {std::sregex_token_iterator(line.begin(), line.end(), gap, -1), {}};
}

/// [column] of a policy's row of the report, as it is sorted by.
std::vector<double> ReportRow(const std::string& html, const std::string& policy) {
  const std::size_t begin = html.find("<td data-value=\"" + policy + "\">");
  const std::string row = html.substr(begin, html.find("</tr>", begin) - begin);
  const std::regex value("<td data-value=\"([-+0-9.e]+)\">");
  std::vector<double> values;
  for (std::sregex_iterator match(row.begin(), row.end(), value); match != std::sregex_iterator(); ++match) {
    values.push_back(std::stod((*match)[1]));
  }
  return values;
}

/// What the two runs of a policy say: the truth for every table.
struct Truth {
  const Json& a;
  const Json& b;

  static double Step(const Json& metrics) { return metrics.find("iteration_time_s")->find("mean")->number(); }
  double step() const { return (Step(a) + Step(b)) / 2; }
  double mean(const char* key) const { return (a.find(key)->number() + b.find(key)->number()) / 2; }
  double bubble() const {
    const auto of = [](const Json& metrics) { return metrics.find("idle_by_cause")->find("bubble")->number(); };
    return (of(a) + of(b)) / 2;
  }
  double peak() const { return std::max(a.find("peak_memory_bytes")->number(), b.find("peak_memory_bytes")->number()); }
};

TEST_F(Trust, FourReadersShowOneFigureForOneThing) {
  // Two seeds whose batches differ, so that a mean of peaks is not the largest peak.
  Write("/steps", "3");
  const Outcome run = Dflop("run e.json --out r");
  ASSERT_EQ(run.code, 0) << run.err;
  const Json result = ReadJsonFile(folder_ / "r/result.json");
  const CsvTable csv = ReadCsv(folder_ / "r/table.csv");
  const std::string html = ReadFile(folder_ / "r/report.html");
  const auto& runs = result.find("runs")->as<Json::Array>();
  const auto& summary = result.find("summary")->as<Json::Array>();
  ASSERT_EQ(csv.rows.size(), 2u);
  const double base = Truth{*runs[0].find("metrics"), *runs[1].find("metrics")}.step();
  bool peaks_differ = false;
  for (std::size_t p = 0; p < 2; ++p) {
    const Truth truth{*runs[2 * p].find("metrics"), *runs[2 * p + 1].find("metrics")};
    const double speedup = base / truth.step();
    peaks_differ = peaks_differ || truth.mean("peak_memory_bytes") < truth.peak() * (1 - 1e-6);
    const std::string policy = runs[2 * p].find("policy")->as<std::string>();

    const Json& row = summary[p];
    EXPECT_NEAR(row.find("iteration_time_s")->find("mean")->number(), truth.step(), 1e-12);
    EXPECT_NEAR(row.find("speedup_vs")->find("plain")->find("mean")->number(), speedup, 1e-12);
    EXPECT_DOUBLE_EQ(row.find("peak_memory_bytes")->number(), truth.peak());
    const auto cell = [&](const char* column) { return csv.Number(p, csv.Column(column), -1e30, 1e30); };
    EXPECT_NEAR(cell("iteration_time_s"), truth.step(), 1e-12);
    EXPECT_NEAR(cell("speedup_vs plain"), speedup, 1e-12);
    EXPECT_DOUBLE_EQ(cell("peak_memory_bytes"), truth.peak());
    for (const char* key : {"mfu", "idle_fraction", "extrapolated_fraction"}) {
      EXPECT_NEAR(row.find(key)->number(), truth.mean(key), 1e-12) << key;
      EXPECT_NEAR(cell(key), truth.mean(key), 1e-12) << key;
    }
    EXPECT_NEAR(cell("bubble"), truth.bubble(), 1e-12);

    // s/step, × plain, TFLOP/s, MFU, idle, four causes, balance gap, memory, extrapolated, planning.
    const std::vector<double> shown = ReportRow(html, policy);
    ASSERT_EQ(shown.size(), 13u) << policy;
    EXPECT_NEAR(shown[0], truth.step(), 1e-12);
    EXPECT_NEAR(shown[1], speedup, 1e-12);
    EXPECT_NEAR(shown[2], truth.mean("tflops_per_gpu"), 1e-9);
    EXPECT_NEAR(shown[3], truth.mean("mfu"), 1e-12);
    EXPECT_NEAR(shown[4], truth.mean("idle_fraction"), 1e-12);
    EXPECT_NEAR(shown[5], truth.bubble(), 1e-12);
    EXPECT_NEAR(shown[9], truth.mean("balance_gap"), 1e-12);
    EXPECT_DOUBLE_EQ(shown[10], truth.peak());
    EXPECT_NEAR(shown[11], truth.mean("extrapolated_fraction"), 1e-12);

    // policy, s/step, vs plain, faster in, idle, four causes, peak GiB, fits.
    const std::vector<std::string> words = RowOf(run.out, policy);
    ASSERT_EQ(words.size(), 11u) << run.out;
    EXPECT_TRUE(words[1].starts_with(Fixed(truth.step(), 4))) << words[1];
    EXPECT_TRUE(words[2].starts_with(policy == "plain" ? "1" : Fixed(speedup, 3))) << words[2];
    EXPECT_EQ(words[4], Fixed(100 * truth.mean("idle_fraction"), 1));
    EXPECT_EQ(words[5], Fixed(100 * truth.bubble(), 1));
    EXPECT_EQ(words[9], Fixed(truth.peak() / kGibibyte, 1));
    EXPECT_TRUE(Says(run.out, policy + " " + Fixed(100 * truth.mean("extrapolated_fraction"), 1) + " %")) << run.out;
  }
  EXPECT_TRUE(peaks_differ);
}

TEST_F(Trust, MuchThatWasNotMeasuredIsMarkedAndWarnedOfAndMayBeRefused) {
  // An inline GPU was never measured: all its kernels are extrapolated.
  Write("/scenarios/0/cluster", R"({"name": "dgx-a100", "nodes": 1, "node": {"gpu": {"name": "future",
      "peak_flops_per_s": 5e14, "memory_bytes_per_s": 3e12, "memory_bytes": 9e10}}})");
  const Outcome run = Dflop("run e.json --out r");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(Says(run.out, std::string("\nplain") + kExtrapolatedMark)) << run.out;
  EXPECT_TRUE(Says(run.out, kExtrapolatedNote)) << run.out;
  EXPECT_TRUE(Says(run.err, "is priced beyond the measured shapes")) << run.err;
  EXPECT_TRUE(Says(ReadFile(folder_ / "r/report.html"), kExtrapolatedNote));
  Json experiment = ReadJsonFile(folder_ / "e.json");
  experiment["scenarios"].as<Json::Array>()[0]["costs"]["max_extrapolated_fraction"] = 0.3;
  WriteJsonFile(folder_ / "e.json", experiment);
  const Outcome refused = Dflop("run e.json --out refused");
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(refused.err.starts_with("e.json:/scenarios/0/costs: covers too little")) << refused.err;
  EXPECT_FALSE(fs::exists(folder_ / "refused"));
}

TEST_F(Trust, WhatIsPrintedIsWhatIsLimited) {
  // The limit counts what the result says of all steps and of every seed, not what the first step happened to need.
  Json experiment = SmallExperiment();
  experiment["steps"] = 6;
  WriteJsonFile(folder_ / "e.json", experiment);
  ASSERT_EQ(Dflop("run e.json --out r").code, 0);
  double most = 0;
  const Json result = ReadJsonFile(folder_ / "r/result.json");
  for (const Json& run : result.find("runs")->as<Json::Array>()) {
    most = std::max(most, run.find("metrics")->find("extrapolated_fraction")->number());
  }
  experiment["scenarios"].as<Json::Array>()[0]["costs"]["max_extrapolated_fraction"] = 0.999 * most;
  WriteJsonFile(folder_ / "e.json", experiment);
  EXPECT_EQ(Dflop("run e.json --out below").code, 2);
  experiment["scenarios"].as<Json::Array>()[0]["costs"]["max_extrapolated_fraction"] = 0.01;
  WriteJsonFile(folder_ / "e.json", experiment);
  const Outcome plan = Dflop("plan e.json --policy plain --out p.json");
  EXPECT_EQ(plan.code, 2) << plan.out;
  EXPECT_TRUE(Says(plan.err, "/scenarios/0/costs: covers too little")) << plan.err;
  EXPECT_FALSE(fs::exists(folder_ / "p.json"));
}

TEST_F(Trust, APlanSaysHowMuchOfItIsExtrapolated) {
  Write("/steps", "1");
  const Outcome plan = Dflop("plan e.json --policy plain");
  EXPECT_TRUE(Says(plan.out, "priced beyond what was measured, of the first step's busy time: ")) << plan.out;
  EXPECT_TRUE(Says(plan.out, kExtrapolatedNote)) << plan.out;
}

TEST_F(Trust, DevicesAndPipesAreNoFiles) {
  for (const char* command :
       {"run /dev/zero", "samples import --from llava /dev/zero --out s.json", "trace inspect /dev/zero"}) {
    const Outcome outcome = Dflop(command);
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_TRUE(Says(outcome.err, "/dev/zero: is a device, a pipe or a socket, a plain file is wanted")) << outcome.err;
  }
  fs::create_directory(folder_ / "linked");
  fs::create_symlink("/dev/zero", folder_ / "linked/result.json");
  EXPECT_EQ(Dflop("report linked").code, 2);
}

TEST_F(Trust, FiguresThatOverflowAreRefusedAtTheirPlace) {
  Write("/steps", "1");
  ASSERT_EQ(Dflop("run e.json --out r").code, 0);
  for (const char* metric : {"mfu", "tflops_per_gpu", "idle_fraction"}) {
    Json result = ReadJsonFile(folder_ / "r/result.json");
    for (Json& run : result["runs"].as<Json::Array>()) run["metrics"][metric] = 1.7e308;
    WriteJsonFile(folder_ / "r/result.json", result);
    const Outcome report = Dflop("report r");
    EXPECT_EQ(report.code, 2) << metric;
    EXPECT_TRUE(Says(report.err, "/metrics/" + std::string(metric))) << report.err;
    ASSERT_EQ(Dflop("run e.json --out r").code, 0);
  }
}

TEST_F(Trust, ATraceOfAnotherGpuPricesNothingUnasked) {
  const std::string folder = DFLOP_SHARED_DIR "/cases/30-trace-of-another-gpu/";
  if (!fs::exists(folder)) GTEST_SKIP() << "no cases";
  fs::copy_file(folder + "a100-trace.json", folder_ / "a100-trace.json");
  Json experiment = ReadJsonFile(folder + "h100-priced-by-a100-trace.json");
  Json& costs = experiment["scenarios"].as<Json::Array>()[0]["costs"];
  const auto run = [&](const std::string& out) {
    WriteJsonFile(folder_ / "e.json", experiment);
    return Dflop("run e.json --out " + out);
  };
  const Outcome refused = run("r");
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(refused.err.starts_with(
      "e.json:/scenarios/0/costs: was measured on a100-sxm-80gb, the cluster's GPU is h100-sxm"))
      << refused.err;
  EXPECT_FALSE(fs::exists(folder_ / "r"));
  costs["device_mismatch"] = "refuse";
  EXPECT_EQ(run("r").code, 2);
  costs["device_mismatch"] = "ignore";
  EXPECT_TRUE(run("r").err.starts_with("e.json:/scenarios/0/costs/device_mismatch: "));
  costs["device_mismatch"] = "accept";
  costs["max_extrapolated_fraction"] = 1;
  const Outcome accepted = run("r");
  EXPECT_EQ(accepted.code, 0) << accepted.err;
  const std::string both = "measured on a100-sxm-80gb, another device than the cluster's h100-sxm";
  EXPECT_TRUE(Says(accepted.out, both)) << accepted.out;
  EXPECT_TRUE(Says(ReadFile(folder_ / "r/result.json"), both));
}

TEST_F(Trust, CellsThatASpreadsheetWouldRunAreText) {
  Json experiment = SmallExperiment();
  for (const auto& [pointer, name] : {std::pair("/policies/0/name", "=1+1"), std::pair("/policies/1/name", "@SUM(A1)"),
                                      std::pair("/scenarios/0/name", "-2+3"), std::pair("/baselines/0", "=1+1")}) {
    EXPECT_TRUE(WriteAt(experiment, pointer, Json(name)));
  }
  WriteJsonFile(folder_ / "e.json", experiment);
  ASSERT_EQ(Dflop("run e.json --out r --quiet").code, 0);
  const CsvTable csv = ReadCsv(folder_ / "r/table.csv");
  EXPECT_EQ(csv.rows[0][csv.Column("policy")], "'=1+1");
  EXPECT_EQ(csv.rows[1][csv.Column("policy")], "'@SUM(A1)");
  EXPECT_EQ(csv.rows[0][csv.Column("scenario")], "'-2+3");
  EXPECT_GT(csv.Number(1, csv.Column("speedup_vs =1+1"), -1e9, 1e9), 0);
  EXPECT_LT(csv.Number(0, csv.Column("imbalance"), -1, 1), 1);  // a number is a number, below 0 too
}

TEST_F(Trust, WordsOfTheCommandLineAreUnderstoodOrTheNearestNamed) {
  const Outcome mistyped = Dflop("rnu e.json");
  EXPECT_EQ(mistyped.code, 2);
  EXPECT_TRUE(Says(mistyped.err, "\"rnu\" is no command, did you mean \"run\"?")) << mistyped.err;
  EXPECT_TRUE(Says(Dflop("trace improt x").err, "\"improt\" is no command of trace, did you mean \"import\"?"));
  EXPECT_EQ(Dflop("help").out, Dflop("--help").out);
  EXPECT_EQ(Dflop("help trace import").out, Dflop("trace import --help").out);
  for (const char* word : {"version", "-v"}) {
    const Outcome version = Dflop(word);
    EXPECT_EQ(version.code, 0);
    EXPECT_EQ(version.out, Dflop("--version").out);
  }
}

TEST_F(Trust, FilesAreWrittenIntoFoldersThatExist) {
  Write("/steps", "1");
  const Outcome plan = Dflop("plan e.json --out no/such/plan.json");
  EXPECT_EQ(plan.code, 2);
  EXPECT_TRUE(plan.err.starts_with("no/such/plan.json: cannot be written: there is no folder no/such")) << plan.err;
  const Outcome samples = Dflop("samples generate dflop-mix --count 2 --out no/such/samples.json");
  EXPECT_EQ(samples.code, 2);
  EXPECT_TRUE(Says(samples.err, "no/such/samples.json: cannot be written: there is no folder")) << samples.err;
  EXPECT_FALSE(fs::exists(folder_ / "no"));
}

TEST_F(Trust, InterleavingSeparateEncodersIsRefusedForItsTrueCause) {
  Write("/policies/1/pipeline", R"({"name": "interleaved", "chunks": 2})");
  EXPECT_EQ(Dflop("run e.json --out r").code, 0) << "a given layout has its chunks";
  Write("/policies/1", R"({"name": "split", "layout": "dflop", "batching": "in-order",
                           "pipeline": {"name": "interleaved", "chunks": 2}})");
  const Outcome run = Dflop("run e.json --out r2");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(run.err.starts_with("e.json:/policies/1/")) << run.err;
  EXPECT_TRUE(Says(run.err, "encoders on devices of their own")) << run.err;
}

TEST_F(Trust, FilesThatAResultNamesStayInItsFolder) {
  Write("/steps", "1");
  ASSERT_EQ(Dflop("run e.json --out r --quiet").code, 0);
  const Json result = ReadJsonFile(folder_ / "r/result.json");
  fs::copy_file(folder_ / "r/timelines/tiny-plain.json", folder_ / "stranger.json");
  fs::create_symlink(folder_ / "stranger.json", folder_ / "r/timelines/link.json");
  fs::create_symlink("/dev/zero", folder_ / "r/timelines/endless.json");
  for (const char* name :
       {"/dev/zero", "../stranger.json", "timelines/link.json", "timelines/endless.json", "timelines"}) {
    Json edited = result;
    edited["pictures"].as<Json::Array>()[0]["timeline"] = name;
    WriteJsonFile(folder_ / "r/result.json", edited);
    const Outcome report = Dflop("report r");
    EXPECT_EQ(report.code, 2) << name;
    EXPECT_TRUE(report.err.starts_with("r/result.json:/pictures/0/timeline: ")) << report.err;
  }
}

TEST_F(Trust, NoTimelineReachesBeyondThirtyYears) {
  Write("/steps", "1");
  ASSERT_EQ(Dflop("run e.json --out r --quiet").code, 0);
  Json timeline = ReadJsonFile(folder_ / "r/timelines/tiny-plain.json");
  timeline["events"].as<Json::Array>()[0]["end_s"] = 1e300;
  WriteJsonFile(folder_ / "r/timelines/tiny-plain.json", timeline);
  const Outcome report = Dflop("report r");
  EXPECT_EQ(report.code, 2);
  EXPECT_TRUE(report.err.starts_with("r/timelines/tiny-plain.json:/events/0/end_s: ")) << report.err;
  EXPECT_THROW(Coordinate(std::numeric_limits<double>::infinity()), RunError);
}

TEST_F(Trust, NothingToCompareNamesTheFile) {
  const std::string head = R"({"schema": "dflop/cost-trace/1", "device": "x", "software": {}, "method": {}, "rows": [)";
  const std::string tail = R"("dtype": "bf16", "direction": "forward", "median_s": 0.001, "spread_s": 0}]})";
  WriteFile(folder_ / "a.json", head + R"({"op": "gemm", "shape": {"m": 64, "n": 64, "k": 64}, )" + tail);
  WriteFile(folder_ / "b.json", head + R"({"op": "norm", "shape": {"bytes": 4096}, )" + tail);
  const Outcome compare = Dflop("trace compare a.json b.json");
  EXPECT_EQ(compare.code, 2);
  EXPECT_TRUE(compare.err.starts_with("a.json: beside b.json: nothing to compare")) << compare.err;
}

TEST_F(Trust, WhatAKilledRunWasWritingIsCleared) {
  Write("/steps", "1");
  for (const char* name : {"r/result.json.tmp4711", "r/table.csv.tmp1", "r/mine.tmp1", "r/result.json.tmpx"}) {
    WriteFile(folder_ / name, "half");
  }
  ASSERT_EQ(Dflop("run e.json --out r --quiet").code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "r/result.json.tmp4711"));
  EXPECT_FALSE(fs::exists(folder_ / "r/table.csv.tmp1"));
  EXPECT_TRUE(fs::exists(folder_ / "r/mine.tmp1"));  // none of ours
  EXPECT_TRUE(fs::exists(folder_ / "r/result.json.tmpx"));
}

TEST_F(Trust, ARankWithoutARankZeroSaysSo) {
  Write("/steps", "1");
  RunOptions options;
  options.out = folder_ / "r";
  options.rank = {1, 2};
  options.wait_for_rank_zero = std::chrono::seconds(0);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(RunExperiment(ReadExperiment(folder_ / "e.json"), options));
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(Says(said, "rank 1 of 2 sees no rank 0")) << said;
}

TEST_F(Trust, WhatAKilledRunLeftGoesFromEveryFolderOfTheResult) {
  Write("/steps", "1");
  for (const char* left : {"r/result.json.tmp12", "r/figures/tiny-idle.svg.tmp12", "r/traces/a.json.tmp7"}) {
    WriteFile(folder_ / left, "half");
  }
  WriteFile(folder_ / "r/figures/notes.tmp12", "mine");
  ASSERT_EQ(Dflop("run e.json --out r").code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "r/result.json.tmp12"));
  EXPECT_FALSE(fs::exists(folder_ / "r/figures/tiny-idle.svg.tmp12"));
  EXPECT_FALSE(fs::exists(folder_ / "r/traces/a.json.tmp7"));
  EXPECT_TRUE(fs::exists(folder_ / "r/figures/notes.tmp12"));
}

}  // namespace
}  // namespace dflop
