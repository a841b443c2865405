// Interface of batch schedulers: which sample of a global batch goes to which replica and microbatch.
#pragma once

#include <vector>

#include "base/random.hpp"
#include "sim/batch_plan.hpp"

namespace dflop {

/// One global batch as a scheduler sees it: predicted seconds, no shapes, no devices.
struct BatchProblem {
  int replicas = 1;      ///< of the LLM
  int microbatches = 1;  ///< per replica; there are replicas·microbatches buckets, none may stay empty
  /// costs[d][i]: seconds that sample i adds to the slowest stage of device group kind d; one dimension per kind.
  /// Modules that share devices are one dimension; an encoder with devices of its own is scaled by L_dp/E_dp, so that
  /// sums over a bucket compare between dimensions (arXiv 2603.25120 omits the factor).
  std::vector<std::vector<double>> costs;

  int samples() const { return costs.empty() ? 0 : static_cast<int>(costs.front().size()); }
  int buckets() const { return replicas * microbatches; }
};

class BatchScheduler {
 public:
  virtual ~BatchScheduler() = default;
  /// Deterministic in (problem, own state, random). At least as many samples as buckets.
  virtual BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) = 0;
};

/// Predicted costs of a batch under a layout. `factor(module, sample)` is the correction of a prediction, 1 without
/// one.
class Correction;
BatchProblem MakeBatchProblem(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch,
                              const Correction* correction = nullptr);

/// max(Σ cost/B, largest sample) over all dimensions: no plan's largest bucket can be below.
double BucketLowerBound(const BatchProblem& problem);
/// The largest bucket's cost over all dimensions.
double LargestBucket(const BatchProblem& problem, const BatchPlan& plan);

}  // namespace dflop
