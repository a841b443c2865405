// Every call into CUDA's libraries is checked: a failure throws with place and message, and memory that is short
// becomes Unsupported, because a shape too large for the card is listed and the profile goes on.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <string>

#include "base/error.hpp"
#include "real_runner/kernels/backend.hpp"

namespace dflop::cuda {

[[noreturn]] inline void Fail(const char* call, const char* file, int line, const std::string& message) {
  throw RunError(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " + message);
}

inline void Check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // so that the next call does not report this one again
  if (status == cudaErrorMemoryAllocation) throw Unsupported(std::string("out of device memory in ") + call);
  Fail(call, file, line, cudaGetErrorString(status));
}

inline void Check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status != CUBLAS_STATUS_SUCCESS) Fail(call, file, line, cublasLtGetStatusString(status));
}

}  // namespace dflop::cuda

#define DFLOP_CUDA_CHECK(call) ::dflop::cuda::Check((call), #call, __FILE__, __LINE__)
