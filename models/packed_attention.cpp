// Equal lengths are priced together, in rising order: the sum does not depend on the order in the pack.
#include "models/packed_attention.hpp"

#include <map>

namespace dflop {

PackShare ShareOfPack(AttentionShape heads, double tokens, double length, double count) {
  heads.sequences = tokens / length;
  heads.length = length;
  return {heads, count * length / tokens};
}

KernelCost PackedAttention(const KernelCosts& costs, const AttentionShape& heads,
                           const std::vector<std::int64_t>& lengths, Pass pass) {
  double tokens = 0;
  std::map<std::int64_t, int> counts;
  for (const std::int64_t length : lengths) {
    tokens += static_cast<double>(length);
    ++counts[length];
  }
  KernelCost sum;
  for (const auto& [length, count] : counts) {
    const PackShare part = ShareOfPack(heads, tokens, static_cast<double>(length), count);
    const KernelCost cost = costs.Attention(part.shape, pass);
    sum.time += cost.time * part.share;
    sum.extrapolated |= cost.extrapolated;
  }
  return sum;
}

}  // namespace dflop
