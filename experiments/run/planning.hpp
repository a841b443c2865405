// The once-per-seed half of a run: a policy's layout for a scenario, and the batches that it will meet.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "experiments/spec/scenario.hpp"
#include "policies/api/layout_planner.hpp"

namespace dflop {

struct PlannedJob {
  CostModel cost;
  LayoutDecision decision;
  std::vector<DeviceOrder> orders;  ///< of every device group
  double planning_s = 0;            ///< wall clock
  std::string schedule_note{};      ///< PipelineSchedule::note of them

  Job job() const { return {cost, decision.layout, orders}; }
};

/// Plans on the seed's planning sample, which has a random stream of its own: never on a batch of the run, and every
/// policy and every cluster of a seed on the same samples. Which plan a sample leads to is luck that a result must
/// show, so every seed plans anew. Throws Infeasible when nothing fits and InputError when the policy's parameters
/// contradict the scenario. `progress` is told how far a long search is.
PlannedJob PlanJob(const Scenario& scenario, const PolicySpec& policy, std::int64_t seed,
                   const std::function<void(std::size_t done, std::size_t total)>& progress = {});

/// What a seed's planning sample is drawn from.
RandomStream PlanningStream(const Scenario& scenario, std::int64_t seed);

/// The global batch of a step: the same for every policy, given seed, step and sample source; a larger batch begins
/// with the samples of a smaller one.
std::vector<SampleShape> DrawBatch(const Scenario& scenario, std::int64_t seed, int step);

/// The samples of that batch as they are before the model sees them.
std::vector<Sample> DrawRawBatch(const Scenario& scenario, std::int64_t seed, int step);

/// What a batch scheduler draws from in a step. Equal for all policies too, so that a comparison of two layouts with
/// random batches is not blurred by different luck.
RandomStream BatchingStream(const Scenario& scenario, std::int64_t seed, int step);

}  // namespace dflop
