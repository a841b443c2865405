// `dflop plan`: the layout that a policy chooses, why, and on request the whole plan as a file.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/file.hpp"
#include "base/index.hpp"
#include "base/progress.hpp"
#include "base/terminal.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"
#include "experiments/commands/commands.hpp"
#include "experiments/results/extrapolation.hpp"
#include "experiments/results/figure_text.hpp"
#include "experiments/run/extrapolation_limit.hpp"
#include "experiments/run/planning.hpp"
#include "experiments/run/sample_queue.hpp"
#include "experiments/spec/experiment.hpp"
#include "experiments/spec/selection.hpp"
#include "policies/api/plugin_error.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/plan/plan_file.hpp"

namespace dflop {
namespace {

struct PlanArguments {
  std::string experiment;
  std::optional<std::string> scenario;
  std::optional<std::string> policy;
  ExperimentOverrides overrides;
  std::string out;
};

double Gib(Bytes bytes) { return bytes.value() / kGibibyte; }

void PrintCandidates(const std::vector<Candidate>& candidates) {
  constexpr std::size_t kShown = 20;
  TextTable table({{"predicted s"}, {"peak GiB"}, {"layout", true}});
  for (std::size_t i = 0; i < std::min(kShown, candidates.size()); ++i) {
    const Candidate& candidate = candidates[i];
    const std::string note = candidate.note.empty() && !candidate.fits ? "does not fit" : candidate.note;
    table.Add({{candidate.predicted > Seconds(0) ? Fixed(candidate.predicted.value(), 4) : "–",
                Fixed(Gib(candidate.peak_memory), 1), candidate.name + (note.empty() ? "" : " (" + note + ")")},
               candidate.fits ? Paint::kNone : Paint::kBad});
  }
  const TextStyle style = OutputStyle();
  std::string text = Format("%zu candidate%s\n", candidates.size(), candidates.size() == 1 ? "" : "s");
  text += table.Text(style);
  if (candidates.size() > kShown) text += Format("… and %zu more\n", candidates.size() - kShown);
  PrintWrapped(text, style);
}

void PrintDegrees(const Layout& layout, const ModelSpec& model) {
  const std::vector<ModuleDegrees> all = DegreesOf(layout);
  for (int module = 0; module < model.module_count(); ++module) {
    const ModuleDegrees& degrees = all[static_cast<std::size_t>(module)];
    std::string line =
        Format("  %-20s tp %d, pp %d, dp %d", model.module_name(module).c_str(), degrees.tp, degrees.pp, degrees.dp);
    for (const auto& [name, degree] : {std::pair("cp", degrees.cp), {"ep", degrees.ep}, {"etp", degrees.etp}}) {
      if (degree > 1) line += Format(", %s %d", name, degree);
    }
    PrintWrapped(line + (degrees.sequence_parallel ? ", sequence parallel\n" : "\n"));
  }
}

/// Numbers as runs: "0 to 3, 8 to 11".
std::string RunsText(const std::set<int>& numbers) {
  constexpr int kShown = 8;
  std::string text;
  int runs = 0;
  for (auto first = numbers.begin(); first != numbers.end();) {
    auto end = std::next(first);
    while (end != numbers.end() && *end == *std::prev(end) + 1) ++end;
    if (runs++ == kShown) return text + Format(", … %d", *numbers.rbegin());
    const int last = *std::prev(end);
    text += (text.empty() ? "" : ", ") + (*first == last ? Format("%d", last) : Format("%d to %d", *first, last));
    first = end;
  }
  return text;
}

/// Where a stage's replicas lie: their GPUs and nodes.
void PrintPlacement(const Layout& layout, const ModelSpec& model, const ClusterSpec& cluster) {
  struct Place {
    std::set<int> gpus;
    std::set<int> nodes;
    int groups = 0;
    int size = 1;
  };
  std::map<std::pair<int, int>, Place> places;  // by module and depth
  for (const Stage& stage : layout.stages) {
    const DeviceGroup& group = layout.groups[Index(stage.group)];
    for (const ModulePart& part : stage.parts) {
      Place& place = places[{part.module, stage.depth}];
      for (int gpu = group.first_gpu; gpu < group.first_gpu + group.size; ++gpu) {
        place.gpus.insert(gpu);
        place.nodes.insert(cluster.node_of(gpu));
      }
      place.size = group.size;
      ++place.groups;
    }
  }
  constexpr std::size_t kShown = 32;
  std::size_t shown = 0;
  int stage = 0;
  int module = -1;
  for (const auto& [key, place] : places) {
    if (shown++ == kShown) {
      PrintWrapped(Format("  … %zu more stages\n", places.size() - kShown));
      return;
    }
    stage = key.first == module ? stage + 1 : 0;
    module = key.first;
    PrintWrapped(Format("  %-20s stage %d: %d × %d GPUs, %s, node%s %s\n", model.module_name(module).c_str(), stage,
                        place.groups, place.size, RunsText(place.gpus).c_str(), place.nodes.size() > 1 ? "s" : "",
                        RunsText(place.nodes).c_str()));
  }
}

void PrintMemory(const MemoryUse& memory, const ModelSpec& model) {
  TextTable table({{"module", true},
                   {"stage"},
                   {"weights", false, 1},
                   {"gradients", false, 1},
                   {"optimizer", false, 1},
                   {"activations", false, 1},
                   {"other", false, 1},
                   {"total"}},
                  2);
  for (const StageMemoryUse& use : memory.stages) {
    std::vector<std::string> cells = {model.module_name(use.module), std::to_string(use.stage)};
    for (const Bytes bytes : {use.weights, use.gradients, use.optimizer, use.activations, use.other, use.total()}) {
      cells.push_back(Fixed(Gib(bytes), 2));
    }
    table.Add({std::move(cells)});
  }
  const TextStyle style = OutputStyle();
  PrintWrapped("memory of the first step, GiB\n" + table.Text(style) + "  peak " + Fixed(Gib(memory.peak), 2) + ", " +
                   (memory.fits ? "fits" : memory.too_large) + "\n",
               style);
}

struct Prepared {
  BatchPlan plan;
  std::vector<DeviceOrder> own;  ///< orders where they are not those of the job
  StepWork work;
  StepCosts costs;
  OperationGraph graph;
};

Prepared PrepareStep(const PlannedJob& job, const StepBatch& batch, BatchScheduler& batcher,
                     const PipelineSchedule& schedule, RandomStream random, std::int64_t seed, int number,
                     bool may_defer) {
  const Layout& layout = job.decision.layout;
  Prepared step;
  BatchProblem problem = MakeBatchProblem(BatchContext{job.cost, layout, job.orders, batch.shapes});
  problem.waited = batch.waited;
  problem.may_defer = may_defer;
  problem.seed = seed;
  problem.step = number;
  step.plan = batcher.Schedule(problem, random);
  step.work = DivideWork(step.plan, layout, job.cost, batch.shapes);
  step.costs = PriceStep(job.cost, layout, step.work);
  step.own = OrdersOfStep(schedule, job.job(), step.work);
  step.graph = BuildGraph(job.job().With(step.own), step.work, step.costs);
  return step;
}

void WritePlan(const std::string& path, const Experiment& experiment, const Scenario& scenario,
               const PolicySpec& policy, const PlannedJob& job) {
  const std::int64_t seed = experiment.seeds.front();
  Plan plan{experiment.name,    scenario.name,       policy.name,         seed,       scenario.model,
            job.cost.cluster(), job.cost.software(), job.decision.layout, job.orders, {}};
  const std::unique_ptr<BatchScheduler> batcher = policy.MakeBatcher();
  const std::unique_ptr<PipelineSchedule> schedule = policy.MakeSchedule();
  SampleQueue queue;
  for (int number = 0; number < experiment.steps; ++number) {
    StepBatch batch = queue.With(DrawBatch(scenario, seed, number));
    Prepared step = TellingWhere("step " + std::to_string(number), [&] {
      return PrepareStep(job, batch, *batcher, *schedule, BatchingStream(scenario, seed, number), seed, number,
                         number + 1 < experiment.steps);
    });
    queue.Keep(batch, step.plan.deferred);
    plan.steps.push_back(
        {std::move(batch.shapes), std::move(step.plan), PlannedOperations(step.graph), std::move(step.own)});
  }
  WriteJsonFile(path, ToJson(plan));
  PrintWrapped(Format("plan of %zu steps: %s\n", plan.steps.size(), path.c_str()));
}

PlannedJob PlanOnTerminal(const Scenario& scenario, const PolicySpec& policy, std::int64_t seed) {
  std::optional<Progress> bar;
  std::size_t shown = 0;
  return PlanJob(scenario, policy, seed, [&](std::size_t done, std::size_t total) {
    if (!bar) bar.emplace("planning", total, false);
    bar->Advance(done - std::exchange(shown, done));
  });
}

/// Trust stands where the seconds stand.
void TellExtrapolation(const Scenario& scenario, const PolicySpec& policy, const PlannedJob& job,
                       const Prepared& first) {
  const BusyTime busy = BusyTimeOf(first.costs, job.decision.layout, first.graph);
  const double fraction = busy.Share(busy.extrapolated);
  const std::string who = "scenario " + JsonQuote(scenario.name) + ", policy " + JsonQuote(policy.name);
  RefuseExtrapolation(scenario, who, fraction, "of the first step's busy time",
                      ListExtrapolated(scenario, job, first.work));
  if (fraction > 0) {
    PrintWrapped(Format("priced beyond what was measured, of the first step's busy time: %.1f %%%s\n", 100 * fraction,
                        IsMuchExtrapolated(fraction) ? kExtrapolatedMark : ""));
  }
  if (IsMuchExtrapolated(fraction)) PrintWrapped(std::string(kExtrapolatedNote) + "\n");
}

void ShowPlan(const PlanArguments& arguments, const Experiment& experiment, const Scenario& scenario,
              const PolicySpec& policy) {
  const std::int64_t seed = experiment.seeds.front();
  const PlannedJob job = OrExplain(policy, "/layout", [&] { return PlanOnTerminal(scenario, policy, seed); });
  PrintWrapped(scenario.name + ", policy " + policy.name + ", seed " + std::to_string(seed) + "\n");
  PrintCandidates(job.decision.candidates);
  const Layout& layout = job.decision.layout;
  std::string chosen = "chosen: " + layout.name + "\n";
  chosen += Format("  %d GPUs, %d microbatches a replica%s\n", layout.gpus_used(), layout.microbatches,
                   layout.directions > 1 ? ", one of which goes either way on every row of devices" : "");
  if (job.decision.predicted > Seconds(0)) chosen += Format("  predicted %.4f s\n", job.decision.predicted.value());
  chosen += "  why: " + job.decision.reason + "\n";
  if (job.decision.software) chosen += "  software: " + ToJson(*job.decision.software).Dump() + "\n";
  PrintWrapped(chosen);
  PrintDegrees(layout, scenario.model);
  PrintPlacement(layout, scenario.model, scenario.cluster);
  const Prepared first = OrExplain(policy, "/batching", [&] {
    return PrepareStep(job, SampleQueue().With(DrawBatch(scenario, seed, 0)), *policy.MakeBatcher(),
                       *policy.MakeSchedule(), BatchingStream(scenario, seed, 0), seed, 0, experiment.steps > 1);
  });
  PrintMemory(PeakMemory(job.job().With(first.own), first.work), scenario.model);
  TellExtrapolation(scenario, policy, job, first);
  if (arguments.out.empty()) return;
  OrExplain(policy, "/batching", [&] { WritePlan(arguments.out, experiment, scenario, policy, job); });
}

void PlanCommand(const PlanArguments& arguments) {
  if (!arguments.out.empty()) CheckFolderOf(arguments.out);
  const Experiment experiment = ReadExperiment(arguments.experiment, arguments.overrides);
  const Scenario& scenario = ChooseScenario(experiment, arguments.scenario);
  const PolicySpec& policy = ChoosePolicy(scenario, arguments.policy);
  TellingWhere("scenario " + JsonQuote(scenario.name) + ", policy " + JsonQuote(policy.name),
               [&] { ShowPlan(arguments, experiment, scenario, policy); });
}

}  // namespace

void AddPlanCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("plan", "the layout a policy chooses: candidates, memory, time, and why");
  const auto arguments = std::make_shared<PlanArguments>();
  command->add_option("experiment", arguments->experiment, "the experiment file")
      ->required()
      ->type_name("EXPERIMENT.json");
  command->add_option("--scenario", arguments->scenario, "by default the first; of a sweep the first point is taken");
  command->add_option("--policy", arguments->policy, "by default the scenario's first");
  command
      ->add_option("--seed", arguments->overrides.seed,
                   "of the planning sample and the batches; by default the experiment's first")
      ->check(CLI::Range(std::int64_t{0}, kLargestSeed));
  command->add_option("--out", arguments->out, "writes the whole plan, batches and operations included")
      ->type_name("PLAN.json");
  command->footer("Example: dflop plan experiments/quickstart.json --policy dflop --out /tmp/plan.json");
  command->callback([arguments] { PlanCommand(*arguments); });
}

}  // namespace dflop
