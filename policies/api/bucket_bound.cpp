// What no plan can be below, dimension by dimension; see BucketLowerBound in batch_scheduler.hpp.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/index.hpp"
#include "policies/api/batch_scheduler.hpp"

namespace dflop {
namespace {

constexpr double kRounding = 1e-9;  ///< relative: sums in another order must not turn a bound into a wrong one

/// One dimension's costs, largest first, with the sums of the first so many.
class Descending {
 public:
  explicit Descending(std::vector<double> costs) : costs_(std::move(costs)), sums_(costs_.size() + 1) {
    std::sort(costs_.begin(), costs_.end(), std::greater<>());
    for (std::size_t i = 0; i < costs_.size(); ++i) sums_[i + 1] = sums_[i] + costs_[i];
  }
  std::size_t size() const { return costs_.size(); }
  double operator[](std::size_t i) const { return costs_[i]; }
  double Sum(std::size_t begin, std::size_t end) const { return sums_[end] - sums_[begin]; }

  /// Of the k·B + 1 largest samples some bucket holds k + 1, which weigh at least what the smallest of them do.
  double Pigeonhole(std::size_t buckets) const {
    double bound = 0;
    for (std::size_t k = 1; k * buckets < size(); ++k) {
      bound = std::max(bound, Sum(k * buckets - k, k * buckets + 1));
    }
    return bound;
  }

  /// Buckets of that capacity that the costs need at least: L2 of Martello and Toth ("Lower bounds and reduction
  /// procedures for the bin packing problem", Discrete Applied Mathematics 1990). Samples over half of the capacity
  /// need a bucket each; those of at least `small` fit only beside the ones that leave so much room.
  double Needed(double capacity) const {
    const auto longer_than = [&](double cost) {
      return static_cast<std::size_t>(std::upper_bound(costs_.begin(), costs_.end(), cost, std::greater_equal<>()) -
                                      costs_.begin());
    };
    const std::size_t halves = longer_than(capacity / 2);
    std::size_t alone = halves;  // samples beside which one of cost `small` has no room
    double needed = static_cast<double>(halves);
    for (std::size_t end = halves + 1; end <= size(); ++end) {
      const double small = costs_[end - 1];
      while (alone > 0 && costs_[alone - 1] <= capacity - small) --alone;
      const double room = static_cast<double>(halves - alone) * capacity - Sum(alone, halves);
      const double beside = (Sum(halves, end) - room) / capacity;
      needed = std::max(needed, static_cast<double>(halves) + std::ceil(beside - kRounding));
    }
    return needed;
  }

 private:
  std::vector<double> costs_;
  std::vector<double> sums_;
};

/// The largest capacity found that the costs cannot be packed into, from `low` on. Feasibility grows with capacity
/// though L2 need not, so that whatever the bisection proves infeasible is a bound.
double Residual(const Descending& costs, double low, std::size_t buckets) {
  const auto too_small = [&](double capacity) { return costs.Needed(capacity) > static_cast<double>(buckets); };
  if (!too_small(low * (1 + kRounding))) return low;
  double high = 2 * low;
  while (too_small(high)) low = high, high *= 2;
  while (high - low > low * 1e-12) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (too_small(middle) ? low : high) = middle;
  }
  return low;
}

double BoundOf(const std::vector<double>& dimension, double granule, std::size_t buckets) {
  const Descending costs(dimension);
  if (costs.size() == 0) return 0;
  const double mean = costs.Sum(0, costs.size()) / static_cast<double>(buckets);
  double bound = std::max({mean, costs[0], costs.Pigeonhole(buckets)});
  if (bound > 0) bound = Residual(costs, bound, buckets);
  return granule > 0 ? std::max(bound, std::ceil(bound / granule - kRounding) * granule) : bound;
}

}  // namespace

double BucketLowerBound(const BatchProblem& problem) {
  double bound = 0;
  for (std::size_t d = 0; d < problem.costs.size(); ++d) {
    const double granule = problem.granule.empty() ? 0.0 : problem.granule[d];
    bound = std::max(bound, BoundOf(problem.costs[d], granule, Index(problem.buckets())));
  }
  return bound;
}

}  // namespace dflop
