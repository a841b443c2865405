// The longest path through an operation graph, once: what the replay engine answers with.
#pragma once

#include "sim/engine/engine.hpp"
#include "sim/graph/precedence.hpp"

namespace dflop {

/// An operation starts when its dependencies and the operation before it in its queue have ended, and lasts as long as
/// it was predicted to, computation and communication alike. Aborts on a cycle. `precedence`: of the graph.
OperationTimes Replay(const OperationGraph& graph, const Precedence& precedence);

}  // namespace dflop
