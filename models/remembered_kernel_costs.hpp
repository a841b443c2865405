// Remembers what kernels cost: planners ask for the same shapes a hundred thousand times, and an answer from a table
// takes ten times as long as finding it again. Answers stay bit for bit what the costs behind it say.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/kernel_costs.hpp"

namespace dflop {

/// Not for several threads at once.
class RememberedKernelCosts final : public KernelCosts {
 public:
  explicit RememberedKernelCosts(std::shared_ptr<const KernelCosts> costs);

  KernelCost Gemm(double m, double n, double k, Pass pass) const override;
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override;
  KernelCost MemoryBound(Bytes bytes) const override { return costs_->MemoryBound(bytes); }  // one division
  const GpuSpec& gpu() const override { return costs_->gpu(); }
  std::string description() const override { return costs_->description(); }
  Json error_band() const override { return costs_->error_band(); }

 private:
  /// Three sizes, and everything whole that tells kernels apart: pass, heads, head size.
  struct Key {
    std::array<double, 3> sizes{};
    std::array<int, 5> rest{};
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    KernelCost cost;
  };
  template <typename Ask>
  KernelCost Recall(const Key& key, Ask ask) const;

  std::shared_ptr<const KernelCosts> costs_;
  mutable std::vector<Entry> entries_;  ///< a shape has one place; the last one asked for there is kept
};

}  // namespace dflop
