// What the operations of a step cost, before they are put in an order.
#pragma once

#include <vector>

#include "sim/plan/batch_plan.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Cost of every stage on every microbatch.
struct StepCosts {
  std::vector<std::vector<PartCost>> stages;  ///< [stage][microbatch], summed over the stage's parts
  std::vector<bool> needs_backward;           ///< [stage]
  std::vector<Seconds> optimizer;             ///< [stage]
};
StepCosts PriceStep(const CostModel& cost, const Layout& layout, const StepWork& work);

}  // namespace dflop
