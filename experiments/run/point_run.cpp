// Steps follow each other: a correction and deferred samples carry over from one to the next.
#include "experiments/run/point_run.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.hpp"
#include "base/index.hpp"
#include "base/text.hpp"
#include "experiments/results/planning_figures.hpp"
#include "experiments/results/training_changes.hpp"
#include "experiments/run/cost_draws.hpp"
#include "experiments/run/data_loading.hpp"
#include "experiments/run/drawn_samples.hpp"
#include "experiments/run/extrapolation_limit.hpp"
#include "experiments/run/planning.hpp"
#include "experiments/run/run_metrics.hpp"
#include "experiments/run/sample_queue.hpp"
#include "experiments/run/training_figures.hpp"
#include "policies/api/plugin_error.hpp"
#include "sim/build/communicator.hpp"
#include "sim/engine/replay.hpp"
#include "sim/measure/chrome_trace.hpp"
#include "sim/measure/timeline.hpp"
#include "sim/measure/timeline_hash.hpp"
#include "sim/measure/traffic.hpp"
#include "sim/plan/decision_hash.hpp"
#include "sim/step/step.hpp"

namespace dflop {
namespace {

// The GPUs of a module as runs of consecutive numbers, which stay short on a large cluster.
Json DevicesOf(const Layout& layout, int module) {
  std::set<std::pair<int, int>> groups;  // first GPU, size
  for (const Stage& stage : layout.stages) {
    const bool holds = std::any_of(stage.parts.begin(), stage.parts.end(),
                                   [&](const ModulePart& part) { return part.module == module; });
    const DeviceGroup& group = layout.groups[static_cast<std::size_t>(stage.group)];
    if (holds) groups.emplace(group.first_gpu, group.size);
  }
  std::vector<std::pair<int, int>> ranges;
  for (const auto& [first, size] : groups) {
    if (!ranges.empty() && ranges.back().first + ranges.back().second == first) {
      ranges.back().second += size;
    } else {
      ranges.emplace_back(first, size);
    }
  }
  Json devices = Json::EmptyArray();
  for (const auto& [first, count] : ranges) {
    Json range;
    range["first_gpu"] = first;
    range["gpus"] = count;
    devices.push_back(std::move(range));
  }
  return devices;
}

Json DescribeLayout(const Layout& layout, const ModelSpec& model) {
  Json json;
  json["name"] = layout.name;
  json["gpus_used"] = layout.gpus_used();
  // As `fixed` is told them: of a row of devices, both ways where there are two.
  json["microbatches"] = layout.microbatches_of_row();
  if (layout.directions > 1) json["directions"] = layout.directions;
  if (layout.joins()) json["communicator"] = ToJson(layout.communicator);
  Json& modules = json["modules"];
  const std::vector<ModuleDegrees> all = DegreesOf(layout);
  for (int module = 0; module < model.module_count(); ++module) {
    const ModuleDegrees& degrees = all[static_cast<std::size_t>(module)];
    Json entry;
    entry["module"] = model.module_name(module);
    entry["tp"] = degrees.tp;
    entry["pp"] = degrees.pp;
    entry["dp"] = degrees.dp;
    for (const auto& [word, degree] : {std::pair("cp", degrees.cp), {"ep", degrees.ep}, {"etp", degrees.etp}}) {
      if (degree > 1) entry[word] = degree;
    }
    entry["sequence_parallel"] = degrees.sequence_parallel;
    entry["devices"] = DevicesOf(layout, module);
    entry["microbatches"] = layout.microbatches_of_row();
    modules.push_back(std::move(entry));
  }
  return json;
}

Json RunHead(const Unit& unit) {
  Json run;
  run["scenario"] = unit.point->scenario.name;
  if (!unit.point->values.is_null()) run["point"] = unit.point->values;
  run["policy"] = unit.policy->name;
  return run;
}

/// How unequal the buckets are, over what the step runs.
double BalanceGap(const PlannedJob& job, const std::vector<SampleShape>& batch, const BatchPlan& plan) {
  BatchProblem truth = MakeBatchProblem(job.cost, job.decision.layout, batch);
  for (auto& dimension : truth.costs) {
    for (const int i : plan.deferred) dimension[Index(i)] = 0;
  }
  return LargestBucket(truth, plan) / BucketLowerBound(truth) - 1;
}

/// All steps of one seed.
class SeedRun {
 public:
  SeedRun(const Unit& unit, const PlannedJob& job, Engine& engine, std::int64_t seed)
      : unit_(unit), job_(job), engine_(engine), seed_(seed), metrics_(job.planning_s) {}

