// Which kernels of a job lie outside what was measured: the list that a result shows beside its extrapolated share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/kernel_costs.hpp"

namespace dflop {

/// Answers as the costs it stands before and remembers every shape that they had to extrapolate.
class ExtrapolatedShapes final : public KernelCosts {
 public:
  explicit ExtrapolatedShapes(std::shared_ptr<const KernelCosts> costs) : costs_(std::move(costs)) {}

  KernelCost Gemm(double m, double n, double k, Pass pass) const override;
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override;
  KernelCost MemoryBound(Bytes bytes) const override { return costs_->MemoryBound(bytes); }
  const GpuSpec& gpu() const override { return costs_->gpu(); }
  std::string description() const override { return costs_->description(); }
  Json error_band() const override { return costs_->error_band(); }

  /// "gemm m 4096 n 28672 k 8192, forward" with the longest kernels first, at most `count`.
  std::vector<std::string> Longest(std::size_t count) const;
  std::size_t size() const { return seen_.size(); }

 private:
  KernelCost Remember(const KernelCost& cost, const std::string& shape) const;

  std::shared_ptr<const KernelCosts> costs_;
  mutable std::map<std::string, Seconds> seen_;
};

}  // namespace dflop
