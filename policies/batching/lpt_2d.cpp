// lpt-2d: longest processing time first, in several dimensions at once.
//
// Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 1969, as the fallback of DFLOP's scheduler
// (arXiv 2603.25120, section 3.4.2), which does not say which number of the pair (encoder, LLM) it sorts and balances
// by. Here: sort by the larger one, give the next sample to the bucket whose larger sum stays smallest; a tie goes to
// the smaller total, then to the lower bucket. On nodes of several kinds sums are weighed with the pace of the bucket's
// replica, so that fast GPUs get more (uniform machines: Horowitz and Sahni, J. ACM 1976), unless "device_speed" is
// false. O(N·B·D).
#include <algorithm>
#include <utility>

#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"

namespace dflop {
namespace {

class LptBatcher final : public BatchScheduler {
 public:
  explicit LptBatcher(bool device_speed) : device_speed_(device_speed) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    std::vector<int> order = InOrder(problem.samples());
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return Largest(problem, a) > Largest(problem, b); });
    BatchPlan plan = EmptyPlan(problem);
    std::vector<std::vector<double>> loads(static_cast<std::size_t>(problem.buckets()),
                                           std::vector<double>(problem.costs.size()));
    std::vector<int> counts(loads.size());
    int empty = problem.buckets();
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool must_fill = static_cast<int>(order.size() - i) <= empty;
      const std::size_t bucket = BestBucket(problem, order[i], loads, counts, must_fill);
      if (counts[bucket]++ == 0) --empty;
      for (std::size_t d = 0; d < problem.costs.size(); ++d) {
        loads[bucket][d] += problem.costs[d][static_cast<std::size_t>(order[i])];
      }
      plan.buckets[bucket % plan.buckets.size()][bucket / plan.buckets.size()].push_back(order[i]);
    }
    return plan;
  }

 private:
  static double Largest(const BatchProblem& problem, int sample) {
    double largest = 0;
    for (const auto& dimension : problem.costs)
      largest = std::max(largest, dimension[static_cast<std::size_t>(sample)]);
    return largest;
  }

  /// `only_empty`: as many samples are left as buckets are empty, and none may stay so.
  std::size_t BestBucket(const BatchProblem& problem, int sample, const std::vector<std::vector<double>>& loads,
                         const std::vector<int>& counts, bool only_empty) const {
    std::size_t best = loads.size();
    std::pair<double, double> best_key;
    for (std::size_t b = 0; b < loads.size(); ++b) {
      if (only_empty && counts[b] > 0) continue;
      std::pair<double, double> key{0, 0};
      const double pace = device_speed_ ? problem.PaceOf(static_cast<int>(b) % problem.replicas) : 1;
      for (std::size_t d = 0; d < problem.costs.size(); ++d) {
        const double load = (loads[b][d] + problem.costs[d][static_cast<std::size_t>(sample)]) * pace;
        key.first = std::max(key.first, load);
        key.second += load;
      }
      if (best == loads.size() || key < best_key) best = b, best_key = key;
    }
    return best;
  }

  bool device_speed_;
};

const Registration<BatchScheduler> kLpt{
    {"lpt-2d",
     "longest processing time first over encoder and LLM time (DFLOP's fallback, arXiv 2603.25120, 3.4.2)",
     {{.name = "device_speed",
       .type = Parameter::Flag{},
       .standard = true,
       .help = "on nodes of several kinds fast replicas get more"}}},
    [](const Parameters& parameters) { return std::make_unique<LptBatcher>(parameters.Flag("device_speed")); }};

}  // namespace
}  // namespace dflop
