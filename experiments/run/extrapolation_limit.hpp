// Runs that rest on kernel costs beyond what was measured more than their scenario allows.
#pragma once

#include <span>
#include <string>

#include "experiments/run/planning.hpp"
#include "sim/build/replica_classes.hpp"
#include "sim/plan/batch_plan.hpp"

namespace dflop {

/// {count, longest}: the shapes of a step's kernels that were not measured. `classes`: of replicas that one stands for,
/// whose kernels are those of the others; none: every replica is asked.
Json ListExtrapolated(const Scenario& scenario, const PlannedJob& job, const StepWork& work,
                      std::span<const ReplicaClass> classes = {});

/// InputError at the scenario's costs when the share is above what the scenario allows. `who` names the run, `of` what
/// the share is of; `shapes` is the list above.
void RefuseExtrapolation(const Scenario& scenario, const std::string& who, double fraction, const std::string& of,
                         const Json& shapes);

}  // namespace dflop
