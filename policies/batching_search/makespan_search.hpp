// Looks for buckets, and an order of them, whose step is shorter.
//
// Iterated local search (Lourenço, Martin, Stützle, "Iterated local search", 2003): the best of a few sorted orders
// (policies/batching_search/start_orders.hpp), then moves on the critical path
// (policies/batching_search/step_moves.hpp), each judged by the makespan of the whole step (sim/step/step_replay.hpp).
// A move that makes the step no longer is kept. Where many in a row have failed, the search goes back to the best
// buckets and makes some moves whatever they cost.
#pragma once

#include <functional>

#include "policies/api/batch_scheduler.hpp"
#include "sim/step/column_pricer.hpp"

namespace dflop {

/// Whether buckets may be the search's answer; empty = all may.
using AllowBuckets = std::function<bool(const Buckets&)>;

/// The best buckets found with so many evaluations of the makespan at most; `start` where none are better. The problem
/// has a context, its plan no buckets of encoders.
Buckets SearchShorterStep(const BatchProblem& problem, const Buckets& start, int evaluations, const AdjustCosts& adjust,
                          const AllowBuckets& allow, RandomStream& random);

}  // namespace dflop
