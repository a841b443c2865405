// Parts of one GPU's multiprocessors, by CUDA's green contexts: each has a stream whose kernels run on its own
// multiprocessors. Second-level cache and memory bandwidth are shared, and CUDA does not promise that kernels of
// different parts run at the same time. Nothing of this file has run on a GPU yet.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "real_runner/cuda/device_objects.hpp"

namespace dflop::cuda {

/// Threads keep the primary context current; only the stream belongs to the part.
class Partition {
 public:
  virtual ~Partition() = default;
  virtual int multiprocessors() const = 0;
  /// A new stream of this part, which must not outlive it.
  virtual Stream NewStream() = 0;
};

/// Equal parts of the current device. Unsupported, with what is possible, where it cannot be divided like that.
std::vector<std::unique_ptr<Partition>> SplitDevice(int parts);

/// Lets streams reach the device side by side; before the first call into CUDA.
inline void AllowConcurrentStreams() { setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0); }

}  // namespace dflop::cuda
