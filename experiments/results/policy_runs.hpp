// The runs of one policy at one point, gathered over their seeds: what the summary and the report begin with.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "experiments/results/cost_verdict.hpp"
#include "experiments/results/run_figures.hpp"
#include "experiments/results/seed_figures.hpp"
#include "experiments/results/shown_name.hpp"

namespace dflop {

struct PolicyRuns {
  std::string policy;
  std::string instead;     ///< the batch scheduler that stood in for the policy's; empty when none did
  std::string infeasible;  ///< why there are no figures; empty when there are
  SeedFigures seeds;
  std::vector<RunFigures> by_seed;            ///< in the order of the seeds
  RunFigures figures;                         ///< over the seeds, once Finish is called
  bool through_hub = false;                   ///< with some seed its encoders reach the LLM through one rank
  DrawTimes under_draws;                      ///< of every seed, where the result has them
  std::vector<std::string> changes_training;  ///< what the policy does to the training itself

  /// Adds one entry of a result's `runs`.
  void Add(const JsonReader& run);
  void Finish();
  std::string shown() const { return ShownName(policy, instead); }
};

}  // namespace dflop
