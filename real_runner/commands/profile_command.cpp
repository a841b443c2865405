// Options are checked to the end before the first kernel runs; a signal ends a profile with what is there.
#include "real_runner/commands/profile_command.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/wall_clock.hpp"
#include "real_runner/profile/budget.hpp"
#include "real_runner/profile/profile_summary.hpp"

namespace dflop {
namespace {

// A row on one core may take a twentieth of a second; on a GPU nothing that fits its memory takes long.
constexpr double kCpuFlopCap = 4e9;
constexpr double kCpuByteCap = 128 * 1024 * 1024;

struct ProfileArguments {
  std::string backend;
  std::vector<std::string> models;
  std::string out;
  std::string budget = "300s";
  BackendOptions device;
  bool neighbours_idle = false;
  bool force = false;
  bool quiet = false;
};

volatile std::sig_atomic_t stop_wanted = 0;

/// The first signal ends the profile after the kernel at hand, a second one ends the program.
void StopOnSignals() {
  const auto handler = [](int number) {
    stop_wanted = 1;
    std::signal(number, SIG_DFL);
  };
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ModelSpec NamedModel(const std::string& name) {
  const std::vector<std::string> names = BuiltInModelNames();
  if (std::find(names.begin(), names.end(), name) != names.end()) return BuiltInModel(name);
  if (std::filesystem::is_regular_file(name)) {
    Json json;
    json["file"] = std::filesystem::absolute(name).string();
    return ReadModel(JsonReader(json, "--model"));
  }
  const std::string nearest = NearestName(name, names);
  throw InputError("--model: " + JsonQuote(name) + " is neither a file nor a built-in model" +
                   (nearest.empty() ? "" : "; did you mean " + JsonQuote(nearest) + "?") +
                   " `dflop list models` names them all");
}

/// Refuses a file that exists and a place that cannot be written, before anything is measured.
void CheckOut(const ProfileArguments& arguments) {
  namespace fs = std::filesystem;
  const fs::path out(arguments.out);
  std::error_code error;
  if (fs::is_directory(out, error)) throw InputError("--out: " + arguments.out + " is a folder, a file is wanted");
  if (fs::exists(out, error) && !arguments.force) {
    throw InputError("--out: " + arguments.out + " exists already; --force replaces it");
  }
  fs::path made;  // the outermost folder that the trial below creates
  for (fs::path folder = fs::absolute(out).parent_path(); !fs::exists(folder, error); folder = folder.parent_path()) {
    made = folder;
  }
  try {
    const std::string trial = arguments.out + ".trial";
    WriteFile(trial, "");
    fs::remove(trial, error);
  } catch (const RunError& failure) {
    throw InputError("--out: " + std::string(failure.what()));
  }
  if (!made.empty()) fs::remove_all(made, error);
}

std::unique_ptr<Backend> MakeBackend(const ProfileArguments& arguments) {
  if (arguments.backend == "cuda") {
    BackendOptions options = arguments.device;
    options.busy_neighbours = !arguments.neighbours_idle;
    return MakeCudaBackend(options);
  }
  if (arguments.device.ranks > 1 || arguments.neighbours_idle) {
    throw InputError("--ranks, --neighbours-idle: parts are GPUs' only; a rank of the cpu backend has a core");
  }
  return MakeCpuBackend();
}

PlanOptions OptionsFor(Backend& backend) {
  PlanOptions options;
  options.dtype = backend.dtype();
  if (backend.name() == "cpu") {
    options.flop_cap = kCpuFlopCap;
    options.byte_cap = kCpuByteCap;
  }
  options.devices = backend.Describe().devices;
  return options;
}

Json Method(const ProfileArguments& arguments, const PlanOptions& plan, const std::string& command_line) {
  Json method;
  method["models"] = Json::ArrayOf(arguments.models);
  method["command"] = command_line;
  method["date"] = UtcNow();
  if (plan.flop_cap > 0) method["flop_cap_per_row"] = plan.flop_cap;
  method["byte_cap_per_row"] = plan.byte_cap;
  return method;
}

void RunProfile(const ProfileArguments& arguments, const std::string& command_line) {
  const double budget = ReadBudget(arguments.budget);
  std::vector<ModelSpec> models;
  for (const std::string& name : arguments.models) models.push_back(NamedModel(name));
  CheckOut(arguments);
  const std::unique_ptr<Backend> backend = MakeBackend(arguments);
  const PlanOptions options = OptionsFor(*backend);
  const ProfilePlan plan = PlanProfile(models, options);
  StopOnSignals();
  ProfileOptions profile;
  profile.budget_s = budget;
  profile.out = arguments.out;
  profile.method = Method(arguments, options, command_line);
  profile.quiet = arguments.quiet;
  profile.now = SteadySeconds;
  profile.stop = [] { return stop_wanted != 0; };
  const ProfileOutcome outcome = Profile(*backend, plan, profile);
  const std::string text =
      "device    " + outcome.trace.device + "\n" + SummaryText(plan, outcome) + "\ntrace     " + arguments.out + "\n";
  if (!arguments.quiet) std::fwrite(text.data(), 1, text.size(), stdout);
  if (2 * outcome.trace.rows.size() < outcome.planned) {
    std::fprintf(
        stderr,
        "warning: only %zu of %zu kernels could be measured: a larger --budget, or a machine that does nothing "
        "else (%zu launches were disturbed)\n",
        outcome.trace.rows.size(), outcome.planned, outcome.disturbed);
  }
  if (outcome.stopped) throw RunError("stopped by a signal; " + arguments.out + " holds what was measured until then");
}

}  // namespace

void AddProfileCommand(CLI::App& app, const std::string& command_line) {
  CLI::App* command =
      app.add_subcommand("profile", "Measures the kernels of one or more models and writes a cost trace");
  const auto arguments = std::make_shared<ProfileArguments>();
  command->add_option("--backend", arguments->backend, "cpu: this processor, one core, fp32; cuda: the first GPU, bf16")
      ->required()
      ->check(CLI::IsMember({"cpu", "cuda"}));
  command
      ->add_option(
          "--model", arguments->models,
          "a built-in model (`dflop list models`) or a dflop/model/1 file; may be given several times: one trace "
          "with what any of them needs")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--out", arguments->out, "the dflop/cost-trace/1 file to write")->required();
  command->add_option("--budget", arguments->budget, "time to spend: 300, 300s or 5m")->capture_default_str();
  command
      ->add_option("--ranks", arguments->device.ranks,
                   "cuda with a single GPU: measures one of so many equal parts of it while the others compute")
      ->check(CLI::Range(1, 64));
  command->add_flag("--neighbours-idle", arguments->neighbours_idle, "with --ranks: while the others do nothing");
  command->add_flag("--force", arguments->force, "replace --out where it exists");
  command->add_flag("--quiet", arguments->quiet, "no progress bar, no summary");
  command->footer("Example: real_runner profile --backend cpu --model tiny-vlm --out cpu.json --budget 60s");
  command->callback([arguments, command_line] { RunProfile(*arguments, command_line); });
}

}  // namespace dflop
