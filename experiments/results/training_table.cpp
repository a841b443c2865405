// Money and hours reach over many decades: four digits of each, none after the point where there are as many before it.
#include "experiments/results/training_table.hpp"

#include <cmath>

#include "base/text.hpp"
#include "experiments/results/figure_text.hpp"

namespace dflop {
namespace {

std::string FourDigits(double value) {
  const double size = std::fabs(value);
  return Fixed(value, size == 0 || size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

TrainingCell WithQuantiles(double mean, double p5, double p95) {
  std::string text = FourDigits(mean);
  if (p5 != p95) text += " (" + FourDigits(p5) + "–" + FourDigits(p95) + ")";
  return {mean, text};
}

TrainingCell OrNone(double value, const std::string& text) { return {value, value == 0 ? "–" : text}; }

}  // namespace

bool HasTraining(const PolicyRuns& policy) { return policy.figures.training_steps > 0; }

std::vector<std::string> TrainingColumns() {
  return {"steps", "hours (5–95 %)", "GPU-hours", "cost", "failures", "lost %", "checkpoint takes", "best every"};
}

std::vector<TrainingCell> TrainingCells(const PolicyRuns& policy) {
  const RunFigures& run = policy.figures;
  const TrainingCell cost = WithQuantiles(run.training_cost, run.training_cost_p5, run.training_cost_p95);
  return {{run.training_steps, Fixed(run.training_steps, 0)},
          WithQuantiles(run.training_hours, run.training_hours_p5, run.training_hours_p95),
          WithQuantiles(run.training_gpu_hours, run.training_gpu_hours_p5, run.training_gpu_hours_p95),
          OrNone(cost.number, cost.text),
          OrNone(run.training_failures, FourDigits(run.training_failures)),
          {run.training_lost_fraction, Fixed(100 * run.training_lost_fraction, 1)},
          OrNone(run.training_checkpoint_write_s, Duration(run.training_checkpoint_write_s)),
          OrNone(run.training_best_checkpoint_every_s, Duration(run.training_best_checkpoint_every_s))};
}

}  // namespace dflop
