// Fig. 1: the schedule as it is drawn, with equal microbatches and a backward of twice the forward, above the step that
// random samples make of it.
#include <algorithm>

#include "base/index.hpp"
#include "base/text.hpp"
#include "experiments/profile/data_profile.hpp"
#include "experiments/report/charts.hpp"
#include "experiments/report/schedule_chart.hpp"
#include "experiments/reproduction/figures.hpp"
#include "policies/api/checked_plugins.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/timed_orders.hpp"

namespace dflop {
namespace {

constexpr int kStages = 4;
constexpr int kMicrobatches = 6;

TimedOrders DrawnSchedule() {
  const Json spec = std::string("1f1b");
  const auto schedule = Checked(Registry<PipelineSchedule>::Instance().Make(JsonReader(spec, "1f1b")), "1f1b");
  ScheduleProblem problem = ShapeOf(*schedule, kStages, kMicrobatches);
  const StageTimes times{Seconds(1), Seconds(1), Seconds(1)};
  problem.times.assign(Index(problem.stages()), std::vector<StageTimes>(kMicrobatches, times));
  problem.transfers.assign(Index(problem.stages() - 1), std::vector<Seconds>(kMicrobatches, Seconds(0)));
  problem.held.assign(Index(problem.stages()), 1.0);
  return RunOrders(schedule->Orders(problem), problem);
}

/// Idle share of every stage between the first start and the last end of all microbatch work.
std::vector<double> IdleShares(const StepPicture& picture) {
  std::vector<double> busy(picture.stages.size());
  double begin = HUGE_VAL, end = 0;
  for (const PictureEvent& event : picture.events) {
    if (event.stage < 0 || !event.IsMicrobatchWork()) continue;
    busy[static_cast<std::size_t>(event.stage)] += event.duration_s();
    begin = std::min(begin, event.start_s);
    end = std::max(end, event.end_s);
  }
  std::vector<double> idle;
  idle.reserve(busy.size());
  for (const double seconds : busy) idle.push_back(1 - seconds / (end - begin));
  return idle;
}

}  // namespace

ReproducedFigure Pipelines(const StoredResults& results) {
  const StepPicture& picture = PictureOf(results.Get("fig01-pipelines"), "llama3-8b", "real");
  const TimedOrders drawn = DrawnSchedule();
  const std::vector<double> idle = IdleShares(picture);

  ReproducedFigure figure;
  figure.panels.push_back({"fig01-1", ScheduleChart(drawn, "1F1B with equal microbatches")});
  figure.panels.push_back({"fig01-2", PipelineChart("1F1B with samples of the mix", {&picture})});
  figure.csv = "stage,ideal_idle_share,real_idle_share\n";
  for (std::size_t stage = 0; stage < idle.size(); ++stage) {
    figure.csv += std::to_string(stage) + Format(",%.6f,%.6f\n", drawn.bubble_of_makespan(), idle[stage]);
  }
  figure.quantities["ideal.idle_share"] = {drawn.bubble_of_makespan(), {}};
  const double least = *std::min_element(idle.begin(), idle.end());
  figure.quantities["real.idle_over_ideal.mean"] = {Mean(idle) / drawn.bubble_of_makespan(), {}};
  figure.quantities["real.idle_over_ideal.least_stage"] = {least / drawn.bubble_of_makespan(), {}};
  figure.notes.push_back(Format("Idle shares of the four stages: %.1f, %.1f, %.1f and %.1f %%, drawn: %.1f %%.",
                                100 * idle.at(0), 100 * idle.at(1), 100 * idle.at(2), 100 * idle.at(3),
                                100 * drawn.bubble_of_makespan()));
  return figure;
}

}  // namespace dflop
