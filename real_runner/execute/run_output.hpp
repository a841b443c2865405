// What a run leaves behind: a timeline file, and lines for the terminal.
#pragma once

#include <string>
#include <vector>

#include "real_runner/execute/run_session.hpp"

namespace dflop {

struct RunOutput {
  std::string backend;
  double time_scale = 1;
  double most_lost = 0;            ///< share of its time above which a step was rejected
  std::vector<std::string> paths;  ///< of the plans
  const std::vector<Plan>& plans;
  const SessionResult& result;
};

/// dflop/timeline/1 of the first execution (of its first plan's first step), and under "runs" every execution: plan,
/// policy, step, repeat, predicted and measured makespan, the makespan replayed from the measured times, the shares of
/// the step lost to other processes and spent by the executor itself, rejected attempts, events. With a failure:
/// "failure", and the events of the broken step are those that had ended.
Json RunToJson(const RunOutput& output);

/// A line for every plan and step: predicted and measured makespan (median over repeats), replay error, overhead.
std::string RunText(const RunOutput& output);

}  // namespace dflop
