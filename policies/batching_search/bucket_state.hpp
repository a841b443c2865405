// What the steps of the bucket search work on: samples in buckets, the buckets' loads and heights.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/index.hpp"
#include "policies/batching_search/bucket_search.hpp"

namespace dflop {

/// W dimensions, those beyond the problem's being zero: a width known to the compiler is several times faster.
template <int W>
using Load = std::array<double, Index(W)>;

template <int W>
void AddTo(Load<W>& sum, const Load<W>& load) {
  for (std::size_t d = 0; d < Index(W); ++d) sum[d] += load[d];
}

template <int W>
class BucketState {
 public:
  explicit BucketState(const SearchProblem& given) : problem(given), weights(Index(given.samples)) {
    free.fill(-1);
    for (std::size_t d = 0; d < problem.dimensions.size(); ++d) {
      const SearchDimension& dimension = problem.dimensions[d];
      free[d] = dimension.free;
      shared[d] = dimension.shared;
      any_shared = any_shared || dimension.shared;
      // A group is as high as its mean bucket.
      const double share = dimension.shared ? 1.0 / problem.group_size : 1.0;
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i][d] = dimension.weights[i] * share;
    }
    members.resize(Index(problem.buckets));
    own.resize(members.size());
    loads.resize(members.size());
    heights.resize(members.size());
  }

  double Height(const Load<W>& load) const {
    double height = 0;
    for (std::size_t d = 0; d < Index(W); ++d) {
      const double counted = load[d] > free[d] ? load[d] : 0.0;
      height = counted > height ? counted : height;
    }
    return height;
  }
  bool SameGroup(int a, int b) const { return a / problem.group_size == b / problem.group_size; }
  /// 1 where moving a sample between the two buckets changes their loads, 0 where they share the sum.
  Load<W> Moves(int a, int b) const {
    Load<W> moves;
    moves.fill(1.0);
    if (any_shared && SameGroup(a, b)) {
      for (std::size_t d = 0; d < Index(W); ++d) moves[d] = shared[d] ? 0.0 : 1.0;
    }
    return moves;
  }
  bool CountFits(std::int64_t count) const { return count >= problem.least_count && count <= problem.most_count; }

  /// Adds up the bucket anew, so that no rounding piles up. Its group's heights follow.
  void Refresh(int bucket) {
    Load<W> sum{};
    for (const int i : members[Index(bucket)]) AddTo<W>(sum, weights[Index(i)]);
    own[Index(bucket)] = sum;
    if (any_shared) {
      RefreshGroup(bucket / problem.group_size);
    } else {
      loads[Index(bucket)] = sum;
      heights[Index(bucket)] = Height(sum);
    }
  }
  void RefreshAll() {
    for (int b = 0; b < problem.buckets; ++b) Refresh(b);
  }
  double Highest() const { return *std::max_element(heights.begin(), heights.end()); }

  const SearchProblem& problem;
  std::vector<Load<W>> weights;           ///< [i]
  std::vector<std::vector<int>> members;  ///< [bucket]
  std::vector<Load<W>> own;               ///< [bucket]: Σ weights
  std::vector<Load<W>> loads;             ///< [bucket]: what its height counts, shared dimensions over the group
  std::vector<double> heights;            ///< [bucket]
  Load<W> free;
  std::array<bool, Index(W)> shared{};
  bool any_shared = false;

 private:
  void RefreshGroup(int group) {
    const int begin = group * problem.group_size;
    const int end = std::min(begin + problem.group_size, problem.buckets);
    Load<W> sum{};
    for (int b = begin; b < end; ++b) AddTo<W>(sum, own[Index(b)]);
    for (int b = begin; b < end; ++b) {
      for (std::size_t d = 0; d < Index(W); ++d) loads[Index(b)][d] = shared[d] ? sum[d] : own[Index(b)][d];
      heights[Index(b)] = Height(loads[Index(b)]);
    }
  }
};

}  // namespace dflop
