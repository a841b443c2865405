// The ratio of step times is that of SpeedupOver, seeds paired, minus one.
#include "experiments/results/regret.hpp"

#include <algorithm>

namespace dflop {
namespace {

bool Counts(const Contender& policy) { return policy.fits && !policy.figures->empty(); }

double Mean(const Contender& policy) { return StepTime(*policy.figures).mean; }

}  // namespace

std::vector<std::optional<SeedInterval>> Regrets(std::span<const Contender> policies) {
  std::vector<std::optional<SeedInterval>> regrets(policies.size());
  if (std::count_if(policies.begin(), policies.end(), Counts) < 2) return regrets;
  const Contender* best = nullptr;
  for (const Contender& policy : policies) {
    if (Counts(policy) && (best == nullptr || Mean(policy) < Mean(*best))) best = &policy;
  }
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if (!Counts(policies[i])) continue;
    regrets[i] = SpeedupOver(*policies[i].figures, *best->figures);
    regrets[i]->mean -= 1;
  }
  return regrets;
}

}  // namespace dflop
