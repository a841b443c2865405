// A whole training of every policy as rows of text, for the terminal and the report.
#pragma once

#include <string>
#include <vector>

#include "experiments/results/policy_runs.hpp"

namespace dflop {

struct TrainingCell {
  double number = 0;  ///< what it sorts by
  std::string text;
};

/// Whether the run of the policy says what a whole training takes.
bool HasTraining(const PolicyRuns& policy);

/// The columns behind the policy's name.
std::vector<std::string> TrainingColumns();
/// Of a policy that has it, a cell for each column. Where failures come by chance, a mean stands before the quantiles
/// at 5 and 95 %.
std::vector<TrainingCell> TrainingCells(const PolicyRuns& policy);

}  // namespace dflop
