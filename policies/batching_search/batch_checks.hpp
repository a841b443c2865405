// What a solver demands of a batch before it starts: numbers it can add up, and limits that some plan could keep.
#pragma once

#include "policies/api/batch_scheduler.hpp"

namespace dflop {

/// Throws InputError where a batch is empty, has fewer samples than buckets, or a cost is no positive finite number;
/// the message names dimension and sample.
void CheckBatch(const BatchProblem& problem);

/// Throws Infeasible where one sample, or all samples together, cannot keep a cap; by how much is said.
void CheckCaps(const BatchProblem& problem);

/// "" or which caps a plan breaks, and by how much in its worst bucket.
std::string BrokenCaps(const BatchProblem& problem, const BatchPlan& plan);

}  // namespace dflop
