// How long a step would take if kernels cost what their error band allows: the replays behind a verdict
// (cost_verdict.hpp).
#pragma once

#include <functional>
#include <vector>

#include "experiments/run/planning.hpp"
#include "models/drawn_kernel_costs.hpp"
#include "sim/step/step.hpp"

namespace dflop {

/// Enough to tell 5 % from 50 % of the draws, few enough to cost less than the steps of a run.
inline constexpr int kCostDraws = 32;
/// Of a step that is larger than kDrawnOperations / kCostDraws, as many as this many operations allow, but not fewer.
inline constexpr double kDrawnOperations = 1 << 25;
inline constexpr int kFewestCostDraws = 4;

/// How many draws a step with this graph gets, of the same numbers. Every replica's operations count, also of those
/// that another one stands for: what is disturbed and what is not have the same draws.
int CostDrawsOf(const OperationGraph& graph, const Layout& layout);

/// What really happens to the costs that a cost model predicts, as Disturbance says of a step.
using DrawnDisturbance = std::function<void(const CostModel& drawn, StepCosts& costs)>;

/// Seconds of a step by draw, from 0 on. Layout, batch plan and orders stay as they were decided from
/// the costs as they are, which is all that a planner knows; times come from the replay engine, whatever runs the
/// steps. A draw of zeros would give the step's own time bit for bit.
std::vector<double> StepTimesUnderDraws(const Scenario& scenario, const Job& job, const Step& step,
                                        const DrawnDisturbance& disturb);

/// One of those replays.
Seconds StepTimeUnderDraw(const Scenario& scenario, const Job& job, const Step& step, const DrawnDisturbance& disturb,
                          const CostDraw& draw);

/// How many draws the runs of a scenario have had; large steps have fewer. None: 0, 0.
struct CostDrawCount {
  int fewest = 0;
  int most = 0;
  /// Of one more run.
  void Add(int draws);
};

/// {count, fewest where some run has had fewer, sigma by kind, source}, as the assumptions of a scenario state it.
Json DescribeCostDraws(const KernelCosts& costs, const CostDrawCount& count);

}  // namespace dflop
