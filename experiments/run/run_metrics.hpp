// The figures of one run (a scenario under one policy with one seed), gathered step by step.
#pragma once

#include <vector>

#include "experiments/results/run_figures.hpp"
#include "models/cost_model.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

class RunMetrics {
 public:
  /// Wall-clock seconds of the layout search, which happens once and before the first step.
  explicit RunMetrics(double layout_planning_s) : planning_s_(layout_planning_s), exposed_s_(layout_planning_s) {}

  /// `scheduling_s` is the wall clock of the batch scheduler, which works for the next batch while the GPUs run this
  /// one (arXiv 2603.25120, section 3.4): exposed is only what outlasts the step before it, and the first batch.
  void Add(const StepMetrics& step, const MemoryUse& memory, double balance_gap, double scheduling_s);

  /// Shares of time are weighted by the steps' lengths.
  RunFigures Figures(const Layout& layout, const CostModel& cost) const;
  /// Of the busy time of all steps.
  double extrapolated_fraction() const { return busy_s_ > 0 ? extrapolated_s_ / busy_s_ : 0.0; }
  bool fits() const { return memory_.fits; }
  const std::string& too_large() const { return memory_.too_large; }

 private:
  void AddThroughput(RunFigures& figures, const Layout& layout, const CostModel& cost) const;
  void AddIdle(RunFigures& figures) const;
  void AddMemory(RunFigures& figures, const ModelSpec& model) const;

  std::vector<double> step_s_;
  StepMetrics sum_;              ///< plain sums over the steps
  double idle_s_ = 0;            ///< idle fraction × step, summed
  IdleByCause idle_by_cause_s_;  ///< likewise
  double busy_s_ = 0;            ///< (1 − idle fraction) × step
  double extrapolated_s_ = 0;
  double tensor_parallel_s_ = 0;
  double context_parallel_s_ = 0;
  double experts_s_ = 0;
  double contention_s_ = 0;  ///< unmodelled fraction × step
  double balance_gap_ = 0;
  double planning_s_;
  double exposed_s_;
  MemoryUse memory_;  ///< of the step with the highest peak
};

}  // namespace dflop
