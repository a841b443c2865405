// Runs are matched with plans by their paths, operations with predicted ones by name.
#include "real_runner/validate/validation_runs.hpp"

#include <limits>

#include "real_runner/execute/measured_step.hpp"

namespace dflop {
namespace {

constexpr double kAny = std::numeric_limits<double>::max();
constexpr std::int64_t kMany = 1'000'000;

std::vector<std::string> ModuleOfStage(const Plan& plan) {
  std::vector<std::string> modules;
  for (const Stage& stage : plan.layout.stages) {
    std::string& names = modules.emplace_back();
    for (const ModulePart& part : stage.parts) {
      names += (names.empty() ? "" : " + ") + plan.model.module_name(part.module);
    }
  }
  return modules;
}

/// What one plan's executions say.
class PolicyRuns {
 public:
  explicit PolicyRuns(const Plan& plan) : modules_(ModuleOfStage(plan)) {
    measurement_.policy = plan.policy;
    for (std::size_t step = 0; step < plan.steps.size(); ++step) {
      predicted_.push_back(PredictedTimeline(plan, step));
      measurement_.predicted_s.push_back(predicted_.back().makespan.value());
    }
  }

  void Add(const JsonReader& run) {
    MeasuredExecution execution;
    const JsonReader step = run.At("step");
    execution.step = static_cast<std::size_t>(step.Int(0, static_cast<std::int64_t>(predicted_.size()) - 1));
    execution.repeat = static_cast<int>(run.At("repeat").Int(0, kMany));
    execution.measured_s = run.At("makespan_s").Number(std::numeric_limits<double>::min(), kAny);
    execution.replayed_s = run.At("replayed_makespan_s").Number(0, kAny);
    execution.lost_share = run.At("lost_share").Number(-kAny, kAny);
    execution.executor_share = run.At("executor_share").Number(-kAny, kAny);
    execution.rejected = static_cast<int>(run.At("rejected").Int(0, kMany));
    measurement_.executions.push_back(execution);
    Timeline& timeline = timelines_.emplace_back();
    timeline.events = ReadTimelineEvents(run.At("events"));
    timeline.makespan = Seconds(execution.measured_s);
    for (OperationSeconds& operation : MatchOperations(predicted_[execution.step], timeline, modules_)) {
      measurement_.operations.push_back(std::move(operation));
    }
  }

  bool Complete() const {
    std::vector<bool> there(predicted_.size(), false);
    for (const MeasuredExecution& execution : measurement_.executions) there[execution.step] = true;
    for (const bool step : there) {
      if (!step) return false;
    }
    return true;
  }

  const PolicyMeasurement& measurement() const { return measurement_; }

  StepTimelines Median() const {
    constexpr std::size_t kStep = 0;
    const std::size_t median = MedianExecution(measurement_.executions, kStep);
    return {kStep, measurement_.executions[median].repeat, predicted_[kStep], timelines_[median]};
  }

 private:
  std::vector<std::string> modules_;
  PolicyMeasurement measurement_;
  std::vector<Timeline> predicted_;  ///< [step]
  std::vector<Timeline> timelines_;  ///< [execution]
};

}  // namespace

ScenarioRuns ReadScenarioRuns(const std::string& file, const std::vector<Plan>& plans,
                              const std::vector<std::string>& paths) {
  const Json document = ReadJsonFile(file);
  const JsonReader json(document, file);
  json.CheckSchema("dflop/timeline/1", true);
  std::vector<PolicyRuns> policies(plans.begin(), plans.end());
  for (const JsonReader& run : json.At("runs").Elements()) {
    const std::string path = run.At("plan").OneOf(paths);
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (paths[i] == path) policies[i].Add(run);
    }
  }
  ScenarioRuns runs;
  runs.most_lost = json.At("most_lost_share").Number(0, 1);
  for (const PolicyRuns& policy : policies) {
    if (!policy.Complete()) json.At("runs").Fail("lacks steps of " + JsonQuote(policy.measurement().policy));
    runs.policies.push_back(policy.measurement());
    runs.timelines.push_back(policy.Median());
  }
  return runs;
}

}  // namespace dflop
