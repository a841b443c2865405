// How attention over a pack of unequal sequences is priced: what the simulator asks for a microbatch, and what a
// measured pack is held against.
#pragma once

#include <cstdint>
#include <vector>

#include "models/kernel_costs.hpp"

namespace dflop {

/// A question to KernelCosts::Attention and the part of its answer that counts.
struct PackShare {
  AttentionShape shape;
  double share = 0;
};

/// `count` sequences of `length` in a pack of `tokens`. The lengths of a pack share one kernel launch: a pack full of
/// this length is priced, and this length takes its share of the tokens. `heads` gives the heads and the mask.
PackShare ShareOfPack(AttentionShape heads, double tokens, double length, double count);

/// Σ over all sequences; extrapolated where any part is.
KernelCost PackedAttention(const KernelCosts& costs, const AttentionShape& heads,
                           const std::vector<std::int64_t>& lengths, Pass pass);

}  // namespace dflop
