// What a report says first: who wins, by how much, and what that rests on.
#pragma once

#include <string>

#include "experiments/results/result_figures.hpp"

namespace dflop {

struct Headline {
  std::string verdict;  ///< one sentence of the first scenario; of a sweep, of how many points each policy wins
  std::string grounds;  ///< fit, extrapolation, error of published runs, verdict under drawn costs
};

/// As plain text. A policy that does not fit never wins.
Headline MakeHeadline(const Report& report);

}  // namespace dflop
