// An adaptive correction's factors on the predicted costs of a step.
#pragma once

#include "policies/api/batch_scheduler.hpp"
#include "sim/step/column_pricer.hpp"

namespace dflop {

/// A bucket's times in a stage are multiplied by the mean factor of its samples over the stage's modules, weighted by
/// what each sample was predicted to cost there alone. Empty without a correction. The problem outlives the result.
AdjustCosts CorrectedCosts(const BatchProblem& problem);

}  // namespace dflop
