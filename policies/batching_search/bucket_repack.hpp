// A few buckets packed anew, exactly: branch and bound over all ways to divide their samples.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "policies/batching_search/bucket_state.hpp"

namespace dflop {

template <int W>
class BucketRepack {
 public:
  explicit BucketRepack(BucketState<W>& state) : state_(state) {}

  /// More samples than that would not be divided within the budget.
  static constexpr std::size_t kMostSamples = 14;

  /// Divides the samples of `buckets` so that the highest of these is as low as can be, and below `height`; false and
  /// nothing changed where that cannot be, or was not found within `looks`. What was looked at is taken off `looks`.
  bool Run(const std::vector<int>& buckets, double height, std::int64_t& looks) {
    buckets_ = buckets;
    best_ = height;
    looks_ = looks;
    Collect();
    found_.clear();
    if (pool_.size() <= kMostSamples) Place(0);
    looks = looks_;
    if (found_.empty()) return false;
    for (const int b : buckets_) state_.members[Index(b)].clear();
    for (std::size_t k = 0; k < pool_.size(); ++k) {
      state_.members[Index(buckets_[found_[k]])].push_back(pool_[k]);
    }
    for (const int b : buckets_) state_.Refresh(b);
    return true;
  }

 private:
  double Size(int sample) const {
    const Load<W>& weight = state_.weights[Index(sample)];
    return *std::max_element(weight.begin(), weight.end());
  }

  void Collect() {
    pool_.clear();
    loads_.clear();
    for (const int b : buckets_) {
      pool_.insert(pool_.end(), state_.members[Index(b)].begin(), state_.members[Index(b)].end());
      loads_.push_back(state_.loads[Index(b)]);
    }
    for (std::size_t z = 0; z < buckets_.size(); ++z) Add(z, state_.own[Index(buckets_[z])], -1);
    std::sort(pool_.begin(), pool_.end(), [&](int a, int b) {
      const double size_a = Size(a);
      const double size_b = Size(b);
      return size_a != size_b ? size_a > size_b : a < b;
    });
    counts_.assign(buckets_.size(), 0);
    choice_.assign(pool_.size(), 0);
  }

  /// Shared dimensions grow in every bucket of the group.
  void Add(std::size_t z, const Load<W>& load, double sign) {
    for (std::size_t y = 0; y < buckets_.size(); ++y) {
      const bool same_group = state_.any_shared && state_.SameGroup(buckets_[y], buckets_[z]);
      for (std::size_t d = 0; d < Index(W); ++d) {
        if (y == z || (same_group && state_.shared[d])) loads_[y][d] += sign * load[d];
      }
    }
  }

  double Highest() const {
    double height = 0;
    for (const Load<W>& load : loads_) height = std::max(height, state_.Height(load));
    return height;
  }

  void Place(std::size_t next) {
    if (--looks_ < 0) return;
    if (next == pool_.size()) {
      const bool fits = std::all_of(counts_.begin(), counts_.end(), [&](int count) { return state_.CountFits(count); });
      const double height = Highest();
      if (fits && height < best_) best_ = height * (1 - kLeastGain), found_ = choice_;
      return;
    }
    bool tried_empty = false;
    for (std::size_t z = 0; z < buckets_.size(); ++z) {
      // Empty buckets are alike where none shares a group's sum with others.
      if (counts_[z] == 0 && tried_empty && !state_.any_shared) continue;
      tried_empty = tried_empty || counts_[z] == 0;
      const std::vector<Load<W>> before = loads_;
      Add(z, state_.weights[Index(pool_[next])], 1);
      ++counts_[z];
      choice_[next] = z;
      if (Highest() < best_) Place(next + 1);
      --counts_[z];
      loads_ = before;
    }
  }

  static constexpr double kLeastGain = 1e-12;

  BucketState<W>& state_;
  std::vector<int> buckets_;
  std::vector<int> pool_;
  std::vector<Load<W>> loads_;
  std::vector<int> counts_;
  std::vector<std::size_t> choice_;
  std::vector<std::size_t> found_;
  double best_ = 0;
  std::int64_t looks_ = 0;
};

}  // namespace dflop
