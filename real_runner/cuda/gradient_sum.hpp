// Sums of what ranks hold in device memory, at the end of a step. Nothing of this file has run on a GPU yet.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <span>
#include <vector>

#include "real_runner/messages/collective.hpp"

namespace dflop::cuda {

/// This rank's part in a collective.
struct SumContext {
  const StepProgram& program;
  std::size_t index;  ///< into StepProgram::collectives
  Transport& transport;
  const std::vector<int>& gpus;                       ///< [rank]
  std::function<std::span<float>(int stage)> values;  ///< of this rank's stages, in device memory
  cudaStream_t stream;
};

/// On one GPU by a kernel: each participant adds up one share of the values, and copies the others' shares when they
/// are done; all of it while the others read its memory, so that it ends when all have what they want. Between GPUs by
/// NCCL. Sums on one GPU run in the order of the participants and have the same bits everywhere.
CollectiveSpan SumOnDevices(const SumContext& context, double ready_s);

/// Before a step: what NCCL needs for the collectives that this rank takes part in.
void PrepareSums(const StepProgram& program, int rank, const std::vector<int>& gpus);

}  // namespace dflop::cuda
