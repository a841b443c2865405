// A wrapper for each interface with the same calls; what goes wrong is said with the plug-in's kind and name.
#include "policies/api/checked_plugins.hpp"

#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "base/json_reader.hpp"
#include "base/text.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/plugin_error.hpp"
#include "sim/build/deadlock.hpp"
#include "sim/plan/layout_check.hpp"
#include "sim/plan/training_check.hpp"

namespace dflop {
namespace {

std::string Number(double value) { return Format("%g", value); }

class CheckedPlanner final : public LayoutPlanner {
 public:
  CheckedPlanner(std::unique_ptr<LayoutPlanner> planner, const std::string& name)
      : planner_(std::move(planner)), who_("layout planner " + JsonQuote(name) + " chose ") {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    LayoutDecision decision = planner_->Plan(problem);
    const LayoutFault fault = FindFault(decision.layout, problem.cost.model(), problem.cost.cluster());
    if (!fault.what.empty()) throw PluginError(who_ + "a layout whose " + fault.pointer + " " + fault.what);
    CheckTraining(problem.cost, decision);
    CheckFigures("the layout", decision.predicted, Bytes(0));
    for (const Candidate& candidate : decision.candidates) {
      CheckFigures("candidate " + candidate.name, candidate.predicted, candidate.peak_memory);
    }
    return decision;
  }

 private:
  /// What is trained in a way that the layout does not fit is no fault of a planner that knows degrees alone.
  static void CheckTraining(const CostModel& cost, const LayoutDecision& decision) {
    const std::string why = decision.software ? WhyNotTrained(cost.With(*decision.software), decision.layout)
                                              : WhyNotTrained(cost, decision.layout);
    if (!why.empty()) throw Infeasible("chose " + decision.layout.name + ", but " + why);
  }
  void CheckFigures(const std::string& what, Seconds predicted, Bytes memory) const {
    if (!std::isfinite(predicted.value()) || predicted < Seconds(0)) {
      throw PluginError(who_ + what + " with a predicted time of " + Number(predicted.value()) + " s");
    }
    if (!std::isfinite(memory.value()) || memory < Bytes(0)) {
      throw PluginError(who_ + what + " with a peak memory of " + Number(memory.value()) + " bytes");
    }
  }

  std::unique_ptr<LayoutPlanner> planner_;
  std::string who_;
};

class CheckedBatcher final : public BatchScheduler {
 public:
  CheckedBatcher(std::unique_ptr<BatchScheduler> batcher, const std::string& name)
      : batcher_(std::move(batcher)), who_("batch scheduler " + JsonQuote(name)) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    BatchPlan plan = batcher_->Schedule(problem, random);
    if (problem.context == nullptr) return plan;  // bare numbers: nothing is built on the answer
    const std::string wrong = WhyInvalid(plan, problem.context->layout, problem.samples());
    if (!wrong.empty()) throw PluginError(who_ + " made an invalid plan: " + wrong);
    CheckDeferral(problem, plan);
    return plan;
  }
  std::string ChangesTraining() const override { return batcher_->ChangesTraining(); }

 private:
  /// What the LLM runs later than the encoder did, the encoder's backward waits for: not in every order it ever comes.
  void CheckDeferral(const BatchProblem& problem, const BatchPlan& plan) const {
    const BatchContext& context = *problem.context;
    if (EncodedIn(plan, context.batch.size()).empty()) return;
    const std::string stuck = WhyDeadlocked(context, DivideWork(plan, context.layout, context.cost, context.batch));
    if (!stuck.empty()) throw PluginError(who_ + " defers samples further than the orders allow: " + stuck);
  }

  std::unique_ptr<BatchScheduler> batcher_;
  std::string who_;
};

/// Pure, so that a pipeline of one shape is looked at once; where a schedule knows times, every answer is.
class CheckedSchedule final : public PipelineSchedule {
 public:
  CheckedSchedule(std::unique_ptr<PipelineSchedule> schedule, const std::string& name)
      : schedule_(std::move(schedule)), who_("pipeline schedule " + JsonQuote(name)) {}

