// What every kernel must compute, written plainly in float64: the judge of all backends.
#pragma once

#include <string>
#include <vector>

#include "real_runner/kernels/backend.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

/// How far a kernel's outputs are from the reference: the largest |difference| over the largest |reference value| of
/// the tensor, over all its outputs.
struct KernelError {
  double relative = 0;
  std::string tensor;  ///< where
};

/// `tensors`: what RunOnce() gave for the row, inputs and outputs, named as in real_runner/kernels/operations.hpp. The
/// reference computes the outputs from the inputs. Throws std::runtime_error when a tensor is missing or has another
/// size, and for an operation that it does not know.
KernelError CompareWithReference(const CostRow& row, const std::vector<HostTensor>& tensors);

}  // namespace dflop
