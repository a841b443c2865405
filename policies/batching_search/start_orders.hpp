// Orders of microbatches worth trying before a search: by size, in the shapes that suit a pipeline.
#pragma once

#include <vector>

#include "policies/api/batch_scheduler.hpp"

namespace dflop {

/// The buckets in several other orders, first the likeliest: small ones at both ends of the step, where a pipeline
/// fills and drains and waits for whole microbatches; large ones there; ascending; descending. Each with the replicas
/// as they are and, where encoders have devices of their own, with buckets of similar LLM time on one index.
std::vector<Buckets> StartOrders(const BatchProblem& problem, const Buckets& buckets);

}  // namespace dflop
