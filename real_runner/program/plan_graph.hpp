// The simulator's operation graph of a plan, rebuilt from the file: what the plan is checked against, and what measured
// times are replayed on.
#pragma once

#include "models/cost_model.hpp"
#include "sim/plan/plan_file.hpp"

namespace dflop {

/// Knows the plan's model, cluster and software; prices nothing (asking for a kernel's time aborts).
CostModel UnpricedCosts(const Plan& plan);

/// The graph of one step. Computation lasts what the plan says; the operations must be those of the plan, which
/// CheckPlan (real_runner/program/plan_check.hpp) makes sure of.
OperationGraph GraphOf(const Plan& plan, std::size_t step);

/// The same with no durations at all: what CheckPlan holds the plan's operations against.
OperationGraph BareGraphOf(const Plan& plan, std::size_t step);

}  // namespace dflop
