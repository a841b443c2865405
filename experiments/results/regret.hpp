// Regret: how much longer a step takes under a policy than under the best policy of the same scenario and point.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "experiments/results/seed_figures.hpp"

namespace dflop {

/// One policy at one scenario and point. All policies there met the same samples, seed by seed.
struct Contender {
  const SeedFigures* figures;  ///< empty where the policy is infeasible
  bool fits = true;            ///< into the devices' memory, with every seed
};

/// mean(own)/mean(best) − 1 with the 95 % interval of the ratio, paired by seed, in the order of `policies`. The best
/// is the one with the shortest mean step among those that fit: the best known, not the best there is, and chosen on
/// the same seeds, which makes the regret of near ties a little too large. Nothing for a policy without figures or that
/// does not fit, and for all of them where fewer than two are left.
std::vector<std::optional<SeedInterval>> Regrets(std::span<const Contender> policies);

}  // namespace dflop
