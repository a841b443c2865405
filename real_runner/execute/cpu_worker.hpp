// Backend `cpu` of the real runner: the real training arithmetic of pipeline stages, in fp32, on one core per rank.
//
// The model is what the simulator prices, made differentiable (real_runner/training/part_ends.hpp and the files that
// implement it say what each part computes), without biases. Weights and data depend on the plan's seed and on what
// they are called alone, so every layout trains the same model on the same samples.
#pragma once

#include <memory>
#include <string>

#include "real_runner/execute/stage_worker.hpp"

namespace dflop {

/// Holds the stages of device group `rank`. The plan must outlive the worker, and WhyCpuCannot must have nothing to say
/// about it.
std::unique_ptr<StageWorker> MakeCpuWorker(const Plan& plan, int rank);

/// "" when this backend can execute the plan on this machine; otherwise why not, and what would have to change.
std::string WhyCpuCannot(const Plan& plan);

}  // namespace dflop
