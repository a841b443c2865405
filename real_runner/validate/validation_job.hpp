// What a validation is to plan and execute: an experiment's scenarios and policies, by name. The rest of the file is
// the simulator's, which is started as a process of its own.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace dflop {

struct ValidationScenario {
  std::string name;
  std::string baseline;  ///< that speedups are over: the first of the experiment's baselines that it has
  std::vector<std::string> policies;
};

struct ValidationJob {
  std::string name;
  std::vector<ValidationScenario> scenarios;
  Json experiment;  ///< with the chosen policies alone, and file names made absolute
};

/// `policies`: those to keep, empty = all. InputError for an experiment with a sweep, without baselines, for a scenario
/// with less than two policies or none of the baselines, and for a policy that no scenario has.
ValidationJob ReadValidationJob(const std::string& path, const std::vector<std::string>& policies);

/// The experiment with every scenario's costs from a trace; the tolerance beside a trace's name stays.
Json WithCosts(Json experiment, const std::string& trace);

/// What `real_runner profile --model` is to measure: names of built-in models as they are, others as files that are
/// written into `folder`. Each once.
std::vector<std::string> ModelsToProfile(const Json& experiment, const std::string& folder);

}  // namespace dflop