  /// Of steps some of whose replicas are alike.
  std::string WhyToldApart() const {
    if (SharesFabric(job_.cost.cluster())) return "they meet each other on the links of the fabric";
    if (!scenario().anomalies.empty()) return "anomalies may hit each of them in its own way";
    if (disturbed()) return "a correction watches them";
    if (engine_.contends()) {
      return "their messages may contend: not all are alike, or two share a NIC, or nodes are filled unevenly";
    }
    return "they run their microbatches in different orders, or are alike in some steps only";
  }

  /// How many of the LLM's replicas differ, and whether equal ones were simulated once.
  Json DescribeClasses() const {
    Json json;
    json["replicas"] = layout().llm_replicas();
    json["classes"] = replica_classes_;
    json["folded"] = folded_;
    if (!folded_ && replica_classes_ < layout().llm_replicas()) json["why_told_apart"] = WhyToldApart();
    return json;
  }

  Json Run(const PictureFiles* pictures) {
    for (int step = 0; step < unit_.experiment->steps; ++step) {
      TellingWhere("seed " + std::to_string(seed_) + ", step " + std::to_string(step),
                   [&] { RunStep(step, step == 0 ? pictures : nullptr); });
    }
    LimitExtrapolation(metrics_.extrapolated_fraction(), "of the busy time of its steps");
    Json run = RunHead(unit_);
    run["seed"] = seed_;
    run["layout"] = DescribeLayout(layout(), job_.cost.model());
    run["replica_classes"] = DescribeClasses();
    run["planning"] = PlanningToJson(job_.decision);
    run["metrics"] = ToJson(Figures());
    run["under_cost_draws"] = under_draws_;
    run["extrapolated_shapes"] = extrapolated_;
    run["traffic"] = traffic_;
    if (!notes_.empty()) run["scheduler_notes"] = Json::ArrayOf(notes_);
    if (!instead_.empty()) run["batching_instead"] = instead_;
    const Json report =
        TellingWhere("seed " + std::to_string(seed_) + ", after the last step", [&] { return correction_->Report(); });
    if (!report.is_null()) run["correction"] = report;
    if (job_.decision.software) run["software"] = ToJson(*job_.decision.software);
    if (deferred_ > 0) run["deferrals"] = deferred_;
    const std::vector<std::string> changes = TrainingChanges(*batcher_, deferred_);
    if (!changes.empty()) run["changes_training"] = Json::ArrayOf(changes);
    const Bytes least_bucket = LeastBucket(job_.cost, layout());
    if (least_bucket > Bytes(0)) run["least_bucket_bytes"] = least_bucket.value();
    if (!metrics_.fits()) run["too_large"] = metrics_.too_large();
    run["decision_hash"] = decisions_.Hex();
    run["timeline_hash"] = timelines_.Hex();
    return run;
  }

 private:
  RunFigures Figures() const {
    RunFigures figures = metrics_.Figures(layout(), job_.cost);
    if (scenario().data_loading) AddDataLoading(scenario(), CoreSecondsOfSteps(), layout().gpus_used(), figures);
    if (scenario().training) AddTraining(scenario(), job_.cost, layout(), seed_, figures);
    return figures;
  }

