// The worst bucket meets the partners with which it could go down furthest; three exchanges of it are priced.
#include "policies/batching_search/packed_polish.hpp"

#include <algorithm>
#include <utility>

#include "base/index.hpp"

namespace dflop {
namespace {

constexpr double kLeastGain = 1e-9;
constexpr std::size_t kPartners = 8;
constexpr int kTries = 3;  ///< exchanges priced for one worst bucket before it is left as it is

/// A sample that goes, and one that comes back; −1: none.
struct Swap {
  double estimate = 0;  ///< of the higher bucket afterwards
  int partner = -1;
  int gives = -1;
  int takes = -1;
};

class Polish {
 public:
  Polish(const BatchProblem& problem, bool by_union, bool counts_fixed, std::vector<std::vector<int>> buckets)
      : problem_(problem), costs_(problem, by_union), counts_fixed_(counts_fixed), buckets_(std::move(buckets)) {
    loads_.assign(buckets_.size(), std::vector<double>(problem.costs.size()));
    for (int b = 0; b < problem.buckets(); ++b) Price(b);
  }

  double Highest() const {
    double highest = 0;
    for (int b = 0; b < problem_.buckets(); ++b) highest = std::max(highest, Height(b));
    return highest;
  }

  std::vector<std::vector<int>> Run(int pricings) {
    while (pricings > 0) {
      const int worst = Worst();
      std::vector<Swap> swaps = Candidates(worst);
      bool better = false;
      for (std::size_t s = 0; s < swaps.size() && !better && pricings > 0; ++s, --pricings) {
        better = Keep(worst, swaps[s]);
      }
      if (!better) break;
    }
    return std::move(buckets_);
  }

 private:
  double Height(int bucket) const {
    return *std::max_element(loads_[Index(bucket)].begin(), loads_[Index(bucket)].end());
  }
  int Worst() const {
    int worst = 0;
    for (int b = 1; b < problem_.buckets(); ++b) {
      if (Height(b) > Height(worst)) worst = b;
    }
    return worst;
  }
  int Group(int bucket) const { return bucket / problem_.replicas; }

  /// Prices a bucket anew, and the union that it is part of.
  void Price(int bucket) {
    const int begin = Group(bucket) * problem_.replicas;
    for (std::size_t d = 0; d < problem_.costs.size(); ++d) {
      if (!costs_.over_union(d)) {
        loads_[Index(bucket)][d] = costs_.Bucket(d, buckets_[Index(bucket)]);
        continue;
      }
      std::vector<const std::vector<int>*> together;
      together.reserve(Index(problem_.replicas));
      for (int r = 0; r < problem_.replicas; ++r) together.push_back(&buckets_[Index(begin + r)]);
      const double load = costs_.Union(d, together);
      for (int r = 0; r < problem_.replicas; ++r) loads_[Index(begin + r)][d] = load;
    }
  }

  /// Partners by how far down both could meet.
  std::vector<int> Partners(int worst) const {
    std::vector<std::pair<double, int>> partners;
    for (int b = 0; b < problem_.buckets(); ++b) {
      double meet = 0;
      for (std::size_t d = 0; d < problem_.costs.size(); ++d) {
        meet = std::max(meet, loads_[Index(b)][d] + loads_[Index(worst)][d]);
      }
      if (b != worst) partners.emplace_back(meet, b);
    }
    std::sort(partners.begin(), partners.end());
    std::vector<int> best;
    for (std::size_t p = 0; p < std::min(kPartners, partners.size()); ++p) best.push_back(partners[p].second);
    return best;
  }

  /// The best few exchanges by estimate that promise anything.
  std::vector<Swap> Candidates(int worst) const {
    std::vector<Swap> swaps;
    const double height = Height(worst) * (1 - kLeastGain);
    for (const int partner : Partners(worst)) {
      for (const int gives : buckets_[Index(worst)]) {
        if (!counts_fixed_ && buckets_[Index(worst)].size() > 1)
          Consider(worst, {0, partner, gives, -1}, height, swaps);
        for (const int takes : buckets_[Index(partner)]) Consider(worst, {0, partner, gives, takes}, height, swaps);
      }
    }
    std::stable_sort(swaps.begin(), swaps.end(), [](const Swap& a, const Swap& b) { return a.estimate < b.estimate; });
    if (swaps.size() > kTries) swaps.resize(kTries);
    return swaps;
  }
  void Consider(int worst, Swap swap, double height, std::vector<Swap>& swaps) const {
    swap.estimate = Estimate(worst, swap);
    if (swap.estimate < height) swaps.push_back(swap);
  }

  double Estimate(int worst, const Swap& swap) const {
    double higher = 0;
    for (std::size_t d = 0; d < problem_.costs.size(); ++d) {
      double change = problem_.costs[d][Index(swap.gives)];
      if (swap.takes >= 0) change -= problem_.costs[d][Index(swap.takes)];
      if (costs_.over_union(d)) change = Group(worst) == Group(swap.partner) ? 0 : change / problem_.replicas;
      higher = std::max({higher, loads_[Index(worst)][d] - change, loads_[Index(swap.partner)][d] + change});
    }
    return higher;
  }

  bool Keep(int worst, const Swap& swap) {
    const double before = Height(worst);
    Exchange(worst, swap.partner, swap.gives, swap.takes);
    const bool lower = std::max(Height(worst), Height(swap.partner)) < before * (1 - kLeastGain);
    if (lower && CapsHold(worst) && CapsHold(swap.partner)) return true;
    Exchange(swap.partner, worst, swap.gives, swap.takes);
    return false;
  }
  void Exchange(int from, int to, int gives, int takes) {
    std::erase(buckets_[Index(from)], gives);
    buckets_[Index(to)].push_back(gives);
    if (takes >= 0) {
      std::erase(buckets_[Index(to)], takes);
      buckets_[Index(from)].push_back(takes);
    }
    Price(from);
    Price(to);
  }
  bool CapsHold(int bucket) const {
    for (const BucketCap& cap : problem_.caps) {
      double amount = 0;
      for (const int i : buckets_[Index(bucket)]) amount += cap.amounts[Index(i)];
      if (amount > cap.limit) return false;
    }
    return true;
  }

  const BatchProblem& problem_;
  PackedCosts costs_;
  bool counts_fixed_;
  std::vector<std::vector<int>> buckets_;
  std::vector<std::vector<double>> loads_;  ///< [bucket][d], packed
};

}  // namespace

std::vector<std::vector<int>> PolishPacked(const BatchProblem& problem, bool by_union, bool counts_fixed,
                                           std::vector<std::vector<int>> buckets, int pricings) {
  return Polish(problem, by_union, counts_fixed, std::move(buckets)).Run(pricings);
}

double LargestPackedBucket(const BatchProblem& problem, bool by_union, const std::vector<std::vector<int>>& buckets) {
  return Polish(problem, by_union, false, buckets).Highest();
}

}  // namespace dflop
