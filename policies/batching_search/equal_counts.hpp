// Dealing samples into buckets by count alone, as data-blind batchers do.
#pragma once

#include <vector>

#include "policies/api/batch_scheduler.hpp"

namespace dflop {

/// 0, 1, …, samples − 1.
std::vector<int> InOrder(int samples);

/// Consecutive runs of `samples`, one per bucket, in counts that differ by at most one; replica by replica within a
/// microbatch index, as a distributed sampler deals.
BatchPlan DealEqualCounts(const std::vector<int>& samples, const BatchProblem& problem);

/// A plan of empty buckets.
BatchPlan EmptyPlan(const BatchProblem& problem);

/// Bucket b is microbatch b / replicas of replica b mod replicas, as in DFLOP's code.
BatchPlan PlanOfBuckets(const BatchProblem& problem, std::vector<std::vector<int>> buckets);

}  // namespace dflop
