#include "models/remembered_kernel_costs.hpp"

#include <bit>
#include <cstdint>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr int kPlaceBits = 15;
constexpr int kGemm = 1;
constexpr int kAttention = 2;

/// Multiplicative hashing (Knuth, The Art of Computer Programming 3, section 6.4).
std::uint64_t Mix(std::uint64_t hash, std::uint64_t word) { return (std::rotl(hash, 23) ^ word) * 0x9E3779B97F4A7C15u; }

}  // namespace

RememberedKernelCosts::RememberedKernelCosts(std::shared_ptr<const KernelCosts> costs)
    : costs_(std::move(costs)), entries_(std::size_t{1} << kPlaceBits) {
  DFLOP_CHECK(costs_ != nullptr, "costs to remember");
}

template <typename Ask>
KernelCost RememberedKernelCosts::Recall(const Key& key, Ask ask) const {
  std::uint64_t hash = 0;
  for (const double size : key.sizes) hash = Mix(hash, std::bit_cast<std::uint64_t>(size));
  for (const int number : key.rest) hash = Mix(hash, static_cast<std::uint64_t>(number));
  Entry& entry = entries_[hash >> (64 - kPlaceBits)];
  if (entry.key != key) entry = {key, ask()};
  return entry.cost;
}

KernelCost RememberedKernelCosts::Gemm(double m, double n, double k, Pass pass) const {
  return Recall({{m, n, k}, {kGemm, static_cast<int>(pass), 0, 0, 0}}, [&] { return costs_->Gemm(m, n, k, pass); });
}

KernelCost RememberedKernelCosts::Attention(const AttentionShape& shape, Pass pass) const {
  const int kind = 2 * static_cast<int>(pass) + (shape.causal ? 1 : 0);
  const Key key{{shape.sequences, shape.length, 0}, {kAttention, kind, shape.heads, shape.kv_heads, shape.head_dim}};
  return Recall(key, [&] { return costs_->Attention(shape, pass); });
}

}  // namespace dflop