  /// A sample is loaded for the step that draws it, also where it runs in a later one.
  std::vector<double> CoreSecondsOfSteps() const {
    std::vector<double> seconds;
    seconds.reserve(static_cast<std::size_t>(unit_.experiment->steps));
    for (int step = 0; step < unit_.experiment->steps; ++step) {
      seconds.push_back(CoreSeconds(*scenario().data_loading, DrawRawBatch(scenario(), seed_, step)));
    }
    return seconds;
  }

  const Layout& layout() const { return job_.decision.layout; }
  const Scenario& scenario() const { return unit_.point->scenario; }

  void RunStep(int number, const PictureFiles* pictures) {
    const StepBatch step_batch = queue_.With(DrawBatch(scenario(), seed_, number));
    const std::vector<SampleShape>& batch = step_batch.shapes;
    const auto start = std::chrono::steady_clock::now();
    const std::pair<BatchPlan, BatchPlan> choice = Choose(step_batch, number);
    const BatchPlan& plan = choice.first;
    const double scheduling_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    queue_.Keep(step_batch, plan.deferred);
    const std::vector<DeviceOrder> own = OwnOrders(plan, batch);
    Note(plan);
    // What really carries the step's messages; who plans knows the machine as it is said to be.
    const std::optional<ClusterSpec> machine = truth_.MachineOf(job_.cost.cluster(), number);
    if (machine || machine_differed_) step_ = Step();
    machine_differed_ = machine.has_value();
    std::optional<CostModel> own_cost;
    if (machine) own_cost.emplace(scenario().model, *machine, scenario().kernels, job_.cost.software());
    const CostModel& cost = own_cost ? *own_cost : job_.cost;
    const std::unique_ptr<Engine> own_engine = machine ? MakeEngine(engine_.name(), *machine) : nullptr;
    Engine& engine = machine ? *own_engine : engine_;
    const Job job = Job{cost, layout(), job_.orders}.With(own);
    StepOptions options{.fold = true};
    if (disturbed()) {
      options.disturb = [&](const auto& work, StepCosts& costs) {
        Disturb(truth_, {job_.cost, layout(), plan, batch, work, number}, costs);
      };
    }
    step_ = SimulateStep(job, plan, batch, engine, options, std::move(step_));
    const Step& step = step_;
    if (number == 0) ReplayUnderDraws(job, plan, batch, step);
    replica_classes_ = std::max(replica_classes_, step.replica_classes);
    folded_ = folded_ && !step.classes.empty();
    decisions_.AddStep(plan, own);
    timelines_.AddStep(step.graph, step.times);
    if (correction_->tracking()) {
      correction_->Observe(
          {ContextOf(batch), plan, choice.second, step.predicted, MakeTimeline(step.graph, step.times)});
    }
    if (number == 0) extrapolated_ = ListExtrapolated(scenario(), job_, step.work, step.classes);
    if (number == 0) traffic_ = ToJson(TrafficOf(job, step));
    const StepMetrics measured = MeasureStep(job, step, engine);
    if (number == 0) LimitExtrapolation(measured.extrapolated_fraction, "of the first step's busy time");
    metrics_.Add(measured, PeakMemory(job, step.work, step.classes), BalanceGap(job_, batch, plan), scheduling_s);
    if (pictures != nullptr) Draw(job, plan, batch, *pictures);
    if (!own.empty()) step_ = Step();  // its orders are those of no other step
  }

  /// Whether costs are other than predicted.
  bool disturbed() const { return !scenario().anomalies.empty() || correction_->tracking(); }

  /// Of a schedule that is asked per step, where they are not those of the job.
  std::vector<DeviceOrder> OwnOrders(const BatchPlan& plan, const std::vector<SampleShape>& batch) const {
    if (!schedule_->per_step()) return {};
    return OrdersOfStep(*schedule_, job_.job(), DivideWork(plan, layout(), job_.cost, batch));
  }

  void Disturb(GroundTruth& truth, const GroundTruth::PlannedStep& step, StepCosts& costs) const {
    truth.Disturb(step, costs);
    if (correction_->tracking()) SlowDown(costs, 1 + correction_->monitoring_cost());
  }

