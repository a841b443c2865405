// A rank has one core: OpenBLAS is held to one thread.
#include "real_runner/cpu/worker.hpp"

#include <cblas.h>

#include "real_runner/execute/cpu_worker.hpp"

namespace dflop {
namespace cpu {

Worker::Worker(const Plan& plan, int rank) : training::Worker<TrainingKernels>(TrainingKernels(), plan, rank) {
  openblas_set_num_threads(1);
}

}  // namespace cpu

std::unique_ptr<StageWorker> MakeCpuWorker(const Plan& plan, int rank) {
  return std::make_unique<cpu::Worker>(plan, rank);
}

}  // namespace dflop
