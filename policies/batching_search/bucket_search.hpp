// Our solver of DFLOP's partitioning problem (arXiv 2603.25120, section 3.4.1): vectors into buckets so that the
// largest bucket is as small as can be, then the second largest, … It starts from LPT, then exchanges few samples at a
// time between the worst bucket and the partners with which it could meet furthest down, then repacks three buckets
// exactly, and kicks itself out of local optima while the budget lasts.
//
// Speed comes from three bounds: a bucket's height after any exchange with a partner is at least that of their mean, so
// partners are tried in that order and few are; subsets of both are sorted in the dimension with the least room, so
// only matching pairs are looked at; a tree over the buckets' loads finds LPT's next bucket without asking all of them.
#pragma once

#include <cstdint>
#include <vector>

namespace dflop {

/// Everything the search balances is one list of dimensions; a bucket is as high as its largest dimension that counts.
struct SearchDimension {
  std::vector<double> weights;  ///< [i] of every sample, not negative
  double free = -1;             ///< up to here a bucket's sum does not count: how caps become dimensions
  bool shared = false;          ///< sums count over all buckets of a group and not bucket by bucket
  double granule = 0;           ///< weights are whole multiples of it; 0: of nothing known
};

struct SearchProblem {
  std::vector<SearchDimension> dimensions;
  int samples = 0;
  int buckets = 1;
  int group_size = 1;  ///< buckets b of one group have the same b / group_size
  int least_count = 1;
  int most_count = 0;  ///< of samples in a bucket
  int fullest = 0;     ///< how many buckets may reach most_count when the search starts; 0: all
};

/// Samples of every bucket. Deterministic; `evaluations` counts looks at a candidate, about 5 ns each.
std::vector<std::vector<int>> SearchBuckets(const SearchProblem& problem, std::int64_t evaluations);

/// At most this many dimensions.
inline constexpr int kMostSearchDimensions = 16;

}  // namespace dflop
