// Bucket b is microbatch b / replicas of replica b mod replicas.
#include "policies/batching_search/equal_counts.hpp"

#include <numeric>
#include <utility>

#include "base/error.hpp"

namespace dflop {

std::vector<int> InOrder(int samples) {
  std::vector<int> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

BatchPlan EmptyPlan(const BatchProblem& problem) {
  BatchPlan plan;
  plan.buckets.assign(static_cast<std::size_t>(problem.replicas),
                      std::vector<std::vector<int>>(static_cast<std::size_t>(problem.microbatches)));
  return plan;
}

BatchPlan PlanOfBuckets(const BatchProblem& problem, std::vector<std::vector<int>> buckets) {
  BatchPlan plan = EmptyPlan(problem);
  const std::size_t replicas = plan.buckets.size();
  for (std::size_t b = 0; b < buckets.size(); ++b) plan.buckets[b % replicas][b / replicas] = std::move(buckets[b]);
  return plan;
}

BatchPlan DealEqualCounts(const std::vector<int>& samples, const BatchProblem& problem) {
  const std::size_t buckets = static_cast<std::size_t>(problem.buckets());
  DFLOP_CHECK(samples.size() >= buckets, "as many samples as buckets");
  BatchPlan plan = EmptyPlan(problem);
  std::size_t next = 0;
  for (std::size_t b = 0; b < buckets; ++b) {
    const std::size_t count = samples.size() / buckets + (b < samples.size() % buckets ? 1 : 0);
    auto& bucket = plan.buckets[b % plan.buckets.size()][b / plan.buckets.size()];
    for (std::size_t i = 0; i < count; ++i) bucket.push_back(samples[next++]);
  }
  return plan;
}

}  // namespace dflop
