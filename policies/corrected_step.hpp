// A step as a correction expects it: which samples make up the time of a microbatch, and how long the step then takes.
#pragma once

#include <vector>

#include "policies/batch_scheduler.hpp"
#include "sim/operation_graph.hpp"

namespace dflop {

/// What one sample adds to a stage's microbatch.
struct SampleShare {
  int module = 0;
  double tokens = 0;  ///< of the sample, in the module
  double share = 0;   ///< of the microbatch's predicted time; the shares of a microbatch add up to 1
};

class SampleShares {
 public:
  /// Both must outlive it.
  SampleShares(const BatchContext& context, const BatchPlan& plan);
  std::vector<SampleShare> Of(const Stage& stage, int microbatch) const;

 private:
  const BatchContext& context_;
  const BatchPlan& plan_;
  std::vector<std::vector<double>> costs_;  ///< predicted, uncorrected: [module][sample]
};

/// Step time of a plan with every microbatch as the context's correction expects it, by the replay engine.
Seconds CorrectedMakespan(const BatchContext& context, const BatchPlan& plan);

/// Speedup − 1, per sample run, of `plan` over `plain` under the corrected costs.
double PredictedGain(const BatchContext& context, const BatchPlan& plan, const BatchPlan& plain);

}  // namespace dflop