  int chunks() const override {
    const int chunks = schedule_->chunks();
    if (chunks < 1) throw PluginError(who_ + " wants " + std::to_string(chunks) + " chunks of layers on a device");
    return chunks;
  }
  int directions() const override {
    const int directions = schedule_->directions();
    if (directions >= 1 && chunks() % directions == 0) return directions;
    throw PluginError(who_ + " wants " + std::to_string(directions) + " pipelines over its devices, " +
                      std::to_string(chunks()) + " chunks on a device are no multiple of them");
  }
  int splits() const override {
    const int splits = schedule_->splits();
    if (splits < 1) throw PluginError(who_ + " divides a microbatch in " + std::to_string(splits));
    return splits;
  }
  Placement placement(int devices) const override {
    Placement placement = schedule_->placement(devices);
    const std::string wrong = WhyPlacementFails(placement, devices, chunks());
    if (!wrong.empty()) throw PluginError(who_ + " " + wrong);
    return placement;
  }
  bool per_step() const override { return schedule_->per_step(); }
  bool places_encoders() const override { return schedule_->places_encoders(); }
  std::string note() const override { return schedule_->note(); }
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders = Asked(problem);
    const std::tuple<int, int, int> shape(problem.devices, problem.microbatches, problem.encoders);
    if (problem.HasShapeOnly() && sound_.contains(shape)) return orders;
    const std::string wrong = WhyOrdersFail(orders, problem);
    if (!wrong.empty()) {
      throw PluginError(who_ + " fails for " + std::to_string(problem.microbatches) + " microbatches on " +
                        std::to_string(problem.devices) + " devices: " + wrong);
    }
    if (problem.HasShapeOnly()) sound_.insert(shape);
    return orders;
  }

 private:
  std::vector<DeviceOrder> Asked(const ScheduleProblem& problem) const {
    try {
      return schedule_->Orders(problem);
    } catch (const Infeasible& reason) {
      throw Infeasible(who_ + ": " + reason.what(), "/pipeline");
    }
  }

  std::unique_ptr<PipelineSchedule> schedule_;
  std::string who_;
  mutable std::set<std::tuple<int, int, int>> sound_;  ///< by devices, microbatches and encoders
};

bool IsFinite(const Json& json) {
  if (json.is_number()) return std::isfinite(json.number());
  if (json.is<Json::Array>()) {
    for (const Json& element : json.as<Json::Array>()) {
      if (!IsFinite(element)) return false;
    }
  }
  if (json.is<Json::Object>()) {
    for (const Json::Member& member : json.as<Json::Object>()) {
      if (!IsFinite(member.value)) return false;
    }
  }
  return true;
}

class CheckedCorrection final : public Correction {
 public:
  CheckedCorrection(std::unique_ptr<Correction> correction, const std::string& name)
      : correction_(std::move(correction)), who_("correction " + JsonQuote(name)) {}

  double Factor(int module, double tokens) const override {
    const double factor = correction_->Factor(module, tokens);
    if (std::isfinite(factor) && factor > 0) return factor;
    throw PluginError(who_ + " multiplies times by " + Number(factor) + ": a finite factor above 0 is wanted");
  }
  bool tracking() const override { return correction_->tracking(); }
  double monitoring_cost() const override {
    const double cost = correction_->monitoring_cost();
    if (std::isfinite(cost) && cost >= 0) return cost;
    throw PluginError(who_ + " costs " + Number(cost) + " of the time: a finite share from 0 is wanted");
  }
  void Observe(const Observation& step) override { correction_->Observe(step); }
  Json Report() const override {
    Json report = correction_->Report();
    if (!IsFinite(report)) throw PluginError(who_ + " reports a number that is not finite");
    return report;
  }

 private:
  std::unique_ptr<Correction> correction_;
  std::string who_;
};

}  // namespace

std::unique_ptr<LayoutPlanner> Checked(std::unique_ptr<LayoutPlanner> planner, const std::string& name) {
  return std::make_unique<CheckedPlanner>(std::move(planner), name);
}
std::unique_ptr<BatchScheduler> Checked(std::unique_ptr<BatchScheduler> batcher, const std::string& name) {
  return std::make_unique<CheckedBatcher>(std::move(batcher), name);
}
std::unique_ptr<PipelineSchedule> Checked(std::unique_ptr<PipelineSchedule> schedule, const std::string& name) {
  return std::make_unique<CheckedSchedule>(std::move(schedule), name);
}
std::unique_ptr<Correction> Checked(std::unique_ptr<Correction> correction, const std::string& name) {
  return std::make_unique<CheckedCorrection>(std::move(correction), name);
}

}  // namespace dflop
