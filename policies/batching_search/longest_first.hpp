// Longest processing time first in one dimension, the common step of several published balancers.
#pragma once

#include <vector>

namespace dflop {

enum class Counts {
  kAny,
  kEqual,  ///< the places get equally many samples, give or take one
};

/// Gives the `samples`, the costliest first, each to the place with the smallest sum of `cost` so far; a tie goes to
/// the place with fewer samples, then to the lower one. No place stays empty when there are enough samples (Graham,
/// SIAM J. Appl. Math. 1969). O(n·log n).
std::vector<std::vector<int>> LongestFirst(std::vector<int> samples, const std::vector<double>& cost, int places,
                                           Counts counts = Counts::kAny);

}  // namespace dflop
