// What the LLM's replicas would wait without each other, where encoders with devices of their own feed them all.
#pragma once

#include <vector>

#include "sim/build/step_costs.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

/// [device group]: the LLM replica that it serves, of two directions its row; −1 for the encoders of a separate layout.
std::vector<int> ReplicaOfGroups(const Layout& layout);

/// Idle GPU-seconds without communication, every LLM replica by itself, as though the encoders served it alone; the
/// encoders' own idle time is the mean over that.
double IdleOfLoneReplicas(const Job& job, const StepWork& work, const StepCosts& costs);

}  // namespace dflop
