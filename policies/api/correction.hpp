// Interface of corrections: estimates that learn from what was observed (DFLOP's Adaptive Correction).
#pragma once

#include "base/json.hpp"
#include "policies/api/batch_scheduler.hpp"
#include "sim/build/step_costs.hpp"
#include "sim/measure/timeline.hpp"

namespace dflop {

/// One step as it happened, beside what was predicted of it.
struct Observation {
  BatchContext context;  ///< with the correction that the step was planned with
  const BatchPlan& plan;
  const BatchPlan& plain;      ///< what would have been planned without the correction
  const StepCosts& predicted;  ///< of the plan, uncorrected
  Timeline actual;
};

class Correction {
 public:
  virtual ~Correction() = default;
  /// What the predicted time of a sample with so many tokens in this module is multiplied by.
  virtual double Factor(int module, double tokens) const = 0;
  /// False: nothing is watched, nothing is corrected, and Observe is not called (any more).
  virtual bool tracking() const = 0;
  /// By how much forward and backward last longer while it watches: a share of their time.
  virtual double monitoring_cost() const = 0;
  virtual void Observe(const Observation& step) = 0;
  /// The object `correction` of a run's result; null = nothing to say.
  virtual Json Report() const = 0;
};

}  // namespace dflop
