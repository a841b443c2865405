#include "experiments/regret.hpp"

#include <algorithm>
#include <numeric>

namespace dflop {
namespace {

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool Counts(const PolicySteps& policy) { return policy.fits && !policy.step_s.empty(); }

Interval RegretAgainst(const PolicySteps& best, const PolicySteps& own) {
  // Unequal runs are no pairs.
  if (own.step_s.size() != best.step_s.size()) return {Mean(own.step_s) / Mean(best.step_s) - 1, std::nullopt};
  const Interval best_over_own = PairedSpeedup(own.step_s, best.step_s);
  return {best_over_own.mean - 1, best_over_own.half_width};
}

}  // namespace

std::vector<std::optional<Interval>> Regrets(std::span<const PolicySteps> policies) {
  std::vector<std::optional<Interval>> regrets(policies.size());
  if (std::count_if(policies.begin(), policies.end(), Counts) < 2) return regrets;
  const PolicySteps* best = nullptr;
  for (const PolicySteps& policy : policies) {
    if (Counts(policy) && (best == nullptr || Mean(policy.step_s) < Mean(best->step_s))) best = &policy;
  }
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if (Counts(policies[i])) regrets[i] = RegretAgainst(*best, policies[i]);
  }
  return regrets;
}

}  // namespace dflop
