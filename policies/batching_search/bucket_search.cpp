// Compiled once for every number of dimensions (W). A descent stops at the floor, the mean in whole granules.
#include "policies/batching_search/bucket_search.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <queue>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "policies/batching_search/bucket_exchange.hpp"
#include "policies/batching_search/bucket_repack.hpp"
#include "policies/batching_search/bucket_start.hpp"
#include "policies/batching_search/bucket_state.hpp"

namespace dflop {
namespace {

constexpr double kLeastGain = 1e-9;    ///< relative; less is rounding
constexpr double kCloseEnough = 1e-4;  ///< over the floor, relative: nobody measures the rest
constexpr std::size_t kPartners = 8;
constexpr int kPartnersSampled = 256;  ///< so that a step does not cost more the more buckets there are
constexpr int kMostGiven = 3;          ///< samples of either side in one exchange
constexpr std::int64_t kRepackLooks = 20'000;

template <int W>
class Search {
 public:
  Search(const SearchProblem& problem, std::int64_t evaluations)
      : problem_(problem), state_(problem), exchange_(state_), repack_(state_), left_(evaluations) {}

  std::vector<std::vector<int>> Run() {
    BucketStart<W>(state_).Run();
    while (Descend()) {
    }
    if (RepackAll()) return std::move(state_.members);
    while (BudgetLeft() && Unsettled().height > floor_ * (1 + kCloseEnough)) {
      const bool better = RepackWorst() || Kick();
      while (better && Descend()) {
      }
    }
    return std::move(state_.members);
  }

 private:
  struct Worst {
    double height = 0;
    int count = 0;  ///< of buckets about as high
    int bucket = 0;
  };

  bool BudgetLeft() const { return left_ > exchange_.looks(); }

  /// A bucket of one sample above what the others could reach stays what it is.
  bool Settled(int bucket) const {
    return state_.members[Index(bucket)].size() == 1 && state_.heights[Index(bucket)] > floor_;
  }

  /// What the highest unsettled bucket cannot be below: their mean, in whole granules.
  void FindFloor() {
    floor_ = std::numeric_limits<double>::infinity();
    for (bool changed = true; changed;) {
      Load<W> sum{};
      Load<W> all{};
      double count = 0;
      for (int b = 0; b < problem_.buckets; ++b) {
        AddTo<W>(all, state_.own[Index(b)]);
        if (Settled(b)) continue;
        AddTo<W>(sum, state_.own[Index(b)]);
        ++count;
      }
      const double floor = count > 0 ? FloorOf(sum, all, count) : 0.0;
      changed = floor < floor_ && count > 0;
      floor_ = std::min(floor_, floor);
    }
  }
  double FloorOf(const Load<W>& sum, const Load<W>& all, double count) const {
    Load<W> mean{};
    const double groups = std::ceil(static_cast<double>(problem_.buckets) / problem_.group_size);
    for (std::size_t d = 0; d < problem_.dimensions.size(); ++d) {
      const double granule = problem_.dimensions[d].granule;
      mean[d] = state_.shared[d] ? all[d] / groups : sum[d] / count;
      if (granule > 0 && !state_.shared[d]) mean[d] = std::ceil(mean[d] / granule - 1e-9) * granule;
    }
    return state_.Height(mean);
  }

  Worst Unsettled() const {
    Worst worst;
    for (int b = 0; b < problem_.buckets; ++b) {
      const double height = state_.heights[Index(b)];
      if (Settled(b) || height < worst.height * (1 - kLeastGain)) continue;
      if (height <= worst.height * (1 + kLeastGain)) {
        ++worst.count;
      } else {
        worst = {height, 1, b};
      }
    }
    return worst;
  }

  /// Improves bucket after bucket, the highest first, down to the floor; true when any exchange was made.
  bool Descend() {
    FindFloor();
    return Lower(floor_ * (1 + kCloseEnough), std::numeric_limits<double>::infinity());
  }
  /// Works on buckets above `enough`; gives up at one above `hopeless` that cannot be improved.
  bool Lower(double enough, double hopeless) {
    std::priority_queue<std::pair<double, int>> queue;
    for (int b = 0; b < problem_.buckets; ++b) {
      if (state_.heights[Index(b)] > enough) queue.emplace(state_.heights[Index(b)], b);
    }
    bool changed = false;
    while (!queue.empty() && BudgetLeft()) {
      const auto [height, bucket] = queue.top();
      queue.pop();
      if (height != state_.heights[Index(bucket)]) continue;  // changed since
      const Exchange exchange = BestExchange(bucket, height);
      if (exchange.partner < 0) {
        if (height > hopeless && !Settled(bucket)) return changed;
        continue;
      }
      exchange_.Apply(exchange);
      changed = true;
      PushGroup(bucket, enough, queue);
      PushGroup(exchange.partner, enough, queue);
    }
    return changed;
  }
  /// Buckets that share sums change together.
  template <typename Queue>
  void PushGroup(int bucket, double enough, Queue& queue) const {
    const int size = state_.any_shared ? problem_.group_size : 1;
    const int begin = bucket / size * size;
    for (int b = begin; b < std::min(begin + size, problem_.buckets); ++b) {
      if (state_.heights[Index(b)] > enough) queue.emplace(state_.heights[Index(b)], b);
    }
  }

