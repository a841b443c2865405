// How many multiprocessors the current device has: what a kernel that keeps all of them busy asks for.
#pragma once

#include <cuda_runtime_api.h>

#include "real_runner/cuda/check.hpp"

namespace dflop::cuda {

inline int Multiprocessors() {
  int device = 0, count = 0;
  DFLOP_CUDA_CHECK(cudaGetDevice(&device));
  DFLOP_CUDA_CHECK(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device));
  return count;
}

}  // namespace dflop::cuda
