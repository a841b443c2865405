// What is advised has been tried: the layout is judged anew with recompute, a distributed optimizer, both.
#include "policies/layout_search/overflow_advice.hpp"

#include "base/text.hpp"
#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {
namespace {

using Batches = std::vector<std::vector<SampleShape>>;

bool FitsWith(const PlanningProblem& problem, const Batches& batches, const Layout& layout, bool full_recompute,
              bool distributed_optimizer) {
  SoftwareStack software = problem.cost.software();
  if (full_recompute) software.recompute = Recompute::kFull;
  if (distributed_optimizer) software.sharding = std::max(software.sharding, Sharding::kOptimizer);
  const CostModel cost = problem.cost.With(software);
  const PlanningProblem changed = problem.With(cost);
  return PlanSimulator(changed, batches).Fits(layout).fits;
}

std::string Advice(const PlanningProblem& problem, const Batches& batches, const Layout& layout, Bytes peak) {
  if (FitsWith(problem, batches, layout, true, false)) return "full recompute would make it fit";
  if (FitsWith(problem, batches, layout, false, true)) return "a distributed optimizer would make it fit";
  if (FitsWith(problem, batches, layout, true, true))
    return "full recompute and a distributed optimizer would make it fit";
  constexpr double kGib = 1024.0 * 1024 * 1024;
  return "GPUs of " + Fixed(peak.value() / (1 - kMemoryReserve) / kGib, 0) +
         " GiB would make it fit, or more of them with smaller stages";
}

}  // namespace

std::string WhyTooLarge(const PlanningProblem& problem, const std::vector<std::vector<SampleShape>>& batches,
                        const Layout& layout) {
  PlanSimulator simulator(problem, batches);
  const Candidate candidate = simulator.Fits(layout);
  return simulator.least_bad() + "; " + Advice(problem, batches, layout, candidate.peak_memory);
}

}  // namespace dflop
