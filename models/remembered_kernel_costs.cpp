// A table of fixed size, one place for a hash, the newest wins: no answer is ever wrong, some are asked for again.
#include "models/remembered_kernel_costs.hpp"

#include <bit>
#include <cstdint>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr int kPlaceBits = 15;
constexpr int kGemm = 1;
constexpr int kAttention = 2;

/// Multiplicative hashing (Knuth, The Art of Computer Programming 3, section 6.4), each word by a factor of its own so
/// that no product waits for another.
constexpr std::uint64_t kFactors[] = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu, 0x165667B19E3779F9u,
                                      0xD6E8FEB86659FD93u};
std::uint64_t Mixed(int factor, std::uint64_t word) { return std::rotl(word * kFactors[factor], 16 * factor); }

}  // namespace

RememberedKernelCosts::RememberedKernelCosts(std::shared_ptr<const KernelCosts> costs)
    : costs_(std::move(costs)), entries_(std::size_t{1} << kPlaceBits) {
  DFLOP_CHECK(costs_ != nullptr, "costs to remember");
}

template <typename Ask>
KernelCost RememberedKernelCosts::Recall(const Key& key, Ask ask) const {
  std::uint64_t rest = 0;
  for (const int number : key.rest) rest = (rest << 12) + static_cast<std::uint64_t>(number);
  std::uint64_t hash = Mixed(3, rest);
  for (int i = 0; i < 3; ++i) hash ^= Mixed(i, std::bit_cast<std::uint64_t>(key.sizes[static_cast<std::size_t>(i)]));
  Entry& entry = entries_[(hash * kFactors[0]) >> (64 - kPlaceBits)];
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
