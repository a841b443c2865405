// From measured kernels of one GPU to its table of efficiencies.
#pragma once

#include <string>

#include "models/calibration/reference_tables.hpp"
#include "models/gpu_kernel_costs.hpp"

namespace dflop {

/// GEMM and attention surfaces fitted to `training`. Rows of several collectors enter one by one, so that the surface
/// runs through their geometric mean. Rows below 50 µs count less, in proportion to their time: launch and tail effects
/// rule them, and they must not bend the surface where it is judged.
GpuCostTable FitGpu(const ReferenceGpu& gpu, const CostTrace& training);

/// Adds what the GPU's own tables lack, marked as not measured: head sizes and kinds that `donor` has, scaled by the
/// ratio of both GPUs' causal surfaces at head size 128; and full attention at head size 128, from 64 by the causal
/// ratio.
void AddDerivedSurfaces(GpuCostTable& table, const GpuCostTable& donor);

/// Backward over forward of training kernels measured with Transformer Engine (SimuMax's table), both over `forward`'s
/// prediction at their own shape, so that a gradient GEMM is compared with a forward GEMM of equal shape.
BackwardFactors MeasureBackward(const std::string& csv_path, const KernelCosts& forward);

}  // namespace dflop
