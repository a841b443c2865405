// Draws have numbers and one seed for all runs, so that every policy meets the same costs.
#include "experiments/run/cost_draws.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "sim/build/replica_classes.hpp"
#include "sim/engine/replay.hpp"

namespace dflop {
namespace {

/// Kernels decide how long computations last and nothing else of a step's graph, so one graph serves all draws. Every
/// draw is priced anew: a sum of shares by kind would be quicker, but not where the host's launches outlast the device,
/// nor equal bit for bit. Of the step only times are wanted, so nothing is measured beside them.
class DrawnReplays {
 public:
  DrawnReplays(const Scenario& scenario, const Job& job, const Step& step, const DrawnDisturbance& disturb)
      : scenario_(scenario), job_(job), step_(step), disturb_(disturb), durations_(step.graph.durations) {}

  Seconds StepTime(const CostDraw& draw) {
    std::vector<std::shared_ptr<const KernelCosts>> kernels;
    for (const auto& costs : scenario_.kernels) {
      kernels.push_back(std::make_shared<DrawnKernelCosts>(costs, SpreadOf(*costs), draw));
    }
    const CostModel drawn(scenario_.model, scenario_.cluster, kernels, job_.cost.software());
    costs_ = PriceStep(drawn, job_.layout, step_.work, step_.classes, std::move(costs_));
    if (disturb_) disturb_(drawn, costs_);
    ForEachDuration(step_.graph, costs_, [&](std::size_t i, Seconds duration) { durations_[i] = duration; });
    return ReplayEnds(step_.graph, *step_.order, durations_, {}, ends_);
  }

 private:
  const Scenario& scenario_;
  const Job& job_;
  const Step& step_;
  const DrawnDisturbance& disturb_;
  StepCosts costs_;
  std::vector<Seconds> durations_;
  std::vector<Seconds> ends_;
};

}  // namespace

int CostDrawsOf(const OperationGraph& graph, const Layout& layout) {
  const double affordable = kDrawnOperations / std::max(OperationsToldApart(graph, layout), 1.0);
  return static_cast<int>(std::clamp<double>(affordable, kFewestCostDraws, kCostDraws));
}

Seconds StepTimeUnderDraw(const Scenario& scenario, const Job& job, const Step& step, const DrawnDisturbance& disturb,
                          const CostDraw& draw) {
  return DrawnReplays(scenario, job, step, disturb).StepTime(draw);
}

std::vector<double> StepTimesUnderDraws(const Scenario& scenario, const Job& job, const Step& step,
                                        const DrawnDisturbance& disturb) {
  DrawnReplays replays(scenario, job, step, disturb);
  const int draws = CostDrawsOf(step.graph, job.layout);
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(draws));
  for (int number = 0; number < draws; ++number) {
    times.push_back(replays.StepTime(DrawCosts(number)).value());
  }
  return times;
}

void CostDrawCount::Add(int draws) {
  fewest = most == 0 ? draws : std::min(fewest, draws);
  most = std::max(most, draws);
}

Json DescribeCostDraws(const KernelCosts& costs, const CostDrawCount& count) {
  const CostSpread spread = SpreadOf(costs);
  Json json;
  json["count"] = count.most;
  if (count.fewest < count.most) json["fewest"] = count.fewest;
  for (const CostKind kind : kCostKinds) json["sigma"][NameOf(kind)] = spread.Of(kind, false);
  json["sigma_extrapolated_at_least"] = kUnjudgedSigma;
  json["source"] =
      "log-normal, one factor for all shapes of a kind, the same draws for all policies; sigma = max(median / 0.6745, "
      "p90 / 1.645) of error_band, an allowance where there is no band and for extrapolated shapes";
  return json;
}

}  // namespace dflop
