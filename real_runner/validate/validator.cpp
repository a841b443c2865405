// Plans are tried in a folder of their own first, so that nobody waits for a profile of what cannot be run.
#include "real_runner/validate/validator.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/child_program.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/slug.hpp"
#include "real_runner/execute/run_session.hpp"
#include "real_runner/profile/budget.hpp"
#include "real_runner/program/plan_check.hpp"
#include "real_runner/validate/validation_job.hpp"
#include "real_runner/validate/validation_output.hpp"
#include "real_runner/validate/validation_runs.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {
namespace {

namespace fs = std::filesystem;

constexpr char kTrace[] = "trace.json";
constexpr char kExperiment[] = "experiment.json";

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

/// A folder for the plans that are only looked at.
class TrialFolder {
 public:
  TrialFolder() : path_((fs::temp_directory_path() / "dflop-validate-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw RunError(path_ + ": cannot be made");
  }
  ~TrialFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TrialFolder(const TrialFolder&) = delete;
  TrialFolder& operator=(const TrialFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The plans of one scenario and where they stand, as named from the folder.
struct ScenarioPlans {
  std::vector<std::string> paths;
  std::vector<Plan> plans;
};

class Validator {
 public:
  explicit Validator(const ValidationOptions& options)
      : options_(options),
        kind_(StageBackendOf(options.backend)),
        real_(kind_.real),
        out_(fs::absolute(options.out).lexically_normal().string()),
        dflop_(BesideThisProgram("dflop")),
        job_(ReadValidationJob(options.experiment, options.policies)) {}

  void Run() {
    CheckOptions();
    TryPlans();
    MakeFolder();
    if (real_) GetTrace();
    const Json experiment = real_ ? WithCosts(job_.experiment, kTrace) : job_.experiment;
    WriteJsonFile(InOut(kExperiment), experiment);
    const std::vector<ScenarioPlans> plans = Predict();
    Validation validation{.experiment = job_.name,
                          .backend = options_.backend,
                          .device = real_ ? ReadCostTrace(InOut(kTrace)).device : "",
                          .time_scale = options_.time_scale,
                          .repeats = options_.repeats,
                          .warm_up = options_.warm_up,
                          .attempts = options_.attempts,
                          .scenarios = {},
                          .provenance = options_.provenance};
    for (std::size_t i = 0; i < plans.size(); ++i) validation.scenarios.push_back(Execute(job_.scenarios[i], plans[i]));
    Finish(validation);
  }

 private:
  std::string InOut(const std::string& name) const { return out_ + "/" + name; }

  ChildProgram Dflop(const std::vector<std::string>& arguments, const std::string& folder) const {
    return {.path = dflop_, .arguments = arguments, .folder = folder, .log = InOut("validation.log")};
  }

  void CheckOptions() const {
    if (UnderMpiLauncher()) throw InputError("validate starts its ranks itself: call it without mpirun");
    if (!fs::is_regular_file(dflop_)) {
      throw InputError("there is no " + dflop_ + ": `dflop`, which plans and simulates, must stand beside real_runner");
    }
    if (fs::exists(out_) && !fs::is_directory(out_)) throw InputError("--out: " + options_.out + " is no folder");
    ReadBudget(options_.profile_budget);
    if (options_.trace.empty()) return;
    if (!real_) throw InputError("--trace: spin takes the costs that the experiment names");
    ReadCostTrace(options_.trace);
  }

  /// With the costs that the experiment names: before a profile is spent on plans that nobody can run, and before
  /// anything is written.
  void TryPlans() {
    const TrialFolder trial;
    WriteJsonFile(trial.path() + "/" + kExperiment, job_.experiment);
    PlanAll(trial.path(), "");
  }

  void MakeFolder() const {
    std::error_code error;
    fs::create_directories(out_, error);
    if (error) throw InputError("--out: " + options_.out + " cannot be made: " + error.message());
    for (const char* old : {"validation.json", "validation.md", "validation.log"}) fs::remove(InOut(old), error);
    fs::remove_all(InOut("validation"), error);
  }

  void GetTrace() const {
    if (!options_.trace.empty()) {
      const std::string content = ReadFile(options_.trace);
      return WriteFile(InOut(kTrace), content);
    }
    std::vector<std::string> arguments = {"profile", "--backend", options_.backend, "--out",
                                          kTrace,    "--force",   "--budget",       options_.profile_budget};
    for (const std::string& model : ModelsToProfile(job_.experiment, InOut("models"))) {
      arguments.insert(arguments.end(), {"--model", model});
    }
    if (kind_.shares_devices) {
      arguments.insert(arguments.end(), {"--ranks", std::to_string(most_ranks_)});
    }
    Say("profiling this machine, at most " + options_.profile_budget);
    RunProgramOrFail({.path = ThisProgram(), .arguments = arguments, .folder = out_, .log = InOut("validation.log")});
  }

  /// Plans and simulates with the costs that count. What goes wrong only now is due to them.
  std::vector<ScenarioPlans> Predict() {
    try {
      std::vector<ScenarioPlans> plans = PlanAll(out_, InOut("validation.log"));
      Say("simulating");
      RunProgramOrFail(Dflop({"run", kExperiment, "--out", ".", "--quiet"}, out_));
      return plans;
    } catch (const InputError& error) {
      if (!real_) throw;
      throw InputError(std::string(error.what()) + "\nin " + out_ + ", with the costs of its " + kTrace +
                       (options_.trace.empty() ? "; --profile-budget gives the profile more time" : ""));
    }
  }

  /// One plan for every scenario and policy, into the folder's plans/, from the folder's experiment.
  std::vector<ScenarioPlans> PlanAll(const std::string& folder, const std::string& log) {
    std::error_code error;
    fs::create_directory(folder + "/plans", error);
    if (error) throw RunError(folder + "/plans cannot be made: " + error.message());
    const std::string inside = folder + "/";
    std::vector<ScenarioPlans> all;
    std::vector<std::string> refused;
    UniqueSlugs slugs;
    for (const ValidationScenario& scenario : job_.scenarios) {
      ScenarioPlans& plans = all.emplace_back();
      for (const std::string& policy : scenario.policies) {
        const std::string path = "plans/" + slugs.New(scenario.name + " " + policy, "plan") + ".json";
        if (!log.empty()) Say("planning    " + scenario.name + ": " + policy);
        ChildProgram program =
            Dflop({"plan", kExperiment, "--scenario", scenario.name, "--policy", policy, "--out", path}, folder);
        program.log = log;
        RunProgramOrFail(program);
        const Json json = ReadJsonFile(inside + path);
        plans.plans.push_back(ReadPlan(JsonReader(json, path)));
        CheckPlan(plans.plans.back(), path);
        PadVocabulary(plans.plans.back());
        plans.paths.push_back(path);
      }
      const int ranks = MostRanks(plans.plans);
      most_ranks_ = std::max(most_ranks_, ranks);
      const StageBackend backend = FindStageBackend(options_.backend, ranks, options_.time_scale);
      for (const Plan& plan : plans.plans) {
        const std::string why = backend.why_not(plan);
        if (!why.empty()) refused.push_back(JsonQuote(plan.policy) + " (" + scenario.name + "): " + why);
      }
    }
    if (!refused.empty()) FailFor(refused);
    return all;
  }

  [[noreturn]] void FailFor(const std::vector<std::string>& refused) const {
    std::string text = "backend " + options_.backend + " cannot execute";
    for (const std::string& line : refused) text += "\n  " + line;
    throw InputError(options_.experiment, "", text + "\n--policy, given once for each of the others, leaves them out");
  }

  ValidatedScenario Execute(const ValidationScenario& scenario, const ScenarioPlans& plans) {
    ValidatedScenario validated;
    validated.ranks = MostRanks(plans.plans);
    validated.steps = plans.plans.front().steps.size();
    const std::string slug = slugs_.New(scenario.name, "scenario");
    const std::string timelines = "timelines-" + slug + ".json";
    std::vector<std::string> arguments = {"run",   "--backend", options_.backend,
                                          "--out", timelines,   "--force"};  // whoever validates has asked for it
    const auto add = [&](const char* option, const std::string& value) {
      arguments.insert(arguments.end(), {option, value});
    };
    add("--repeats", std::to_string(options_.repeats));
    add("--warm-up", std::to_string(options_.warm_up));
    add("--attempts", std::to_string(options_.attempts));
    add("--time-scale", ShortestNumber(options_.time_scale));
    arguments.insert(arguments.end(), plans.paths.begin(), plans.paths.end());
    const bool launched = HasMpi() && validated.ranks > 1 && !kind_.shares_devices;
    const std::string mpirun = launched ? FindInPath("mpirun") : "";
    validated.processes = !mpirun.empty();
    Say("executing   " + scenario.name + ": " + std::to_string(plans.plans.size()) + " plans, " +
        std::to_string(validated.ranks) + (validated.processes ? " processes" : " threads"));
    RunProgramOrFail(validated.processes ? UnderLauncher(mpirun, validated.ranks, arguments) : Alone(arguments));
    const ScenarioRuns runs = ReadScenarioRuns(InOut(timelines), plans.plans, plans.paths);
    validated.most_lost = runs.most_lost;
    validated.comparison = CompareScenario(scenario.name, scenario.baseline, runs.policies, runs.most_lost);
    for (std::size_t i = 0; i < plans.plans.size(); ++i) {
      validated.files.push_back(WriteTimelines(plans.plans[i], plans.paths[i], runs.timelines[i]));
    }
    return validated;
  }

  ChildProgram Alone(const std::vector<std::string>& arguments) const {
    return {.path = ThisProgram(), .arguments = arguments, .folder = out_, .log = InOut("validation.log")};
  }

  ChildProgram UnderLauncher(const std::string& mpirun, int ranks, const std::vector<std::string>& arguments) const {
    ChildProgram program = Alone({"-n", std::to_string(ranks), "--oversubscribe", ThisProgram()});
    program.path = mpirun;
    program.arguments.insert(program.arguments.end(), arguments.begin(), arguments.end());
    if (geteuid() == 0) {  // OpenMPI wants to be told twice
      program.environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}};
    }
    return program;
  }

  ValidationFiles WriteTimelines(const Plan& plan, const std::string& path, const StepTimelines& timelines) const {
    const std::string base = "validation/" + fs::path(path).stem().string();
    const ValidationFiles files{path, base + "-predicted.json", base + "-measured.json", timelines.repeat};
    WriteJsonFile(InOut(files.predicted_timeline), TimelineToJson(timelines.predicted, plan.layout, plan.model));
    WriteJsonFile(InOut(files.measured_timeline), TimelineToJson(timelines.measured, plan.layout, plan.model));
    return files;
  }

  void Finish(const Validation& validation) const {
    const std::string tables = ToMarkdown(validation);
    WriteFile(InOut("validation.md"), tables);
    WriteJsonFile(InOut("validation.json"), ToJson(validation));
    RunProgramOrFail(Dflop({"report", "."}, out_));
    Say("\n" + tables + "\nreport: " + options_.out + "/report.html");
  }

  const ValidationOptions& options_;
  const StageBackendKind& kind_;
  const bool real_;
  const std::string out_;
  const std::string dflop_;
  ValidationJob job_;
  int most_ranks_ = 1;  ///< of any scenario
  UniqueSlugs slugs_;
};

}  // namespace

void RunValidation(const ValidationOptions& options) {
  FindStageBackend(options.backend, 1, options.time_scale);  // an unknown name is said before a file is read
  Validator(options).Run();
}

}  // namespace dflop
