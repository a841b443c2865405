// Kernel costs of a GPU from its fitted table; the private face of BuiltInKernelCosts, which the calibration uses too.
#pragma once

#include "models/gpu_cost_table.hpp"
#include "models/kernel_costs.hpp"

namespace dflop {

/// Time = FLOPs / (peak · efficiency), efficiency interpolated in log2 space. Below the table a kernel costs what the
/// smallest measured one of its row costs (launch and tail dominate there); above it, efficiency stays that of the
/// edge. Both count as extrapolated, as do head sizes that have to be padded to the next one measured.
class GpuKernelCosts final : public KernelCosts {
 public:
  /// `native`: the table was measured on this very GPU; otherwise everything counts as extrapolated.
  GpuKernelCosts(GpuSpec gpu, GpuCostTable table, bool native);

  KernelCost Gemm(double m, double n, double k, Pass pass) const override;
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override;
  KernelCost MemoryBound(Bytes bytes) const override;
  const GpuSpec& gpu() const override { return gpu_; }
  std::string description() const override;
  Json error_band() const override { return table_.error_band; }

  const BackwardFactors& backward() const { return table_.backward; }

 private:
  /// `sizes` raised to the table's lower edge.
  static std::array<double, 3> Raised(const EfficiencySurface& surface, std::array<double, 3> sizes);
  KernelCost Evaluate(const EfficiencySurface& surface, const std::array<double, 3>& sizes, Flops flops) const;
  /// The smallest surface whose head size is not below the wanted one, else the largest.
  const AttentionSurface& SurfaceFor(bool causal, int head_dim) const;

  GpuSpec gpu_;
  GpuCostTable table_;
  bool native_;
};

/// Built-in GPU names with a table, in the order of models/data/gpu_costs/.
std::vector<std::string> BuiltInGpuCostNames();

}  // namespace dflop
