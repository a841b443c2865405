// The proven optimum of small partitioning problems, independent of the policies: bucket after bucket is filled with
// every set of samples that could still lead below the best plan known (bin completion, after Korf 2002).
//
// A bucket's waste in a dimension is what it leaves free below the capacity; the waste of all buckets together is
// capacity · buckets − Σ costs, so that a set that wastes more than is left cannot be part of a plan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace dflop {

class BinCompletion {
 public:
  BinCompletion(std::vector<std::vector<double>> costs, int buckets) : costs_(std::move(costs)), buckets_(buckets) {
    order_.resize(costs_.front().size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return Size(a) > Size(b); });
  }

  struct Answer {
    double largest = 0;
    bool proven = false;
    std::int64_t nodes = 0;
  };
  /// The smallest largest bucket, given that one plan reaches `known`.
  Answer Solve(double known, std::int64_t most_nodes) {
    best_ = known;
    most_nodes_ = most_nodes;
    bool lower = true;
    while (lower && nodes_ < most_nodes_) {
      capacity_ = best_ * (1 - 1e-9);
      used_.assign(order_.size(), false);
      largest_ = 0;
      lower = OpenBucket(buckets_, Waste());
      if (lower) best_ = largest_;
    }
    return {best_, nodes_ < most_nodes_, nodes_};
  }

 private:
  using Vector = std::vector<double>;

  double Size(std::size_t i) const {
    double size = 0;
    for (const auto& dimension : costs_) size = std::max(size, dimension[i]);
    return size;
  }
  Vector Waste() const {
    Vector waste;
    for (const auto& dimension : costs_) {
      waste.push_back(capacity_ * buckets_ - std::accumulate(dimension.begin(), dimension.end(), 0.0));
    }
    return waste;
  }

  /// The largest sample that is left opens the next bucket: buckets have no names.
  bool OpenBucket(int left, const Vector& waste) {
    for (const double w : waste) {
      if (w < -1e-12 * capacity_ * buckets_) return false;  // rounding aside
    }
    std::size_t first = 0;
    while (first < order_.size() && used_[first]) ++first;
    if (first == order_.size()) return true;
    if (left == 0) return false;
    used_[first] = true;
    Vector load(costs_.size(), 0.0);
    bool found = false;
    if (Add(load, first)) found = Fill(left, first + 1, load, waste);
    used_[first] = false;
    return found;
  }

  bool Add(Vector& load, std::size_t place) const {
    bool fits = true;
    for (std::size_t d = 0; d < load.size(); ++d) {
      load[d] += costs_[d][order_[place]];
      fits = fits && load[d] <= capacity_;
    }
    return fits;
  }

  /// Closes the bucket, or adds one more sample from `from` on.
  bool Fill(int left, std::size_t from, const Vector& load, const Vector& waste) {
    if (++nodes_ >= most_nodes_) return false;
    for (std::size_t place = from; place < order_.size(); ++place) {
      if (used_[place]) continue;
      Vector larger = load;
      if (!Add(larger, place)) continue;
      used_[place] = true;
      const bool found = Fill(left, place + 1, larger, waste);
      used_[place] = false;
      if (found) return true;
    }
    Vector rest = waste;
    for (std::size_t d = 0; d < rest.size(); ++d) rest[d] -= capacity_ - load[d];
    if (!OpenBucket(left - 1, rest)) return false;
    for (const double l : load) largest_ = std::max(largest_, l);
    return true;
  }

  std::vector<std::vector<double>> costs_;
  int buckets_;
  std::vector<std::size_t> order_;
  std::vector<bool> used_;  ///< by place in order_
  double best_ = 0;
  double capacity_ = 0;
  double largest_ = 0;
  std::int64_t nodes_ = 0;
  std::int64_t most_nodes_ = 0;
};

}  // namespace dflop
