// The `cpu` stage worker itself, for those who want to see its tensors; others take real_runner/execute/cpu_worker.hpp.
#pragma once

#include "real_runner/cpu/training_kernels.hpp"
#include "real_runner/training/worker.hpp"

namespace dflop::cpu {

using Parameter = training::Parameter<TrainingKernels>;

class Worker final : public training::Worker<TrainingKernels> {
 public:
  Worker(const Plan& plan, int rank);
};

}  // namespace dflop::cpu
