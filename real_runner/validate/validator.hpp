// A validation from the experiment to the report: profile, plan, simulate, execute, compare, draw.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace dflop {

struct ValidationOptions {
  std::string experiment;
  std::string backend;
  std::string out;
  std::vector<std::string> policies;  ///< empty = all
  std::string trace;                  ///< "" = real kernels are profiled
  std::string profile_budget = "300s";
  int repeats = 5;
  int warm_up = 1;
  int attempts = 5;
  double time_scale = 1;  ///< spin
  Json provenance;
};

/// Leaves in `out`: trace.json (real kernels), experiment.json, plans/, what `dflop run` writes, timelines-*.json of
/// `real_runner run`, validation.json, validation.md, validation/ (two timelines of every policy), validation.log (what
/// the programs that it starts say). InputError before anything is measured or written for what is known to be wrong
/// by then; RunError when one of the programs breaks.
void RunValidation(const ValidationOptions& options);

}  // namespace dflop