  /// The first step again with drawn kernel costs; what disturbs it counts in the durations of the draw.
  void ReplayUnderDraws(const Job& job, const BatchPlan& plan, const std::vector<SampleShape>& batch,
                        const Step& step) {
    const GroundTruth undisturbed(scenario().anomalies, static_cast<std::uint64_t>(seed_));
    DrawnDisturbance disturb;
    if (disturbed()) {
      disturb = [&](const CostModel& drawn, StepCosts& costs) {
        GroundTruth truth = undisturbed;
        Disturb(truth, {drawn, layout(), plan, batch, step.work, 0}, costs);
      };
    }
    under_draws_["step"] = 0;
    const Seconds replayed = engine_.contends() ? Replay(step.graph, *step.order).makespan : step.times.makespan;
    under_draws_["as_predicted_s"] = replayed.value();
    under_draws_["iteration_time_s"] = Json::ArrayOf(StepTimesUnderDraws(scenario(), job, step, disturb));
  }

  void LimitExtrapolation(double fraction, const std::string& of) const {
    RefuseExtrapolation(scenario(), unit_.Name() + ", seed " + std::to_string(seed_), fraction, of, extrapolated_);
  }

  BatchContext ContextOf(const std::vector<SampleShape>& batch) const {
    const Correction* correction = correction_->tracking() ? correction_.get() : nullptr;
    return {job_.cost, layout(), job_.orders, batch, correction};
  }

  /// The step's plan and, while a correction is at work, the plan without it, which shows what the correction gains.
  std::pair<BatchPlan, BatchPlan> Choose(const StepBatch& batch, int number) {
    BatchContext context = ContextOf(batch.shapes);
    BatchPlan plan = Schedule(*batcher_, context, batch, number);
    if (context.correction == nullptr) return {std::move(plan), BatchPlan()};
    context.correction = nullptr;
    return {std::move(plan), Schedule(*plain_batcher_, context, batch, number)};
  }

  BatchPlan Schedule(BatchScheduler& batcher, const BatchContext& context, const StepBatch& batch, int number) {
    RandomStream random = BatchingStream(scenario(), seed_, number);
    BatchProblem problem = MakeBatchProblem(context);
    problem.waited = batch.waited;
    problem.may_defer = number + 1 < unit_.experiment->steps;
    problem.seed = seed_;
    problem.step = number;
    return batcher.Schedule(problem, random);
  }

  // Steps tend to say the same again; a long run is not to fill its result with it.
  void Note(const BatchPlan& plan) {
    constexpr std::size_t kKept = 8;
    deferred_ += static_cast<std::int64_t>(plan.deferred.size());
    if (!plan.instead.empty()) instead_ = plan.instead;
    for (const std::string& note : {plan.note, schedule_->per_step() ? schedule_->note() : job_.schedule_note}) {
      const bool known = std::find(notes_.begin(), notes_.end(), note) != notes_.end();
      if (!note.empty() && !known && notes_.size() < kKept) notes_.push_back(note);
    }
  }

  /// Of the first step. What shows all devices has to tell them apart.
  void Draw(const Job& job, const BatchPlan& plan, const std::vector<SampleShape>& batch,
            const PictureFiles& pictures) {
    if (!step_.classes.empty() && DrawsAll(layout(), pictures.detail)) {
      step_ = SimulateStep(job, plan, batch, engine_);
    }
    const std::vector<bool> drawn = DrawnGroups(job, step_, pictures.detail);
    WriteChromeTrace(pictures.trace, job_.cost, layout(), plan, step_, drawn);
    WriteTimeline(pictures.timeline, MakeTimeline(step_.graph, step_.times, layout(), drawn), layout(),
                  job_.cost.model(), drawn, PictureTail(plan, drawn));
  }

