// disttrain: DistTrain's two reorderings of a global batch (arXiv 2408.04275, SIGCOMM 2025).
//
// Intra-microbatch: sort the samples by falling encoder cost, give each to the data-parallel group with the smallest
// sum that still has room, so that no group straggles. Inter-microbatch: within a group the smallest microbatch comes
// first, because the pipeline fills behind it; the p−1 smallest of the rest are kept for the end, where nothing hides
// an encoder any more; in between comes the microbatch whose encoder time fits best into the interval that the LLM's
// work on the one before leaves.
//
// Guessed, for the text leaves it open: groups get equal counts; a group's microbatches are filled with equal counts in
// sampling order; a microbatch's size is its encoder cost, and "fits best" means the largest that does not exceed the
// interval, or else the smallest.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/longest_first.hpp"

namespace dflop {
namespace {

double Sum(const std::vector<double>& cost, const std::vector<int>& samples) {
  double sum = 0;
  for (const int i : samples) sum += cost[Index(i)];
  return sum;
}

class DistTrainBatcher final : public BatchScheduler {
 public:
  DistTrainBatcher(bool intra, bool inter) : intra_(intra), inter_(inter) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    BatchPlan plan = DealEqualCounts(InOrder(problem.samples()), problem);
    if (intra_) Balance(plan, problem);
    if (inter_) {
      for (auto& replica : plan.buckets) Reorder(replica, problem);
    }
    return plan;
  }

 private:
  /// The first dimension is the encoder's, or that of the device that it shares with the LLM; the last one the LLM's.
  static const std::vector<double>& EncoderCost(const BatchProblem& problem) { return problem.costs.front(); }
  static const std::vector<double>& LlmCost(const BatchProblem& problem) { return problem.costs.back(); }

  static void Balance(BatchPlan& plan, const BatchProblem& problem) {
    auto groups = LongestFirst(InOrder(problem.samples()), EncoderCost(problem), problem.replicas, Counts::kEqual);
    for (std::size_t r = 0; r < groups.size(); ++r) {
      std::sort(groups[r].begin(), groups[r].end());
      BatchProblem alone;
      alone.microbatches = problem.microbatches;
      plan.buckets[r] = DealEqualCounts(groups[r], alone).buckets.front();
    }
  }

  static void Reorder(std::vector<std::vector<int>>& microbatches, const BatchProblem& problem) {
    std::stable_sort(microbatches.begin(), microbatches.end(), [&](const auto& a, const auto& b) {
      return Sum(EncoderCost(problem), a) < Sum(EncoderCost(problem), b);
    });
    const std::size_t tail = std::min(microbatches.size() - 1, Index(PipelineDepth(problem) - 1));
    std::vector<std::vector<int>> middle(microbatches.begin() + 1 + static_cast<std::ptrdiff_t>(tail),
                                         microbatches.end());
    std::vector<std::vector<int>> order = {microbatches.front()};
    while (!middle.empty()) {
      const double interval = Sum(LlmCost(problem), order.back());
      auto best = middle.begin();  // ascending: the last that fits is the largest
      for (auto next = middle.begin(); next != middle.end(); ++next) {
        if (Sum(EncoderCost(problem), *next) <= interval) best = next;
      }
      order.push_back(std::move(*best));
      middle.erase(best);
    }
    order.insert(order.end(), microbatches.begin() + 1, microbatches.begin() + 1 + static_cast<std::ptrdiff_t>(tail));
    microbatches = std::move(order);
  }

  static int PipelineDepth(const BatchProblem& problem) {
    return problem.context ? DevicePositions(problem.context->layout).back() + 1 : 1;
  }

  bool intra_;
  bool inter_;
};

const Registration<BatchScheduler> kDistTrain{
    {"disttrain",
     "samples balanced over replicas, microbatches ordered for the pipeline (DistTrain, arXiv 2408.04275)",
     {{.name = "intra", .type = Parameter::Flag{}, .standard = true, .help = "samples reordered over the replicas"},
      {.name = "inter", .type = Parameter::Flag{}, .standard = true, .help = "microbatches reordered in a replica"}}},
    [](const Parameters& given) {
      return std::make_unique<DistTrainBatcher>(given.Flag("intra"), given.Flag("inter"));
    }};

}  // namespace
}  // namespace dflop
