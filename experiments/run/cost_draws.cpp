// Draws have numbers and one seed for all runs, so that every policy meets the same costs.
#include "experiments/run/cost_draws.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"

namespace dflop {

// Every draw is priced anew: a sum of shares by kind would be quicker, but not where the host's launches outlast the
// device, nor equal bit for bit. Of the step only times are wanted, so nothing is measured beside them.
Seconds StepTimeUnderDraw(const Scenario& scenario, const Job& job, const StepWork& work,
                          const DrawnDisturbance& disturb, const CostDraw& draw) {
  const auto kernels = std::make_shared<DrawnKernelCosts>(scenario.kernels, SpreadOf(*scenario.kernels), draw);
  const CostModel drawn(scenario.model, scenario.cluster, kernels, job.cost.software());
  StepCosts costs = PriceStep(drawn, job.layout, work);
  if (disturb) disturb(drawn, costs);
  return MakeReplayEngine()->Run(BuildGraph({drawn, job.layout, job.orders}, work, costs)).makespan;
}

std::vector<double> StepTimesUnderDraws(const Scenario& scenario, const Job& job, const StepWork& work,
                                        const DrawnDisturbance& disturb) {
  std::vector<double> times;
  times.reserve(kCostDraws);
  for (int number = 0; number < kCostDraws; ++number) {
    times.push_back(StepTimeUnderDraw(scenario, job, work, disturb, DrawCosts(number)).value());
  }
  return times;
}

Json DescribeCostDraws(const KernelCosts& costs) {
  const CostSpread spread = SpreadOf(costs);
  Json json;
  json["count"] = kCostDraws;
  for (const CostKind kind : kCostKinds) json["sigma"][NameOf(kind)] = spread.Of(kind, false);
  json["sigma_extrapolated_at_least"] = kUnjudgedSigma;
  json["source"] =
      "log-normal, one factor for all shapes of a kind, the same draws for all policies; sigma = max(median / 0.6745, "
      "p90 / 1.645) of error_band, an allowance where there is no band and for extrapolated shapes";
  return json;
}

}  // namespace dflop
