// One normal number a kind of kernel and draw; sigma is the larger of what the band's median and its p90 imply.
#include "models/drawn_kernel_costs.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"

namespace dflop {
namespace {

constexpr std::uint64_t kDrawSeed = 0;

// Half and nine tenths of |N(0, 1)| lie below these.
constexpr double kNormalMedian = 0.6745;
constexpr double kNormalP90 = 1.645;

double SigmaOf(const Json& band) {
  return std::max(band.find("median")->number() / kNormalMedian, band.find("p90")->number() / kNormalP90);
}

}  // namespace

const char* NameOf(CostKind kind) {
  constexpr std::array<const char*, kCostKinds.size()> kNames = {"gemm", "attention_causal", "attention_full",
                                                                 "memory_bound"};
  return kNames[static_cast<std::size_t>(kind)];
}

CostSpread SpreadOf(const KernelCosts& costs) {
  const Json bands = costs.error_band();
  CostSpread spread;
  for (const CostKind kind : kCostKinds) {
    const auto i = static_cast<std::size_t>(kind);
    const Json* band = bands.find(NameOf(kind));
    spread.measured[i] = band != nullptr ? SigmaOf(*band) : kUnjudgedSigma;
    spread.extrapolated[i] = std::max(spread.measured[i], kUnjudgedSigma);
  }
  return spread;
}

CostDraw DrawCosts(int number) {
  RandomStream random(kDrawSeed, "kernel costs/draw" + std::to_string(number));
  CostDraw draw{};
  for (double& normal : draw) normal = random.Normal();
  return draw;
}

DrawnKernelCosts::DrawnKernelCosts(std::shared_ptr<const KernelCosts> costs, const CostSpread& spread,
                                   const CostDraw& draw)
    : costs_(std::move(costs)) {
  DFLOP_CHECK(costs_ != nullptr, "costs to draw around");
  for (const CostKind kind : kCostKinds) {
    const auto i = static_cast<std::size_t>(kind);
    for (const bool extrapolated : {false, true}) {
      factors_[extrapolated ? 1 : 0][i] = std::exp(spread.Of(kind, extrapolated) * draw[i]);
    }
  }
}

KernelCost DrawnKernelCosts::Gemm(double m, double n, double k, Pass pass) const {
  return Drawn(costs_->Gemm(m, n, k, pass), CostKind::kGemm);
}

KernelCost DrawnKernelCosts::Attention(const AttentionShape& shape, Pass pass) const {
  return Drawn(costs_->Attention(shape, pass), shape.causal ? CostKind::kCausalAttention : CostKind::kFullAttention);
}

KernelCost DrawnKernelCosts::MemoryBound(Bytes bytes) const {
  return Drawn(costs_->MemoryBound(bytes), CostKind::kMemoryBound);
}

KernelCost DrawnKernelCosts::Drawn(KernelCost cost, CostKind kind) const {
  cost.time *= factors_[cost.extrapolated ? 1 : 0][static_cast<std::size_t>(kind)];
  return cost;
}

}  // namespace dflop
