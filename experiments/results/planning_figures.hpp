// How a policy's layout was chosen: the `planning` of a run in dflop/result/1.
#pragma once

#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "policies/api/layout_planner.hpp"

namespace dflop {

struct PlanningFigures {
  std::string reason;
  int considered = 0;
  std::vector<Candidate> candidates;  ///< the best ones; a result does not say of them whether they fit
};

/// The best candidates only: a search may look at a hundred thousand.
Json PlanningToJson(const LayoutDecision& decision);
PlanningFigures ReadPlanning(const JsonReader& planning);

}  // namespace dflop
