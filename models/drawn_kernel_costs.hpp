// Kernel costs as they may be within their error band: what turns "A is faster" into "A is faster in 97 % of what the
// costs may be".
//
// The band (KernelCosts::error_band) is the scatter of single shapes. How much of it the shapes of one kind share
// nobody measured; errors that they do not share average out over the thousands of kernels of a step. So a draw takes
// the worst case: all of the error is shared, one factor for all shapes of a kind. A kernel's passes share it too, as
// the gradients are priced from the forward's table. Only device kernels are drawn: links, host times and memory are
// not.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "models/kernel_costs.hpp"

namespace dflop {

/// What the costs of a kind have in common: one table or formula behind all its shapes.
enum class CostKind : std::size_t { kGemm, kCausalAttention, kFullAttention, kMemoryBound };
inline constexpr std::array<CostKind, 4> kCostKinds = {CostKind::kGemm, CostKind::kCausalAttention,
                                                       CostKind::kFullAttention, CostKind::kMemoryBound};
/// As in error bands: "gemm", "attention_causal", "attention_full", "memory_bound".
const char* NameOf(CostKind kind);

/// Standard deviations of log(true time / predicted time), by CostKind.
struct CostSpread {
  std::array<double, kCostKinds.size()> measured{};      ///< of shapes inside what was measured
  std::array<double, kCostKinds.size()> extrapolated{};  ///< of all others; never below `measured`

  double Of(CostKind kind, bool extrapolated_shape) const {
    return (extrapolated_shape ? extrapolated : measured)[static_cast<std::size_t>(kind)];
  }
};

/// sigma for kernels whose error no held-out measurement judged: memory-bound ones, shapes outside the tables, head
/// sizes and GPUs that were derived. An allowance. On A100, full attention is H100's times the ratio of two causal
/// surfaces, whose three bands compound to 0.16; streaming kernels of another source (results/calibration) lay 7 % and
/// 21 % off.
inline constexpr double kUnjudgedSigma = 0.2;

/// The smallest log-normal spread whose |relative error| reaches both figures of a band:
/// sigma = max(median / 0.6745, p90 / 1.645), the quantiles of |N(0, 1)|. Kinds without a band: kUnjudgedSigma.
CostSpread SpreadOf(const KernelCosts& costs);

/// Standard normal numbers by CostKind. The draw's number alone decides them: they are the same for every scenario,
/// policy and seed.
using CostDraw = std::array<double, kCostKinds.size()>;
CostDraw DrawCosts(int number);

/// The times of other costs, each multiplied by exp(sigma·draw) of its kind; a draw of zeros changes no bit.
class DrawnKernelCosts final : public KernelCosts {
 public:
  DrawnKernelCosts(std::shared_ptr<const KernelCosts> costs, const CostSpread& spread, const CostDraw& draw);

  KernelCost Gemm(double m, double n, double k, Pass pass) const override;
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override;
  KernelCost MemoryBound(Bytes bytes) const override;
  const GpuSpec& gpu() const override { return costs_->gpu(); }
  std::string description() const override { return "drawn within the error band of " + costs_->description(); }
  Json error_band() const override { return costs_->error_band(); }

 private:
  KernelCost Drawn(KernelCost cost, CostKind kind) const;

  std::shared_ptr<const KernelCosts> costs_;
  std::array<std::array<double, kCostKinds.size()>, 2> factors_{};  ///< [extrapolated][kind]
};

}  // namespace dflop
