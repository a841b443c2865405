// What the tests of batch schedulers share: random problems, and their optimum by trying everything.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "policies/api/batch_scheduler.hpp"

namespace dflop {

inline BatchProblem RandomProblem(RandomStream& random, int samples, int replicas, int microbatches, int dimensions) {
  BatchProblem problem{replicas, microbatches, {}};
  for (int d = 0; d < dimensions; ++d) {
    auto& costs = problem.costs.emplace_back();
    for (int i = 0; i < samples; ++i) costs.push_back(random.LogNormal(1.0, 0.8));
  }
  return problem;
}

/// Every assignment of samples to buckets without an empty one, as bucket of each sample.
inline void ForEveryAssignment(int samples, int buckets, const std::function<void(const std::vector<int>&)>& see) {
  std::vector<int> bucket_of(static_cast<std::size_t>(samples));
  const auto assignments = std::lround(std::pow(buckets, samples));
  for (long code = 0; code < assignments; ++code) {
    std::vector<int> counts(static_cast<std::size_t>(buckets));
    long rest = code;
    for (int& bucket : bucket_of) {
      bucket = static_cast<int>(rest % buckets);
      rest /= buckets;
      ++counts[static_cast<std::size_t>(bucket)];
    }
    if (std::find(counts.begin(), counts.end(), 0) == counts.end()) see(bucket_of);
  }
}

/// Bucket b is microbatch b / replicas of replica b mod replicas.
inline BatchPlan PlanOfAssignment(const BatchProblem& problem, const std::vector<int>& bucket_of) {
  BatchPlan plan;
  plan.buckets.assign(static_cast<std::size_t>(problem.replicas),
                      std::vector<std::vector<int>>(static_cast<std::size_t>(problem.microbatches)));
  for (std::size_t i = 0; i < bucket_of.size(); ++i) {
    const int b = bucket_of[i];
    plan.buckets[static_cast<std::size_t>(b % problem.replicas)][static_cast<std::size_t>(b / problem.replicas)]
        .push_back(static_cast<int>(i));
  }
  return plan;
}

/// The smallest largest bucket over all plans that `allowed` lets pass.
inline double BestPossible(const BatchProblem& problem, bool by_union = false,
                           const std::function<bool(const BatchPlan&)>& allowed = nullptr) {
  double best = HUGE_VAL;
  ForEveryAssignment(problem.samples(), problem.buckets(), [&](const std::vector<int>& bucket_of) {
    const BatchPlan plan = PlanOfAssignment(problem, bucket_of);
    if (!allowed || allowed(plan)) best = std::min(best, LargestBucket(problem, plan, by_union));
  });
  return best;
}

}  // namespace dflop
