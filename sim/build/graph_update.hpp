// The graph of a step made that of the next one: who waits for whom stays, durations and bytes are new.
#pragma once

#include "sim/build/step_costs.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

/// Whether a whole graph of this job, replica classes and orders differs from that of other work in durations and bytes
/// alone: replicas send each other nothing within the step, and no operation runs in parts.
bool MayUpdate(const Job& job, const StepWork& work, const OperationGraph& graph);

/// Only where it may.
void UpdateGraph(const Job& job, const StepWork& work, const StepCosts& costs, OperationGraph& graph);

}  // namespace dflop
