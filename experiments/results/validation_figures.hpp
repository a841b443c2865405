// Prediction and measurement of an experiment's policies, as `real_runner validate` stored them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/statistics.hpp"
#include "experiments/results/picture.hpp"

namespace dflop {

/// Predicted costs of the operations of one kind, or of one module's stages, against what they took.
struct CostFigures {
  std::string name;
  int operations = 0;
  double predicted_s = 0;
  double measured_s = 0;
  double median_error = 0;
  double p90_error = 0;
};

struct ValidatedPolicyFigures {
  std::string policy;
  double predicted_s = 0;
  Interval measured_s;
  double predicted_speedup = 1;
  Interval measured_speedup;
  double mean_replay_error = 0;
  double most_replay_error = 0;
  int rejected = 0;
  int disturbed = 0;
  std::vector<CostFigures> costs;
  std::vector<StepPicture> pictures;  ///< predicted, then measured; empty where their files are gone
};

struct ValidatedScenarioFigures {
  std::string scenario;
  std::string baseline;
  int ranks = 1;
  std::string ranks_are;  ///< "processes" or "threads"
  int steps = 1;
  double kendall_tau = 1;
  std::vector<std::string> predicted_order;  ///< fastest first
  std::vector<std::string> measured_order;
  std::vector<std::string> contradicted;   ///< pairs: "a – b"
  std::vector<std::string> not_separable;  ///< pairs
  std::vector<ValidatedPolicyFigures> policies;
};

struct ValidationFigures {
  std::string backend;
  std::string device;  ///< "" for costs that were not measured for this
  double time_scale = 1;
  int repeats = 1;
  std::vector<ValidatedScenarioFigures> scenarios;
};

/// `folder`/validation.json (dflop/validation/1) and the timelines that it names; nothing where there is none.
/// Tolerates keys it does not know and timelines that are gone; InputError on what is malformed.
std::optional<ValidationFigures> ReadValidation(const std::string& folder);

}  // namespace dflop
