// The heuristic of Zero Bubble: operations placed in waves of forwards down and backwards up the pipeline, weights'
// halves where a device would wait.
//
// Qi et al., ICLR 2024 (arXiv 2401.10241, section 3.1), from the paper's text. Every device first runs as many forwards
// as its memory allows, one more than the device behind it at least. Then, microbatch by microbatch, a wave of one
// forward each goes down and the wave of a backward goes up. Before an operation that would have to wait, weights'
// halves are run while they fit into the wait, or where it would make its device the one that has waited longest.
#pragma once

#include <vector>

#include "policies/api/timed_orders.hpp"

namespace dflop {

/// The three choices that the paper leaves open, and tries all of.
struct WaveChoices {
  bool waits_for_memory_only = false;  ///< forwards before the first backward may end after it could begin
  bool skips_forwards = false;         ///< a device two forwards ahead may leave one out for a backward that is there
  bool fills_greedily = false;         ///< a weights' half fills every wait, however short
};

/// One chunk per device; `limit` is of every device, in the unit of `held`, and at least one microbatch fits.
std::vector<DeviceOrder> WaveOrders(const ScheduleProblem& problem, const WaveChoices& choices, double limit);

}  // namespace dflop
