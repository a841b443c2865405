// `dflop check`: runs an experiment again and compares with stored results.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/error.hpp"
#include "experiments/commands.hpp"
#include "experiments/comparison.hpp"
#include "experiments/result.hpp"
#include "experiments/run_options.hpp"

namespace dflop {
namespace {

struct Arguments {
  RunFlags flags;
  std::string against;
  double tolerance = 0.001;
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

void Print(const char* heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  std::printf("%s:\n", heading);
  for (const std::string& line : lines) std::printf("  %s\n", line.c_str());
}

// With --seed the other seeds were not asked for, so they are not missing.
void KeepSeed(std::int64_t seed, Json& stored, const std::string& against) {
  Json kept = Json::EmptyArray();
  for (const JsonReader& run : JsonReader(stored, against + "/result.json").At("runs").Elements()) {
    const auto its = run.Find("seed");
    if (!its || its->Int(0, kLargestSeed) == seed) kept.push_back(run.json());
  }
  if (kept.as<Json::Array>().empty()) {
    throw InputError("--seed: " + against + "/result.json has no run of seed " + std::to_string(seed));
  }
  stored["runs"] = std::move(kept);
}

void Check(const Arguments& arguments, const std::string& command_line) {
  const Experiment experiment = ReadExperiment(arguments.flags.experiment, arguments.flags.overrides);
  const std::string against = arguments.against.empty() ? "results/" + experiment.name : arguments.against;
  Json stored = ReadResult(against);
  if (const auto seed = arguments.flags.overrides.seed) KeepSeed(*seed, stored, against);
  const TemporaryFolder folder;
  RunOptions options = MakeRunOptions(arguments.flags, folder.path(), command_line);
  options.rank = {};  // a comparison belongs to one process
  const std::optional<Json> fresh = RunExperiment(experiment, options);
  const Comparison comparison = CompareResults(JsonReader(stored, against + "/result.json"),
                                               JsonReader(*fresh, "the new result"), arguments.tolerance);
  Print("regressions", comparison.regressions);
  if (!arguments.flags.quiet) Print("changes", comparison.changes);
  std::printf("%zu runs compared with %s: %zu regressions, %zu changes\n", comparison.runs, against.c_str(),
              comparison.regressions.size(), comparison.changes.size());
  if (!comparison.regressions.empty()) throw RunError("the check found a regression");
}

}  // namespace

void AddCheckCommand(CLI::App& app, const std::string& command_line) {
  CLI::App* command = app.add_subcommand("check", "run an experiment and compare with stored results");
  const auto arguments = std::make_shared<Arguments>();
  AddRunFlags(*command, arguments->flags);
  command->add_option("--against", arguments->against, "folder of the stored results; by default results/<name>")
      ->type_name("DIR");
  command->add_option("--tolerance", arguments->tolerance, "how much slower, as a share, is still no regression")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 10.0));
  command->footer(
      "A run is a regression (exit code 1) when its mean iteration time is worse than the stored one by more than the\n"
      "tolerance, when it is missing, or when it became infeasible or too large for the memory. Every other "
      "difference,\n"
      "of the hashes too, is listed as a change (exit code 0). Wall-clock fields and provenance are not compared.\n"
      "Example: dflop check experiments/quickstart.json --against results/quickstart");
  command->callback([arguments, command_line] { Check(*arguments, command_line); });
}

}  // namespace dflop
