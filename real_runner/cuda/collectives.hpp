// NCCL's collectives over the first `ranks` GPUs of this machine, in one process.
//
// Rows have "bytes", of one rank's buffer, as nccl-tests counts them: all_reduce the buffer that is reduced;
// reduce_scatter what goes in, all_gather what comes out; all_to_all what a rank sends, its own part included;
// send_recv, of two ranks, what rank 0 sends to rank 1. Elements are bf16.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "real_runner/cuda/tensor_kernel.hpp"

namespace dflop::cuda {

bool IsCollective(const std::string& op);

/// Unsupported where there are fewer GPUs than ranks, or this build has no NCCL. Leaves device 0 current.
std::unique_ptr<CudaKernel> PrepareCollective(const CostRow& row);

/// Sums over GPUs of which each has one rank, a thread of this process: `devices` in the order of the ranks. The first
/// call for these devices takes seconds, and may be made by any of the ranks before it sums.
void PrepareSumOverGpus(const std::vector<int>& devices);
/// In place, as the rank at `place`, whose device is current. Every rank must call it.
void SumOverGpus(const std::vector<int>& devices, std::size_t place, float* values, std::int64_t count,
                 cudaStream_t stream);

/// NCCL's version; empty in a build without it.
std::string CollectivesVersion();

}  // namespace dflop::cuda
