// What tests ask of pipeline schedules: made by name, run with times of their own.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "policies/api/checked_plugins.hpp"
#include "policies/api/registry.hpp"
#include "policies/api/timed_orders.hpp"

namespace dflop {

/// By its name, or an object with its parameters; checked.
inline std::unique_ptr<PipelineSchedule> Make(const std::string& spec) {
  const Json json = ParseJson(spec.front() == '{' ? spec : "\"" + spec + "\"", "");
  return Checked(Registry<PipelineSchedule>::Instance().Make(JsonReader(json, "")), spec);
}

/// Seconds of a stage, and of a message between two.
struct Times {
  double forward = 1, input = 1, weight = 1, transfer = 0;
};

inline ScheduleProblem Problem(const PipelineSchedule& schedule, int p, int m, Times t) {
  ScheduleProblem problem = ShapeOf(schedule, p, m);
  const StageTimes times{Seconds(t.forward), Seconds(t.input), Seconds(t.weight)};
  problem.times.assign(Index(problem.stages()), std::vector<StageTimes>(Index(m), times));
  problem.transfers.assign(Index(problem.stages() - 1), std::vector<Seconds>(Index(m), Seconds(t.transfer)));
  problem.held.assign(Index(problem.stages()), static_cast<double>(problem.directions) / problem.chunks);
  return problem;
}

inline TimedOrders RunOf(const std::string& spec, int p, int m, Times t = {}) {
  const auto schedule = Make(spec);
  const ScheduleProblem problem = Problem(*schedule, p, m, t);
  return RunOrders(schedule->Orders(problem), problem);
}

/// Of all devices, in microbatches of a whole device.
inline double PeakOf(const TimedOrders& run) {
  return *std::max_element(run.peak_activations.begin(), run.peak_activations.end());
}

}  // namespace dflop
