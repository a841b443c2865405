// Says, below a table, whether data loading binds: which policies' steps wait for it and what would hide it.
#pragma once

#include <string>
#include <vector>

#include "experiments/results/run_figures.hpp"

namespace dflop {

class LoadingNote {
 public:
  /// Nothing where nothing is loaded.
  void Add(const std::string& policy, const RunFigures& figures);
  /// A line for every policy whose steps wait, without a line break at its end; one for the others together.
  std::vector<std::string> Lines() const;

 private:
  std::vector<std::string> binding_;
  std::vector<std::string> hidden_;  ///< policies
  double most_hidden_s_ = 0;         ///< loading of a step, of those
  double least_step_s_ = 0;
};

}  // namespace dflop
