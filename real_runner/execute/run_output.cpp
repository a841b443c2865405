// Executions of one plan and step share a line: the median of their times, the worst of their shares.
#include "real_runner/execute/run_output.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "base/statistics.hpp"

namespace dflop {
namespace {

Json ExecutionToJson(const Execution& execution, const RunOutput& output) {
  const Plan& plan = output.plans[execution.plan];
  Json json = TimelineToJson(execution.measured.timeline, plan.layout, plan.model);
  Json run;
  run["plan"] = output.paths[execution.plan];
  run["scenario"] = plan.scenario;
  run["policy"] = plan.policy;
  run["step"] = execution.step;
  run["repeat"] = execution.repeat;
  run["rejected"] = execution.rejected;
  run["predicted_makespan_s"] = PredictedTimeline(plan, execution.step).makespan.value();
  run["makespan_s"] = execution.measured.timeline.makespan.value();
  run["replayed_makespan_s"] = execution.measured.replayed.value();
  run["lost_share"] = execution.measured.lost_share();
  run["executor_share"] = execution.measured.executor_share();
  run["events"] = std::move(json["events"]);
  return run;
}

struct Row {
  double predicted = 0;
  std::vector<double> measured{};
  double worst_replay = 0;  ///< relative
  double worst_executor = 0;
  int rejected = 0;
};

void Add(const Execution& execution, const Plan& plan, Row& row) {
  const MeasuredStep& measured = execution.measured;
  const double makespan = measured.timeline.makespan.value();
  row.predicted = PredictedTimeline(plan, execution.step).makespan.value();
  row.measured.push_back(makespan);
  row.worst_replay = std::max(row.worst_replay, std::abs(measured.replayed.value() / makespan - 1));
  row.worst_executor = std::max(row.worst_executor, measured.executor_share());
  row.rejected += execution.rejected;
}

}  // namespace

Json RunToJson(const RunOutput& output) {
  const Execution& first = output.result.executions.front();
  const Plan& plan = output.plans[first.plan];
  Json json = TimelineToJson(first.measured.timeline, plan.layout, plan.model);
  json["backend"] = output.backend;
  json["time_scale"] = output.time_scale;
  json["most_lost_share"] = output.most_lost;
  if (!output.result.failure.empty()) json["failure"] = output.result.failure;
  json["runs"] = Json::EmptyArray();
  for (const Execution& execution : output.result.executions) {
    json["runs"].push_back(ExecutionToJson(execution, output));
  }
  return json;
}

std::string RunText(const RunOutput& output) {
  std::map<std::pair<std::size_t, std::size_t>, Row> rows;
  for (const Execution& execution : output.result.executions) {
    Add(execution, output.plans[execution.plan], rows[{execution.plan, execution.step}]);
  }
  char line[200];
  std::snprintf(line, sizeof line, "%-28s %4s %11s %11s %8s %8s %9s %8s\n", "policy", "step", "predicted s",
                "measured s", "error", "replay", "executor", "rejected");
  std::string text = line;
  for (const auto& [key, row] : rows) {
    const double measured = Median(row.measured);
    std::snprintf(line, sizeof line, "%-28s %4zu %11.4f %11.4f %+7.2f%% %7.2f%% %8.2f%% %8d\n",
                  output.plans[key.first].policy.c_str(), key.second, row.predicted, measured,
                  100 * (measured / row.predicted - 1), 100 * row.worst_replay, 100 * row.worst_executor, row.rejected);
    text += line;
  }
  return text;
}

}  // namespace dflop
