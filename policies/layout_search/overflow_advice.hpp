// What a planner says about a layout that does not fit into memory.
#pragma once

#include <string>

#include "policies/api/layout_planner.hpp"

namespace dflop {

/// The layout's largest term and by how much it overflows on these planning batches, and what would make it fit: full
/// recompute, a distributed optimizer, both, or larger GPUs.
std::string WhyTooLarge(const PlanningProblem& problem, const std::vector<std::vector<SampleShape>>& batches,
                        const Layout& layout);

}  // namespace dflop
