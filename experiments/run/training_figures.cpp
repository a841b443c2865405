// The spread of a total is that of chance alone: that the step time is not known better than it is, its interval says.
#include "experiments/run/training_figures.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "base/text.hpp"
#include "experiments/run/data_loading.hpp"
#include "experiments/run/training_time.hpp"

namespace dflop {
namespace {

constexpr double kSecondsPerHour = 3600;
constexpr double kMostHours = 1e8;

/// A whole number of steps; what rounding alone adds is no step.
double WholeSteps(double steps) { return std::max(1.0, std::ceil(steps * (1 - 1e-12))); }

TrainingTime TimeOf(const Scenario& scenario, const CostModel& cost, const Layout& layout, const RunFigures& figures) {
  const TrainingSpec& spec = *scenario.training;
  TrainingTime training;
  training.step_s = figures.iteration_time_s + figures.data_loading_exposed_s;
  training.steps = spec.samples ? WholeSteps(*spec.samples / scenario.global_batch_size)
                                : WholeSteps(*spec.tokens / (figures.tokens_per_s * figures.iteration_time_s));
  training.steps_per_segment = training.steps;
  if (spec.checkpoint) {
    const CheckpointSpec& checkpoint = *spec.checkpoint;
    training.steps_per_segment =
        checkpoint.every_steps ? *checkpoint.every_steps : WholeSteps(*checkpoint.every_s / training.step_s);
    training.write_s =
        checkpoint.write_s ? *checkpoint.write_s : CheckpointBytes(cost, layout).value() / *checkpoint.bytes_per_s;
    training.blocking = checkpoint.blocking;
  }
  if (spec.failures) {
    training.failures_per_s = spec.failures->per_gpu_hour * layout.gpus_used() / kSecondsPerHour;
    training.restart_s = spec.failures->restart_s;
  }
  return training;
}

std::string Figure(double value) { return Format("%.3g", value); }

void RefuseEndless(const Scenario& scenario, const TrainingTime& training, int gpus) {
  const double failures = FailuresOfSegment(training);
  if (failures <= kMostFailuresOfSegment) return;
  const double segment = std::min(training.steps, training.steps_per_segment) * training.step_s + training.write_s;
  const std::string what =
      scenario.training->checkpoint
          ? "from one checkpoint to the next it takes " + Figure(segment) + " s"
          : "without a checkpoint a failure loses the whole run, which takes " + Figure(segment) + " s";
  throw InputError(
      scenario.file, scenario.pointer + "/training/failures/per_gpu_hour",
      "lets " + std::to_string(gpus) + " GPUs fail every " + Figure(1 / training.failures_per_s) + " s, but " + what +
          ", so that it would be tried " + (std::isfinite(failures) ? Figure(failures) : "endless") +
          " times on average; allowed are " + Figure(kMostFailuresOfSegment) + ": a rate of up to " +
          Figure(MostFailuresPerSecond(training) / gpus * kSecondsPerHour) + ", or checkpoints that are nearer");
}

void RefuseLong(const Scenario& scenario, double hours) {
  if (hours <= kMostHours) return;
  throw InputError(scenario.file, scenario.pointer + "/training/" + (scenario.training->samples ? "samples" : "tokens"),
                   "makes a training of " + Figure(hours) + " hours; allowed are " + Figure(kMostHours));
}

}  // namespace

void AddDataLoading(const Scenario& scenario, std::span<const double> core_s, int gpus, RunFigures& figures) {
  const DataLoading& loading = *scenario.data_loading;
  std::vector<double> load_s(core_s.begin(), core_s.end());
  for (double& seconds : load_s) seconds /= loading.cores_per_gpu * gpus;
  figures.data_loading_s = std::accumulate(load_s.begin(), load_s.end(), 0.0) / static_cast<double>(load_s.size());
  figures.data_loading_exposed_s = MeanLoadingWait(load_s, figures.step_s, loading.prefetch_steps);
  if (figures.data_loading_exposed_s <= kHiddenWait * figures.iteration_time_s) return;
  figures.data_loading_hidden_by_cores = CoresThatHide(load_s, figures.step_s, loading);
}

Bytes CheckpointBytes(const CostModel& cost, const Layout& layout) {
  std::set<std::tuple<int, int, int, bool, bool>> parts;
  Bytes bytes{0};
  for (const Stage& stage : layout.stages) {
    for (ModulePart part : stage.parts) {
      if (!parts.emplace(part.module, part.first_layer, part.layers, part.has_input, part.has_output).second) continue;
      part.mesh = Mesh();  // one rank that holds all of the part
      const StateMemory state = cost.State(part, 1);
      bytes += state.weights + state.optimizer;
    }
  }
  return bytes;
}

void AddTraining(const Scenario& scenario, const CostModel& cost, const Layout& layout, std::int64_t seed,
                 RunFigures& figures) {
  const TrainingTime training = TimeOf(scenario, cost, layout, figures);
  const int gpus = layout.gpus_used();
  RefuseEndless(scenario, training, gpus);
  const double mean = MeanTrainingTime(training);
  RefuseLong(scenario, mean / kSecondsPerHour);
  RandomStream random = scenario.Stream(seed, "training/failures");
  const std::vector<double> draws = DrawTrainingTimes(training, kTrainingDraws, random);
  const double price = scenario.training->price_per_gpu_hour.value_or(0);
  const auto add = [&](double seconds, double& hours, double& gpu_hours, double& paid) {
    hours = seconds / kSecondsPerHour;
    gpu_hours = hours * gpus;
    paid = gpu_hours * price;
  };
  add(mean, figures.training_hours, figures.training_gpu_hours, figures.training_cost);
  add(Quantile(draws, 0.05), figures.training_hours_p5, figures.training_gpu_hours_p5, figures.training_cost_p5);
  add(Quantile(draws, 0.5), figures.training_hours_p50, figures.training_gpu_hours_p50, figures.training_cost_p50);
  add(Quantile(draws, 0.95), figures.training_hours_p95, figures.training_gpu_hours_p95, figures.training_cost_p95);
  figures.training_steps = training.steps;
  figures.training_failures = training.failures_per_s * mean;
  figures.training_lost_fraction = std::max(0.0, 1 - training.steps * training.step_s / mean);
  figures.training_checkpoint_write_s = training.write_s;
  figures.training_best_checkpoint_every_s = std::min(BestCheckpointInterval(training), mean);
}

}  // namespace dflop
