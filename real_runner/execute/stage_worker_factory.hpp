// Stage workers of a plug-in: what makes them, and how tests look inside.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "real_runner/execute/stage_worker.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop {

class StageWorkerFactory {
 public:
  virtual ~StageWorkerFactory() = default;
  /// "" when the plan can be executed on this machine, otherwise what cannot be and what to change.
  virtual std::string WhyNot(const Plan& plan) = 0;
  /// Called by the rank's own thread, which is the only one that uses the worker. The plan must outlive it.
  virtual std::unique_ptr<StageWorker> Make(const Plan& plan, int rank) = 0;

  /// Of a worker that this has made: a stage's weights (as its kernels read them) or gradients, by the names of
  /// real_runner/training/parameter_list.hpp; what the rank contributes to the loss of the step so far.
  virtual std::vector<HostTensor> Weights(StageWorker& worker, int stage) = 0;
  virtual std::vector<HostTensor> Gradients(StageWorker& worker, int stage) = 0;
  virtual double Loss(StageWorker& worker) = 0;
};

/// Opens the plug-in `libdflop_cuda.so` beside this program, for `ranks` threads of it: each has a GPU, or all have
/// equal parts of the only one. InputError with what is missing.
std::unique_ptr<StageWorkerFactory> MakeCudaStageWorkers(int ranks);

/// What the plug-in exports, as with MakeBackendFunction.
using MakeStageWorkersFunction = StageWorkerFactory* (*)(int ranks, char* why, int size);
inline constexpr char kMakeStageWorkersSymbol[] = "dflop_make_cuda_stage_workers";

}  // namespace dflop
