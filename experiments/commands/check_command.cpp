// `dflop check`: runs an experiment again and compares with stored results.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/finite_range.hpp"
#include "base/terminal.hpp"
#include "base/text.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/commands/run_options.hpp"
#include "experiments/report/junit.hpp"
#include "experiments/results/comparison.hpp"
#include "experiments/run/result.hpp"

namespace dflop {
namespace {

struct CheckArguments {
  RunFlags flags;
  std::string against;
  std::string junit;
  double tolerance = kDefaultTolerance;
};

/// A folder that is gone with its holder.
class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_((std::filesystem::temp_directory_path() / ("dflop-check-" + std::to_string(getpid()))).string()) {}
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A line for a row, whatever its names and reasons hold.
std::string OneLine(const RowComparison& row) {
  std::string line = row.name + ": " + row.text;
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

void Print(const char* heading, const Comparison& comparison, Verdict verdict) {
  if (comparison.Count(verdict) == 0) return;
  std::string text = std::string(heading) + ":\n";
  for (const RowComparison& row : comparison.rows) {
    if (row.verdict == verdict) text += "  " + OneLine(row) + "\n";
  }
  PrintWrapped(text);
}

void PrintSeeds(const char* where, const std::vector<std::int64_t>& seeds) {
  if (seeds.empty()) return;
  std::string text = std::string("not compared, as only ") + where + " has them: seeds";
  for (const std::int64_t seed : seeds) text += " " + std::to_string(seed);
  PrintWrapped(text + "\n");
}

void Print(const Comparison& comparison, const std::string& against, bool quiet) {
  Print("regressions", comparison, Verdict::kRegression);
  if (!quiet) {
    Print("undecided, as the seeds disagree: more seeds in the experiment and the stored result would decide",
          comparison, Verdict::kUndecided);
    Print("improvements", comparison, Verdict::kImprovement);
    Print("other changes", comparison, Verdict::kOtherChange);
    Print("new", comparison, Verdict::kNew);
    PrintSeeds("the stored result", comparison.seeds_only_stored);
    PrintSeeds("the experiment", comparison.seeds_only_fresh);
  }
  std::string text = Format(
      "%zu rows (%zu runs) compared with %s: %zu regressions, %zu undecided, %zu improvements, %zu other changes",
      comparison.stored_rows, comparison.runs, against.c_str(), comparison.Count(Verdict::kRegression),
      comparison.Count(Verdict::kUndecided), comparison.Count(Verdict::kImprovement),
      comparison.Count(Verdict::kOtherChange));
  if (const std::size_t added = comparison.Count(Verdict::kNew); added > 0) text += Format(", %zu new", added);
  PrintWrapped(text + "\n");
}

// Said before an experiment of minutes, not after it.
void CheckJUnitPath(const std::string& path) {
  if (path.empty()) return;
  std::error_code unknown;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder, unknown)) {
    throw InputError("--junit: there is no folder " + folder.string() + " for " + path);
  }
  if (std::filesystem::is_directory(path, unknown)) {
    throw InputError("--junit: " + path + " is a folder, a file is wanted");
  }
}

void Check(const CheckArguments& arguments, const std::string& command_line) {
  CheckJUnitPath(arguments.junit);
  const Experiment experiment = ReadExperiment(arguments.flags.experiment, arguments.flags.overrides);
  const std::string against = arguments.against.empty() ? "results/" + experiment.name : arguments.against;
  const Json stored = ReadResult(against);
  const JsonReader reader(stored, against + "/result.json");
  CheckComparable(reader, experiment.seeds);
  const TemporaryFolder folder;
  RunOptions options = MakeRunOptions(arguments.flags, folder.path(), command_line);
  options.rank = {};  // a comparison belongs to one process
  options.trace = TraceDetail::kNone;
  options.report = false;
  const std::optional<Json> fresh = RunExperiment(experiment, options);
  const Comparison comparison = CompareResults(reader, JsonReader(*fresh, "the new result"), arguments.tolerance);
  Print(comparison, against, arguments.flags.quiet);
  if (!arguments.junit.empty()) WriteFile(arguments.junit, JUnitXml(experiment.name, comparison));
  if (comparison.Count(Verdict::kRegression) > 0) throw RunError("the check found a regression");
}

}  // namespace

void AddCheckCommand(CLI::App& app, const std::string& command_line) {
  CLI::App* command = app.add_subcommand("check", "run an experiment and compare with stored results");
  const auto arguments = std::make_shared<CheckArguments>();
  AddRunFlags(*command, arguments->flags);
  command->add_option("--against", arguments->against, "folder of the stored results; by default results/<name>")
      ->type_name("DIR");
  command->add_option("--tolerance", arguments->tolerance, "the smallest change that counts, as a share")
      ->capture_default_str()
      ->check(FiniteRange(0.0, 10.0));
  command->add_option("--junit", arguments->junit, "also writes the verdicts as JUnit XML, a test case a row")
      ->type_name("FILE");
  command->footer(
      "One verdict a row (scenario, point, policy) over the seeds that both results have, from the ratio new : stored\n"
      "of the mean step times with its paired 95 % interval, seeds as units. Worse: beyond the tolerance, and either\n"
      "the whole interval is on that side of 1 or every seed is worse beyond the tolerance (a single seed has no\n"
      "interval: its ratio alone). MFU is judged alike, peak memory by the largest over the seeds. Those, and runs "
      "that\n"
      "are missing, became infeasible or too large for the memory, are regressions: exit code 1. Where the interval\n"
      "reaches beyond the tolerance without that, the row is undecided; every other difference, of the hashes too, is\n"
      "named (exit code 0). Wall-clock fields and provenance are not compared.\n"
      "Example: dflop check experiments/quickstart.json --against results/quickstart --junit check.xml");
  command->callback([arguments, command_line] { Check(*arguments, command_line); });
}

}  // namespace dflop
