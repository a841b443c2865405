// Says beforehand how long it will take, as the plans predict, and wants --force beyond an hour.
#include "real_runner/commands/run_command.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/finite_range.hpp"
#include "base/text.hpp"
#include "real_runner/execute/measured_step.hpp"
#include "real_runner/execute/run_output.hpp"
#include "real_runner/execute/run_session.hpp"
#include "real_runner/messages/transport.hpp"
#include "real_runner/program/plan_check.hpp"

namespace dflop {
namespace {

struct RunArguments {
  std::vector<std::string> plans;
  std::string backend;
  std::string out;
  double time_scale = 1;
  SessionOptions session;
  bool force = false;
};

constexpr double kLongUnasked = 3600;  // seconds of work that nobody starts by accident

/// As the plans predict it, every attempt taken as the first: seconds of this machine.
double ExpectedSeconds(const std::vector<Plan>& plans, const RunArguments& arguments) {
  double once = 0;
  for (const Plan& plan : plans) {
    for (std::size_t step = 0; step < plan.steps.size(); ++step) {
      once += PredictedTimeline(plan, step).makespan.value();
    }
  }
  const double scale = StageBackendOf(arguments.backend).real ? 1 : arguments.time_scale;
  return once * scale * (arguments.session.repeats + arguments.session.warm_up);
}

std::string DurationText(double seconds) {
  if (seconds < 120) return Format("%.3g s", seconds);
  return seconds < 7200 ? Format("%.3g min", seconds / 60) : Format("%.4g h", seconds / 3600);
}

void TellDuration(double seconds, bool force) {
  const std::string text = DurationText(seconds);
  if (seconds > kLongUnasked && !force) {
    throw InputError("the plans predict " + text +
                     " of execution: fewer --repeats, a smaller --time-scale (spin), or --force to run all the same");
  }
  if (LauncherRank() == 0) std::fprintf(stderr, "expected to last about %s, as the plans predict\n", text.c_str());
}

std::vector<Plan> ReadPlans(const RunArguments& arguments) {
  std::vector<Plan> plans;
  for (const std::string& path : arguments.plans) {
    const Json json = ReadJsonFile(path);
    plans.push_back(ReadPlan(JsonReader(json, path)));
    CheckPlan(plans.back(), path);
    PadVocabulary(plans.back());
  }
  return plans;
}

void CheckBackend(const StageBackend& backend, const std::vector<Plan>& plans, const RunArguments& arguments) {
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const std::string why = backend.why_not(plans[i]);
    if (!why.empty()) throw InputError(arguments.plans[i], "", "backend " + backend.name + " cannot run this: " + why);
  }
}

std::string PartialPath(const std::string& out) {
  const std::filesystem::path path(out);
  return (path.parent_path() / (path.stem().string() + ".partial" + path.extension().string())).string();
}

void Run(const RunArguments& arguments) {
  CheckFolderOf(arguments.out);
  const std::vector<Plan> plans = ReadPlans(arguments);
  const StageBackend backend = FindStageBackend(arguments.backend, MostRanks(plans), arguments.time_scale);
  CheckBackend(backend, plans, arguments);
  TellDuration(ExpectedSeconds(plans, arguments), arguments.force);
  const auto output = [&](const SessionResult& result) {
    return RunOutput{backend.name, backend.time_scale, arguments.session.most_lost, arguments.plans, plans, result};
  };
  const auto fail = [&](const SessionResult& result) {
    const std::string partial = PartialPath(arguments.out);
    WriteJsonFile(partial, RunToJson(output(result)));
    return result.failure + "\nwhat had been measured: " + partial;
  };
  SessionResult result;
  if (UnderMpiLauncher()) {
    result = RunUnderMpi(plans, backend, arguments.session, [&](const SessionResult& broken) {
      std::fprintf(stderr, "real_runner: %s\n", fail(broken).c_str());
      std::fflush(stderr);
    });
    if (LauncherRank() != 0) return;
  } else {
    result = RunAsThreads(plans, backend, arguments.session);
  }
  if (!result.failure.empty()) throw RunError(fail(result));
  WriteJsonFile(arguments.out, RunToJson(output(result)));
  std::printf("%s%zu execution%s: %s\n", RunText(output(result)).c_str(), result.executions.size(),
              result.executions.size() == 1 ? "" : "s", arguments.out.c_str());
}

}  // namespace

void AddRunCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "executes a plan of `dflop plan --out`, one rank per device group");
  const auto arguments = std::make_shared<RunArguments>();
  command->add_option("plans", arguments->plans, "plan files; several take turns")->required()->type_name("PLAN.json");
  command->add_option("--backend", arguments->backend, "spin: operations last as predicted; cpu, cuda: real kernels")
      ->required();
  command->add_option("--out", arguments->out, "timeline of every execution")->required()->type_name("TIMELINE.json");
  command->add_option("--repeats", arguments->session.repeats, "of every step")->check(CLI::Range(1, 10000));
  command->add_option("--warm-up", arguments->session.warm_up, "repeats before those, not kept")
      ->check(CLI::Range(0, 1000));
  command
      ->add_option("--attempts", arguments->session.attempts,
                   "at most so many for a step that other processes disturb, the last is kept")
      ->check(CLI::Range(1, 100));
  command->add_option("--time-scale", arguments->time_scale, "spin only: real seconds per predicted second")
      ->check(FiniteRange(1e-6, 1e3));
  command->add_flag("--force", arguments->force, "run though the plans predict more than an hour");
  command->footer(
      "Without a launcher every rank is a thread; with one there is a process for each.\n"
      "Example: mpirun -n 2 real_runner run plan.json --backend spin --out timeline.json");
  command->callback([arguments] { Run(*arguments); });
}

}  // namespace dflop
