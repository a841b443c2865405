// What the workers of one rank share: its GPU or its part of one, with a stream, libraries' handles, and what was made
// for the shapes met so far. Nothing of this file has run on a GPU yet.
#pragma once

#include <memory>
#include <utility>

#include "real_runner/cuda/partition.hpp"
#include "real_runner/cuda/training_kernels.hpp"

namespace dflop::cuda {

class RankDevice {
 public:
  /// The current device, number `gpu`; or, with a part, that part of it.
  RankDevice(int gpu, std::unique_ptr<Partition> part)
      : gpu_(gpu),
        part_(std::move(part)),
        device_(part_ == nullptr ? Device() : Device(part_->NewStream(), part_->multiprocessors())),
        cache_(device_, false) {}
  RankDevice(const RankDevice&) = delete;
  RankDevice& operator=(const RankDevice&) = delete;

  int gpu() const { return gpu_; }
  cudaStream_t stream() const { return device_.stream(); }
  TrainingKernels Kernels() { return {gpu_, device_, cache_, memory_}; }

 private:
  int gpu_;
  std::unique_ptr<Partition> part_;  ///< goes after the stream
  Device device_;
  KernelCache cache_;
  SharedMemory memory_;
};

}  // namespace dflop::cuda
