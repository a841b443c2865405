// What a validation leaves behind: a file for programs and tables for people.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "real_runner/validate/validation.hpp"

namespace dflop {

/// Files of one policy, as named from the validation's folder.
struct ValidationFiles {
  std::string plan;
  std::string predicted_timeline;
  std::string measured_timeline;
  int repeat = 0;  ///< that the measured timeline is of
};

struct ValidatedScenario {
  ScenarioComparison comparison;
  std::vector<ValidationFiles> files;  ///< [policy]
  int ranks = 1;
  bool processes = false;  ///< whether every rank was a process; a thread otherwise
  std::size_t steps = 1;
  double most_lost = 0;  ///< share of a step above which it was rejected
};

struct Validation {
  std::string experiment;
  std::string backend;
  std::string device;  ///< that the costs were measured on; "" when they are the experiment's own
  double time_scale = 1;
  int repeats = 1;
  int warm_up = 0;
  int attempts = 1;
  std::vector<ValidatedScenario> scenarios;
  Json provenance;
};

/// dflop/validation/1.
Json ToJson(const Validation& validation);

/// The tables in Markdown, whose columns are aligned, so that a terminal shows them well.
std::string ToMarkdown(const Validation& validation);

}  // namespace dflop
