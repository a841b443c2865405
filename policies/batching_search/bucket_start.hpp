// Where the bucket search starts: longest processing time first, its next bucket found by a tree.
//
// A node holds the smallest load of its buckets in each dimension, so that no bucket below it can stay lower than that
// with the sample on top; subtrees that cannot beat the best bucket so far are left out. Only kMostLooks nodes are
// opened per sample: where dimensions are equally loaded the bound is loose, and the search mends what that costs.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "policies/batching_search/bucket_state.hpp"

namespace dflop {

template <int W>
class BucketStart {
 public:
  explicit BucketStart(BucketState<W>& state)
      : state_(state), weights_(state.weights), counts_(Index(state.problem.buckets)) {
    // Bounded bucket by bucket here, shared dimensions too: a plan that is balanced so is balanced over groups.
    for (Load<W>& weight : weights_) {
      for (std::size_t d = 0; d < Index(W); ++d) weight[d] *= state.shared[d] ? state.problem.group_size : 1;
    }
    while (leaves_ < counts_.size()) leaves_ *= 2;
    Load<W> closed;
    closed.fill(kClosed);
    lowest_.assign(2 * leaves_, closed);
    for (std::size_t b = 0; b < counts_.size(); ++b) lowest_[leaves_ + b].fill(0);
    for (std::size_t node = leaves_ - 1; node > 0; --node) Join(node);
  }

  void Run() {
    std::vector<std::pair<double, int>> order;
    order.reserve(weights_.size());
    for (int i = 0; i < state_.problem.samples; ++i) order.emplace_back(-Largest(weights_[Index(i)]), i);
    std::sort(order.begin(), order.end());
    std::size_t next_empty = 0;
    int empty = state_.problem.buckets;
    for (std::size_t k = 0; k < order.size(); ++k) {
      const bool must_fill = order.size() - k <= Index(empty);
      while (must_fill && counts_[next_empty] > 0) ++next_empty;
      const std::size_t bucket = must_fill ? next_empty : Lowest(weights_[Index(order[k].second)]);
      if (counts_[bucket] == 0) --empty;
      Put(order[k].second, bucket);
    }
    state_.RefreshAll();
  }

 private:
  static constexpr double kClosed = 1e300;
  static constexpr int kMostLooks = 48;
  using Key = std::pair<double, double>;  ///< height, then the total

  double Largest(const Load<W>& load) const { return *std::max_element(load.begin(), load.end()); }

  Key KeyOf(std::size_t node, const Load<W>& sample) const {
    Load<W> load = lowest_[node];
    AddTo<W>(load, sample);
    double total = 0;
    for (const double part : load) total += part;
    return {state_.Height(load), total};
  }

  std::size_t Lowest(const Load<W>& sample) {
    Key best{std::numeric_limits<double>::infinity(), 0};
    std::size_t found = 0;
    open_.assign(1, {KeyOf(1, sample), 1});
    for (int looks = 0; !open_.empty() && (looks < kMostLooks || found == 0); ++looks) {
      auto [key, node] = open_.back();
      open_.pop_back();
      while (key < best && node < leaves_) {
        Key left = KeyOf(2 * node, sample);
        Key right = KeyOf(2 * node + 1, sample);
        node *= 2;
        if (right < left) std::swap(left, right), ++node;
        if (right < best) open_.emplace_back(right, node ^ 1U);
        key = left;
      }
      if (key < best) best = key, found = node;
    }
    return found - leaves_;
  }

  void Put(int sample, std::size_t bucket) {
    const SearchProblem& problem = state_.problem;
    state_.members[bucket].push_back(sample);
    AddTo<W>(lowest_[leaves_ + bucket], weights_[Index(sample)]);
    if (++counts_[bucket] == problem.most_count) {
      Close(bucket);
      if (++full_ == problem.fullest) CloseAlmostFull();
    } else if (problem.fullest > 0 && full_ >= problem.fullest && counts_[bucket] == problem.most_count - 1) {
      Close(bucket);
    }
    for (std::size_t node = (leaves_ + bucket) / 2; node > 0; node /= 2) Join(node);
  }
  /// As many buckets as may hold one more do: the others are full one sample earlier.
  void CloseAlmostFull() {
    for (std::size_t b = 0; b < counts_.size(); ++b) {
      if (counts_[b] != state_.problem.most_count - 1) continue;
      Close(b);
      for (std::size_t node = (leaves_ + b) / 2; node > 0; node /= 2) Join(node);
    }
  }
  void Close(std::size_t bucket) { lowest_[leaves_ + bucket].fill(kClosed); }
  void Join(std::size_t node) {
    for (std::size_t d = 0; d < Index(W); ++d) {
      lowest_[node][d] = std::min(lowest_[2 * node][d], lowest_[2 * node + 1][d]);
    }
  }

  BucketState<W>& state_;
  std::vector<Load<W>> weights_;
  std::vector<int> counts_;
  int full_ = 0;
  std::size_t leaves_ = 1;
  std::vector<Load<W>> lowest_;  ///< [node]; 1 is the root, the leaves come last
  std::vector<std::pair<Key, std::size_t>> open_;
};

}  // namespace dflop
