// What stands in where the integer program is not solved.
#pragma once

#include <cstdint>
#include <optional>

#include "policies/api/batch_scheduler.hpp"

namespace dflop {

/// lpt-2d's plan.
BatchPlan LptPlan(const BatchProblem& problem, RandomStream& random);

/// lpt-2d's plan, which says so and why, where there is no solver or the program has more than `max_binaries`
/// binary variables; nothing where the program should be solved.
std::optional<BatchPlan> PlanWithoutSolver(const BatchProblem& problem, std::int64_t max_binaries,
                                           RandomStream& random);

}  // namespace dflop