  /// The fewest samples that help, from the most promising partners.
  Exchange BestExchange(int bucket, double height) {
    ListPartners(bucket, height);
    for (int most = 1; most <= kMostGiven && BudgetLeft(); ++most) {
      Exchange best{height * (1 - kLeastGain), -1, 0, 0};
      exchange_.Begin(bucket, most);
      for (const auto& [least, partner] : partners_) {
        if (least >= best.height || best.height <= floor_) break;
        exchange_.Try(partner, floor_, best);
      }
      if (best.partner >= 0) return best;
    }
    return {};
  }
  /// By the height that bucket and partner would have if they could meet in the middle.
  void ListPartners(int bucket, double height) {
    partners_.clear();
    const int step = std::max(1, problem_.buckets / kPartnersSampled);
    const Load<W>& load = state_.loads[Index(bucket)];
    for (int b = next_partner_++ % step; b < problem_.buckets; b += step) {
      if (b == bucket) continue;
      Load<W> mean;
      for (std::size_t d = 0; d < Index(W); ++d) mean[d] = (load[d] + state_.loads[Index(b)][d]) / 2;
      const double least = state_.Height(mean);
      if (least < height * (1 - kLeastGain)) partners_.emplace_back(least, b);
    }
    left_ -= std::min(problem_.buckets, kPartnersSampled) / 2;
    const auto end = partners_.begin() + static_cast<std::ptrdiff_t>(std::min(kPartners, partners_.size()));
    std::partial_sort(partners_.begin(), end, partners_.end());
    partners_.erase(end, partners_.end());
  }

  /// The whole problem, where it is small enough to be solved exactly.
  bool RepackAll() {
    if (problem_.buckets > 3 || Index(problem_.samples) > BucketRepack<W>::kMostSamples) return false;
    std::vector<int> all(Index(problem_.buckets));
    std::iota(all.begin(), all.end(), 0);
    repack_.Run(all, state_.Highest() * (1 - kLeastGain), left_);
    return BudgetLeft();
  }

  /// The worst bucket and two others that leave few enough samples.
  bool RepackWorst() {
    const Worst worst = Unsettled();
    if (problem_.buckets < 3) return false;
    std::vector<int> three = {worst.bucket};
    while (three.size() < 3) {
      const int other = RandomBucket();
      if (std::find(three.begin(), three.end(), other) == three.end()) three.push_back(other);
    }
    std::int64_t looks = std::min(kRepackLooks, left_ - exchange_.looks());
    left_ -= looks;
    const bool better = repack_.Run(three, worst.height * (1 - kLeastGain), looks);
    left_ += std::max<std::int64_t>(looks, 0) - 4;
    return better;
  }

  /// A few samples of the worst bucket and two others are swapped at random and the worst buckets improved again; kept
  /// unless the highest is higher, or as many are as high. True when it is lower.
  bool Kick() {
    const Worst before = Unsettled();
    const std::vector<std::vector<int>> members = state_.members;
    left_ -= static_cast<std::int64_t>(members.size()) + problem_.samples / 4 + 1;
    const int second = RandomBucket();
    SwapRandom(before.bucket, second);
    SwapRandom(second, RandomBucket());
    Lower(before.height * (1 - kLeastGain), before.height * (1 + kLeastGain));
    const Worst after = Unsettled();
    const bool higher = after.height > before.height * (1 + kLeastGain);
    const bool lower = after.height < before.height * (1 - kLeastGain);
    if (higher || (!lower && after.count > before.count)) {
      for (std::size_t b = 0; b < members.size(); ++b) {
        if (state_.members[b] == members[b]) continue;
        state_.members[b] = members[b];
        state_.Refresh(static_cast<int>(b));
      }
    }
    return lower;
  }
  int RandomBucket() { return static_cast<int>(random_.Below(state_.members.size())); }
  void SwapRandom(int a, int b) {
    if (a == b) return;
    auto& left = state_.members[Index(a)];
    auto& right = state_.members[Index(b)];
    std::swap(left[random_.Below(left.size())], right[random_.Below(right.size())]);
    state_.Refresh(a);
    state_.Refresh(b);
  }

  const SearchProblem& problem_;
  BucketState<W> state_;
  BucketExchange<W> exchange_;
  BucketRepack<W> repack_;
  std::int64_t left_;  ///< of the budget, without what exchange_ has looked at
  RandomStream random_{0, "bucket search"};
  double floor_ = 0;
  int next_partner_ = 0;
  std::vector<std::pair<double, int>> partners_;
};

}  // namespace

std::vector<std::vector<int>> SearchBuckets(const SearchProblem& problem, std::int64_t evaluations) {
  DFLOP_CHECK(problem.samples >= problem.buckets && problem.buckets > 0, "a sample for every bucket");
  const std::size_t dimensions = problem.dimensions.size();
  DFLOP_CHECK(dimensions > 0 && dimensions <= Index(kMostSearchDimensions), "as many dimensions as the search knows");
  if (dimensions <= 2) return Search<2>(problem, evaluations).Run();
  if (dimensions <= 4) return Search<4>(problem, evaluations).Run();
  return Search<kMostSearchDimensions>(problem, evaluations).Run();
}

}  // namespace dflop
