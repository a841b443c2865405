// Fig. 16: wall clock of the optimizer and of the batch scheduler, on the machine that ran them.
#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "experiments/reproduction/figures.hpp"

namespace dflop {
namespace {

constexpr int kGpusOfNode = 8;
constexpr double kMostGpus = 1024;
constexpr const char* kBatchAxis = "/global_batch_size";

/// Seconds of planning in one step.
double PlanningOfStep(const PolicyFigures& policy) {
  return policy.figures.planning_time_s * static_cast<double>(policy.seeds.seeds.size()) /
         static_cast<double>(policy.seeds.steps);
}

}  // namespace

ReproducedFigure OptimizerTime16(const StoredResults& results) {
  std::map<int, PlotSeries> by_batch;
  std::map<int, double> at_1024;  // by batch
  for (const PointFigures& point : results.Get("fig16a-optimizer").points) {
    const int batch = static_cast<int>(AxisValue(point, kBatchAxis));
    const double seconds = FiguresOf(point, "dflop").figures.planning_time_s;
    const double gpus = AxisValue(point, "/cluster/nodes") * kGpusOfNode;
    if (gpus == kMostGpus) at_1024[batch] = seconds;
    PlotSeries& series = by_batch[batch];
    series.name = "global batch " + std::to_string(batch);
    series.points.push_back({.x = gpus, .y = 1000 * seconds});
  }
  Plot plot{.title = "Time of DFLOP's optimizer",
            .x = {.label = "A100", .logarithmic = true},
            .y = {.label = "ms, wall clock", .logarithmic = true},
            .series = {}};
  for (auto& [batch, series] : by_batch) plot.series.push_back(std::move(series));
  ReproducedFigure figure;
  figure.wall_clock = true;
  figure.AddPlots("fig16a", {plot});
  if (at_1024.size() < 2) throw InputError("Fig. 16a wants two batches on 1,024 GPUs");
  figure.quantities["at_1024_s"] = {std::max(at_1024.begin()->second, at_1024.rbegin()->second), {}};
  figure.quantities["large_over_small_batch"] = {at_1024.rbegin()->second / at_1024.begin()->second, {}};
  return figure;
}

ReproducedFigure SchedulerTime(const StoredResults& results) {
  ReproducedFigure figure;
  figure.wall_clock = true;
  Plot time{.title = "Time of a batch scheduler for one step, 64 A100",
            .x = {.label = "global batch", .logarithmic = true},
            .y = {.label = "s, wall clock", .logarithmic = true},
            .series = {}};
  Plot gap{.title = "Largest bucket above the lower bound",
           .x = {.label = "global batch", .logarithmic = true},
           .y = {.label = "%", .least = 0.0},
           .series = {}};
  std::set<std::string> stood_in;
  for (const char* policy : {"lpt", "ilp", "search"}) {
    PlotSeries seconds{policy, PlotMark::kLine, {}}, above{policy, PlotMark::kLine, {}};
    double by_itself = 0;
    for (const PointFigures& point : results.Get("fig16b-scheduler").points) {
      const PolicyFigures& figures = FiguresOf(point, policy);
      const double batch = AxisValue(point, kBatchAxis);
      seconds.points.push_back({.x = batch, .y = PlanningOfStep(figures)});
      above.points.push_back({.x = batch, .y = 100 * figures.figures.balance_gap});
      const std::string at = Format(".%.0f", batch);
      figure.quantities[policy + (".time_s" + at)] = {PlanningOfStep(figures), {}};
      figure.quantities[policy + (".gap" + at)] = {figures.figures.balance_gap, {}};
      if (figures.instead.empty()) {
        by_itself = std::max(by_itself, batch);
      } else {
        stood_in.insert(figures.instead + " for " + policy);
      }
    }
    figure.quantities[policy + std::string(".largest_by_itself")] = {by_itself, {}};
    time.series.push_back(std::move(seconds));
    gap.series.push_back(std::move(above));
  }
  for (const std::string& what : stood_in) figure.notes.push_back("In some batches stood in: " + what + ".");
  figure.notes.emplace_back(
      "The search bounds encoder work of a union of buckets, not of each, so its gap is of another bound.");
  figure.AddPlots("fig16b", {time, gap});
  return figure;
}

}  // namespace dflop
