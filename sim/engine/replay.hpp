// The longest path through an operation graph, once: what the replay engine answers with.
#pragma once

#include <span>
#include <vector>

#include "sim/engine/engine.hpp"
#include "sim/graph/sweep_order.hpp"

namespace dflop {

/// An operation starts when its dependencies and the operation before it in its queue have ended, and lasts as long as
/// it was predicted to, computation and communication alike. `order`: of the graph. `reused`: times whose memory serves
/// again.
OperationTimes Replay(const OperationGraph& graph, const SweepOrder& order, const SilentKinds& silent = {},
                      OperationTimes reused = {});

/// The ends alone, with other durations, of which `ends` gets the one of every operation; returns the makespan.
Seconds ReplayEnds(const OperationGraph& graph, const SweepOrder& order, std::span<const Seconds> durations,
                   const SilentKinds& silent, std::vector<Seconds>& ends);

}  // namespace dflop
