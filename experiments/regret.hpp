// Regret: how much longer a step takes under a policy than under the best policy of the same scenario and point.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/statistics.hpp"

namespace dflop {

/// One policy at one scenario and point. All policies there ran the same batches in the same order.
struct PolicySteps {
  std::span<const double> step_s;  ///< of every seed and step; empty where the policy is infeasible
  bool fits = true;                ///< into the devices' memory, with every seed
};

/// mean(own)/mean(best) − 1 with the 95 % interval of the paired differences, in the order of `policies`. The best is
/// the one with the shortest mean step among those that fit: the best known, not the best there is, and chosen on the
/// same steps, which makes the regret of near ties a little too large. Nothing for a policy without steps or that does
/// not fit, and for all of them where fewer than two are left.
std::vector<std::optional<Interval>> Regrets(std::span<const PolicySteps> policies);

}  // namespace dflop
