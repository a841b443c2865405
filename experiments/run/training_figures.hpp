// The figures of a run that concern what its steps are a part of: data loading beside them, and the whole training.
#pragma once

#include <cstdint>
#include <span>

#include "experiments/results/run_figures.hpp"
#include "experiments/spec/scenario.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Draws behind the quantiles of a training.
inline constexpr int kTrainingDraws = 1000;

/// `core_s`: of each step of the run, seconds that one core takes for its batch. Wants the scenario's data_loading and
/// the steps' own times in `figures`.
void AddDataLoading(const Scenario& scenario, std::span<const double> core_s, int gpus, RunFigures& figures);

/// What a checkpoint holds: the weights and the optimizer's state of one copy of the model, whatever divides it, frozen
/// weights included; the vocabulary is padded as for one rank. Bytes per parameter are those of the memory model.
Bytes CheckpointBytes(const CostModel& cost, const Layout& layout);

/// Wants the scenario's `training`. A step takes the run's mean time and what of the data loading the GPUs wait for;
/// planning is wall clock of this computer, happens once and is left out. Failures come and GPU-hours are paid for the
/// GPUs that the layout uses. Checkpoints stand at the end of a step. Draws have a stream of their own, the same for
/// all policies. InputError at the scenario's rate of failures when checkpoints are not reached
/// (kMostFailuresOfSegment), or at the samples or tokens when the training takes more than 10⁸ hours.
void AddTraining(const Scenario& scenario, const CostModel& cost, const Layout& layout, std::int64_t seed,
                 RunFigures& figures);

}  // namespace dflop
