// What a pipeline's devices hold, and the limit that a schedule keeps: multiples of what 1F1B holds.
#pragma once

#include <optional>

#include "policies/api/parameter.hpp"
#include "policies/api/schedule_problem.hpp"
#include "policies/api/timed_orders.hpp"

namespace dflop {

/// Whether `held` is within the limit, sums rounded as they are.
inline bool Fits(double held, double limit) { return held <= limit * (1 + 1e-12); }

/// What the fullest device holds under 1F1B: min(p − r, m) microbatches of its stages on device r (arXiv 2006.09503).
double HeldByOneFOneB(const ScheduleProblem& problem);

/// The parameter "memory": a limit on every device, in multiples of HeldByOneFOneB.
Parameter MemoryParameter();
std::optional<double> MemoryOf(const Parameters& given);

/// Of every device: `memory` times 1F1B's, and no more than the problem's. Without `memory` the problem's, and 1F1B's
/// where that has none. Throws Infeasible, naming the device, where not even one microbatch fits.
double LimitOf(const ScheduleProblem& problem, std::optional<double> memory);

/// By how much the fullest device is above the limit; 0 where all keep to it.
double Excess(const TimedOrders& run, double limit);

}  // namespace dflop
