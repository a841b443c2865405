// Prepares the operations of real_runner/kernels/operations.hpp on a CUDA device.
#pragma once

#include <memory>

#include "real_runner/cuda/tensor_kernel.hpp"

namespace dflop::cuda {

/// Everything on one device but the whole layer. Unsupported for other operations and for shapes that do not fit.
std::unique_ptr<CudaKernel> PrepareOperation(Device& device, const CostRow& row);

/// A whole transformer layer (layer.cpp).
std::unique_ptr<CudaKernel> PrepareLayer(Device& device, const CostRow& row);

/// The row's dimension as an integer.
inline std::int64_t Size(const CostRow& row, const char* dimension) {
  return static_cast<std::int64_t>(row.dimension(dimension));
}

}  // namespace dflop::cuda