  /// What the timeline of a picture says beside events: the run, its samples, FLOPs of the stages in it, in their
  /// order.
  Json PictureTail(const BatchPlan& plan, const std::vector<bool>& drawn) const {
    Json tail = RunHead(unit_);
    if (Json samples = DrawnSamples(plan, layout(), drawn); !samples.is_null()) tail["samples"] = std::move(samples);
    Json& flops = tail["hardware_flops"] = Json::EmptyArray();
    for (std::size_t s = 0; s < layout().stages.size(); ++s) {
      if (!IsDrawn(layout(), static_cast<int>(s), -1, drawn)) continue;
      Flops of_stage{0};
      for (const PartCost& part : step_.costs().stages[s]) of_stage += part.hardware_flops;
      flops.push_back(of_stage.value());
    }
    return tail;
  }

  const Unit& unit_;
  const PlannedJob& job_;
  Engine& engine_;
  std::int64_t seed_;
  RunMetrics metrics_;
  GroundTruth truth_{scenario().anomalies, static_cast<std::uint64_t>(seed_)};
  std::unique_ptr<BatchScheduler> batcher_ = unit_.policy->MakeBatcher();
  std::unique_ptr<PipelineSchedule> schedule_ = unit_.policy->MakeSchedule();
  std::unique_ptr<Correction> correction_ = unit_.policy->MakeCorrection();
  std::unique_ptr<BatchScheduler> plain_batcher_ = unit_.policy->MakeBatcher();
  SampleQueue queue_;
  std::int64_t deferred_ = 0;  ///< summed over the steps
  std::vector<std::string> notes_;
  std::string instead_;  ///< what stood in for the batch scheduler, in one step at least
  Json extrapolated_;
  Json traffic_;  ///< of the first step
  Json under_draws_;
  Step step_;
  int replica_classes_ = 0;        ///< of the step that has most
  bool folded_ = true;             ///< every step
  bool machine_differed_ = false;  ///< in the last step, from what it is said to be
  DecisionHash decisions_{layout(), job_.orders};
  TimelineHash timelines_{layout()};
};

// One entry instead of figures; an error where there is no further point to go on with.
Json NothingFeasible(const Unit& unit, const std::string& reason, const std::string& key = "/layout") {
  if (!unit.experiment->has_sweep) {
    throw InputError(unit.policy->file, unit.policy->pointer + key,
                     "scenario " + JsonQuote(unit.point->scenario.name) + ": " + reason);
  }
  Json run = RunHead(unit);
  run["infeasible"] = reason;
  return Json(Json::Array{std::move(run)});
}

}  // namespace

std::string Unit::Name() const {
  const std::string values = point->values.is_null() ? "" : ", point " + point->values.Dump();
  return "scenario " + JsonQuote(point->scenario.name) + values + ", policy " + JsonQuote(policy->name);
}

Json RunUnit(const Unit& unit, const PictureFiles* pictures) {
  const std::unique_ptr<Engine> engine = MakeEngine(unit.experiment->engine, unit.point->scenario.cluster);
  const std::vector<std::int64_t>& seeds = unit.seeds.empty() ? unit.experiment->seeds : unit.seeds;
  Json runs = Json::EmptyArray();
  const char* asked = "/layout";  // the plug-in that is at work
  try {
    for (const std::int64_t seed : seeds) {
      const bool drawn = unit.drawn && seed == seeds.front();
      asked = "/layout";
      const PlannedJob job = TellingWhere("seed " + std::to_string(seed) + ", while planning",
                                          [&] { return PlanJob(unit.point->scenario, *unit.policy, seed); });
      asked = "/batching";  // whose batches may be unlike the planning sample
      runs.push_back(SeedRun(unit, job, *engine, seed).Run(drawn ? pictures : nullptr));
    }
  } catch (const Infeasible& reason) {
    return NothingFeasible(unit, reason.what(), reason.key().empty() ? asked : reason.key());
  } catch (const InputError& error) {  // degrees that this point does not allow, a trace that covers too little
    if (!unit.experiment->has_sweep) throw;
    return NothingFeasible(unit, error.what());
  }
  return runs;
}

}  // namespace dflop
