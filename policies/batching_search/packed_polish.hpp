// The last touch on a plan: moves and swaps that lower the worst bucket at its packed cost.
#pragma once

#include <vector>

#include "policies/batching_search/packed_costs.hpp"

namespace dflop {

/// Samples of every bucket (bucket b is microbatch b / replicas of replica b mod replicas), bettered by packed cost and
/// never made worse; caps that hold stay held. Sums of single samples, scaled to what each bucket costs packed, choose
/// the exchange; packed costs decide. At most `pricings` exchanges are priced. `counts_fixed`: only swaps.
std::vector<std::vector<int>> PolishPacked(const BatchProblem& problem, bool by_union, bool counts_fixed,
                                           std::vector<std::vector<int>> buckets, int pricings);

/// The largest packed cost over buckets, unions and dimensions.
double LargestPackedBucket(const BatchProblem& problem, bool by_union, const std::vector<std::vector<int>>& buckets);

}  // namespace dflop
