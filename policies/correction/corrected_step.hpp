// A step as a correction expects it: which samples make up the time of a microbatch, and how long the step then takes.
#pragma once

#include <functional>
#include <vector>

#include "policies/api/batch_scheduler.hpp"
#include "sim/graph/operation_graph.hpp"

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
  std::vector<SampleShare> Of(const Stage& stage, int unit) const;

 private:
  const BatchContext& context_;
  const BatchPlan& plan_;
  std::vector<std::vector<double>> costs_;  ///< predicted, uncorrected: [module][sample]
};

/// What the predicted time of a sample is multiplied by in a stage of a module's pipeline, the first being 0.
using StageFactor = std::function<double(int stage, int module, double tokens)>;

/// Step time by the replay engine, every microbatch costing what the factors of its samples say. Over the share of the
/// batch's corrected work that the plan runs: a plan that defers costly samples is no faster for that.
Seconds CorrectedTime(const BatchContext& context, const BatchPlan& plan, const StageFactor& factor);

/// [stage of the layout]: its place in its module's pipeline.
std::vector<int> PlacesInModules(const Layout& layout);

}  // namespace dflop
