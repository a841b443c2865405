// Interface of batch schedulers: which sample of a global batch goes to which replica and microbatch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "policies/api/infeasible.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/job.hpp"

namespace dflop {

class Correction;

/// A limit per bucket that the paper lacks: Σ amounts[i] ≤ limit over the samples of every bucket.
struct BucketCap {
  std::string name;  ///< with its unit, for messages: "activation bytes of llm stage 0"
  std::vector<double> amounts;
  double limit = 0;
  std::string remedy{};  ///< what a message may add: how to run all the same
  double unit = 1;       ///< that the name counts, in those of the amounts: 2³⁰ where bytes are named as GiB
};

/// Where the numbers of a problem come from: what a scheduler needs that looks beyond them, at packed shapes or at the
/// pipeline. Everything outlives the call of Schedule.
struct BatchContext : Job {
  const std::vector<SampleShape>& batch;
  const Correction* correction = nullptr;  ///< null: predictions as they are
};

/// One global batch as a scheduler sees it: predicted seconds of forward and backward, one entry per sample.
struct BatchProblem {
  int replicas = 1;      ///< of the LLM
  int microbatches = 1;  ///< per replica; there are replicas·microbatches buckets, none may stay empty
  /// costs[d][i]: seconds that sample i adds to the slowest stage of device group kind d; one dimension per kind.
  /// Modules that share devices are one dimension; an encoder with devices of its own is scaled by L_dp/E_dp, so that
  /// sums over a bucket compare between dimensions (arXiv 2603.25120 omits the factor).
  std::vector<std::vector<double>> costs{};
  /// [d], empty = all false: an encoder with devices of its own runs the union of the replicas' microbatches of one
  /// index, so that the mean of their sums counts and not the largest.
  std::vector<bool> over_union{};
  /// [d], empty = all 0: cost of one tile where a dimension's costs are whole tiles and nothing else, otherwise 0.
  std::vector<double> granule{};
  std::vector<BucketCap> caps{};  ///< of the devices' memory
  /// [replica], empty = all 1: seconds that a replica takes for what costs price at one, where nodes of several kinds
  /// make replicas unlike. Costs are those of the slowest; a bucket's true load is its sum × its replica's pace.
  std::vector<double> pace{};
  /// [module][i]: seconds that the sample adds to the module's slowest stage, unscaled; empty where there is no model.
  std::vector<std::vector<double>> module_costs{};
  std::vector<int> waited{};  ///< [i], empty = all 0: for how many steps the sample has been deferred so far
  bool rehearsal = false;     ///< a planner asks, for many layouts in turn: a thorough search would not pay
  bool may_defer = false;     ///< false on the last step of a run: then every sample runs
  std::int64_t seed = 0;      ///< of the run that the batch belongs to; says nothing in a rehearsal
  int step = 0;               ///< of that run, from 0; the same
  std::shared_ptr<const BatchContext> context{};  ///< null in a problem made of bare numbers

  int samples() const { return costs.empty() ? 0 : static_cast<int>(costs.front().size()); }
  int buckets() const { return replicas * microbatches; }
  double PaceOf(int replica) const { return pace.empty() ? 1 : pace[static_cast<std::size_t>(replica)]; }
};

class BatchScheduler {
 public:
  virtual ~BatchScheduler() = default;
  /// Deterministic in (problem, own state, random). At least as many samples as buckets. Throws Infeasible where no
  /// plan keeps the limits that the scheduler promises to keep.
  virtual BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) = 0;
  /// What its source does to the training beside the order of the work, as a phrase; "" for nothing. Samples that it
  /// defers are counted where they happen.
  virtual std::string ChangesTraining() const { return ""; }
};

/// Predicted costs of a batch under a layout, with the caps that the devices' memory sets.
BatchProblem MakeBatchProblem(const BatchContext& context);
/// The same as bare numbers: no caps, no context.
BatchProblem MakeBatchProblem(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch,
                              const Correction* correction = nullptr);

/// No plan's largest bucket (encoder bound per bucket) can be below: the largest over all dimensions of
///   Σ cost/B, in whole granules rounded up; the largest sample; and what remains beside items over half of that bound,
///   no two of which fit into one bucket below it.
double BucketLowerBound(const BatchProblem& problem);
/// The largest bucket's cost over all dimensions; `by_union`: in dimensions over a union the largest mean over the
/// replicas of one microbatch index.
double LargestBucket(const BatchProblem& problem, const BatchPlan& plan, bool by_union = false);

}  // namespace dflop
