// The best exchange of a few samples between two buckets: the one after which the higher of both is lowest.
//
// Both sides' subsets are sorted in the dimension with the least room; for a subset of one side only those of the other
// that leave both buckets below the best height found so far are looked at.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "policies/batching_search/bucket_state.hpp"

namespace dflop {

template <int W>
struct Subset {
  Load<W> sum{};
  std::uint64_t mask = 0;  ///< positions in the bucket
};

struct Exchange {
  double height = 0;  ///< of the higher bucket afterwards
  int partner = -1;   ///< none found
  std::uint64_t gives = 0;
  std::uint64_t takes = 0;
};

template <int W>
class BucketExchange {
 public:
  explicit BucketExchange(BucketState<W>& state) : state_(state) {}

  /// Exchanges of at most `most` samples of either side from now on.
  void Begin(int bucket, int most) {
    bucket_ = bucket;
    most_ = most;
    List(bucket, gives_);
  }
  /// Lowers `best` where an exchange with the partner can; one that reaches `enough` ends the search.
  void Try(int partner, double enough, Exchange& best) {
    List(partner, takes_);
    const Load<W> moves = state_.Moves(bucket_, partner);
    const std::size_t d = Tightest(partner, moves, best.height);
    const auto less = [d](const Subset<W>& a, const Subset<W>& b) { return a.sum[d] < b.sum[d]; };
    std::sort(gives_.begin(), gives_.end(), less);
    std::sort(takes_.begin(), takes_.end(), less);
    const double from = state_.loads[Index(bucket_)][d];
    const double to = state_.loads[Index(partner)][d];
    std::size_t first = 0;
    for (const Subset<W>& give : gives_) {
      while (first < takes_.size() && to + moves[d] * (give.sum[d] - takes_[first].sum[d]) > best.height) ++first;
      for (std::size_t t = first; t < takes_.size(); ++t) {
        if (from - moves[d] * (give.sum[d] - takes_[t].sum[d]) > best.height) break;
        ++looks_;
        Weigh(partner, moves, give, takes_[t], best);
      }
      if (best.height <= enough) return;
    }
  }
  void Apply(const Exchange& exchange) {
    auto& a = state_.members[Index(bucket_)];
    auto& b = state_.members[Index(exchange.partner)];
    std::vector<int> left;
    std::vector<int> right;
    Split(a, exchange.gives, left, right);
    Split(b, exchange.takes, right, left);
    a.swap(left);
    b.swap(right);
    state_.Refresh(bucket_);
    state_.Refresh(exchange.partner);
  }
  std::int64_t looks() const { return looks_; }

 private:
  static constexpr std::size_t kMostPositions = 64;
  static constexpr std::size_t kMostSubsets = 300;
  static constexpr std::int64_t kLooksPerSubset = 8;  ///< what listing and sorting one costs

  static void Split(const std::vector<int>& bucket, std::uint64_t mask, std::vector<int>& stays,
                    std::vector<int>& goes) {
    for (std::size_t p = 0; p < bucket.size(); ++p) {
      (p < kMostPositions && (mask >> p & 1U) != 0 ? goes : stays).push_back(bucket[p]);
    }
  }

  /// Subsets by size, as many as there may be. Of a very full bucket another part is listed each time.
  void List(int bucket, std::vector<Subset<W>>& subsets) {
    auto& members = state_.members[Index(bucket)];
    if (members.size() > kMostPositions) std::rotate(members.begin(), members.begin() + kMostPositions, members.end());
    const std::size_t positions = std::min(members.size(), kMostPositions);
    subsets.assign(1, {});
    std::size_t begin = 0;
    for (int size = 1; size <= most_; ++size) {
      const std::size_t end = subsets.size();
      for (std::size_t s = begin; s < end; ++s) {
        for (auto p = static_cast<std::size_t>(std::bit_width(subsets[s].mask));
             p < positions && subsets.size() < kMostSubsets; ++p) {
          Subset<W> larger = subsets[s];
          AddTo<W>(larger.sum, state_.weights[Index(members[p])]);
          larger.mask |= std::uint64_t{1} << p;
          subsets.push_back(larger);
        }
      }
      begin = end;
    }
    looks_ += kLooksPerSubset * static_cast<std::int64_t>(subsets.size());
  }

  /// The dimension in which the fewest subsets of the partner match.
  std::size_t Tightest(int partner, const Load<W>& moves, double height) const {
    std::size_t tightest = 0;
    double least = 0;
    for (std::size_t d = 0; d < state_.problem.dimensions.size(); ++d) {
      double spread = 0;
      for (const Subset<W>& take : takes_) spread = std::max(spread, take.sum[d]);
      const double room = 2 * height - state_.loads[Index(bucket_)][d] - state_.loads[Index(partner)][d];
      const double match = moves[d] * spread / std::max(room, 1e-12 * height);
      // A dimension under its cap does not bound anything.
      if (state_.free[d] < 0 && match > least) least = match, tightest = d;
    }
    return tightest;
  }

  void Weigh(int partner, const Load<W>& moves, const Subset<W>& give, const Subset<W>& take, Exchange& best) const {
    Load<W> from = state_.loads[Index(bucket_)];
    Load<W> to = state_.loads[Index(partner)];
    for (std::size_t d = 0; d < Index(W); ++d) {
      const double change = moves[d] * (give.sum[d] - take.sum[d]);
      from[d] -= change;
      to[d] += change;
    }
    const double height = std::max(state_.Height(from), state_.Height(to));
    if (height >= best.height) return;
    const int change = std::popcount(give.mask) - std::popcount(take.mask);
    const auto size = [&](int bucket) { return static_cast<std::int64_t>(state_.members[Index(bucket)].size()); };
    if (!state_.CountFits(size(bucket_) - change) || !state_.CountFits(size(partner) + change)) return;
    best = {height, partner, give.mask, take.mask};
  }

  BucketState<W>& state_;
  int bucket_ = 0;
  int most_ = 1;
  std::vector<Subset<W>> gives_;
  std::vector<Subset<W>> takes_;
  std::int64_t looks_ = 0;
};

}  // namespace dflop
