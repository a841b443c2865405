// entrain: Entrain's two levels of assigning samples to microbatches (arXiv 2605.27918).
//
// A sample that is heavy for the encoder need not be heavy for the LLM, so that no grouping evens out both. Entrain
// groups for the encoder alone and then lets the LLM run some samples later than they were encoded:
//   * stratified assignment: samples sorted by encoder cost are cut into strata of one sample per microbatch; each
//     stratum is spread over the microbatches, its costliest sample to the one with the smallest encoder sum so far;
//   * pairwise deferral: within a replica the microbatch with the largest LLM sum is paired with the one with the
//     smallest, and so on inwards. Samples of the heavy one wait for the light one's turn, as long as that brings both
//     sums closer. The LLM's microbatch then waits for both microbatches of the encoder, and the encoder's backward for
//     both of the LLM (BatchPlan::encoder_buckets).
//
// Guessed, for the text that we could read (abstract and summaries) leaves it open: equal counts; a pair's two
// microbatches follow each other, the heavy one first, so that nothing waits for longer than one microbatch; pairs run
// in the order of their heavier half, largest first; the sample moved is the one that leaves the smaller difference.
// Where encoder and LLM share devices there is nothing to win, and where the orders cannot run what would be deferred
// nothing is: the note says so. The paper's eager forwards are pipeline `eager-1f1b`, its static split layout
// `balanced-split`.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/longest_first.hpp"
#include "sim/build/deadlock.hpp"

namespace dflop {
namespace {

using Bucket = std::vector<int>;

double SumOver(const Bucket& bucket, const std::vector<double>& cost) {
  double sum = 0;
  for (const int i : bucket) sum += cost[Index(i)];
  return sum;
}

/// Seconds of all encoders together; where no module is known, the first dimension.
std::vector<double> EncoderSeconds(const BatchProblem& problem) {
  if (problem.module_costs.size() < 2) return problem.costs.front();
  std::vector<double> sum = problem.module_costs.front();
  for (std::size_t e = 1; e + 1 < problem.module_costs.size(); ++e) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += problem.module_costs[e][i];
  }
  return sum;
}

const std::vector<double>& LlmSeconds(const BatchProblem& problem) {
  return problem.module_costs.empty() ? problem.costs.back() : problem.module_costs.back();
}

/// Strata of one sample per bucket, the costliest first.
std::vector<Bucket> Stratify(const BatchProblem& problem, const std::vector<double>& cost) {
  std::vector<int> samples = InOrder(problem.samples());
  std::stable_sort(samples.begin(), samples.end(), [&](int a, int b) { return cost[Index(a)] > cost[Index(b)]; });
  std::vector<Bucket> buckets(Index(problem.buckets()));
  std::vector<double> sums(buckets.size());
  for (std::size_t begin = 0; begin < samples.size(); begin += buckets.size()) {
    std::vector<int> emptiest = InOrder(problem.buckets());
    std::stable_sort(emptiest.begin(), emptiest.end(), [&](int a, int b) { return sums[Index(a)] < sums[Index(b)]; });
    for (std::size_t n = 0; n < buckets.size() && begin + n < samples.size(); ++n) {
      const int sample = samples[begin + n];
      buckets[Index(emptiest[n])].push_back(sample);
      sums[Index(emptiest[n])] += cost[Index(sample)];
    }
  }
  for (Bucket& bucket : buckets) std::sort(bucket.begin(), bucket.end());
  return buckets;
}

/// A replica's microbatches: the heaviest, the lightest, the second heaviest, …; of an odd number the middle one last.
void OrderPairs(std::vector<Bucket>& microbatches, const std::vector<double>& cost) {
  std::stable_sort(microbatches.begin(), microbatches.end(),
                   [&](const Bucket& a, const Bucket& b) { return SumOver(a, cost) > SumOver(b, cost); });
  std::vector<Bucket> order;
  order.reserve(microbatches.size());
  for (std::size_t i = 0; i < (microbatches.size() + 1) / 2; ++i) {
    const std::size_t light = microbatches.size() - 1 - i;
    order.push_back(std::move(microbatches[i]));
    if (light != i) order.push_back(std::move(microbatches[light]));
  }
  microbatches = std::move(order);
}

/// Moves samples while the difference of the sums shrinks; the heavy microbatch keeps one.
void Defer(Bucket& heavy, Bucket& light, const std::vector<double>& cost) {
  double difference = SumOver(heavy, cost) - SumOver(light, cost);
  while (heavy.size() > 1 && difference > 0) {
    const auto left = [&](int sample) { return std::abs(difference - 2 * cost[Index(sample)]); };
    const auto best = std::min_element(heavy.begin(), heavy.end(), [&](int a, int b) { return left(a) < left(b); });
    if (left(*best) >= difference) return;
    difference -= 2 * cost[Index(*best)];
    light.push_back(*best);
    heavy.erase(best);
  }
}

class EntrainBatcher final : public BatchScheduler {
 public:
  explicit EntrainBatcher(bool defer) : defer_(defer) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    BatchPlan plan = PlanOfBuckets(problem, Stratify(problem, EncoderSeconds(problem)));
    if (!defer_ || problem.costs.size() < 2) return plan;
    if (problem.context && problem.context->layout.splits > 1) {
      plan.note = "nothing was deferred: the schedule divides sequences";
      return plan;
    }
    for (auto& replica : plan.buckets) OrderPairs(replica, LlmSeconds(problem));
    BatchPlan deferred{plan.buckets};
    for (auto& replica : deferred.buckets) {
      for (std::size_t k = 0; k + 1 < replica.size(); k += 2) Defer(replica[k], replica[k + 1], LlmSeconds(problem));
    }
    if (!problem.context) return deferred;  // bare numbers: no encoders are known
    AddEncoders(problem, plan.buckets, deferred);
    if (Runs(*problem.context, deferred)) return deferred;
    plan.note = "nothing was deferred: the pipeline's orders cannot run it";
    return plan;
  }

 private:
  /// Encoders run what was assigned first: a homogeneous layout's where the sample's LLM is, others' by longest first.
  static void AddEncoders(const BatchProblem& problem, const Buckets& assigned, BatchPlan& plan) {
    const Layout& layout = problem.context->layout;
    for (int e = 0; e + 1 < layout.modules(); ++e) {
      if (!layout.feeds(e)) {
        plan.encoder_buckets.push_back(assigned);
        continue;
      }
      Buckets& own = plan.encoder_buckets.emplace_back(Index(layout.replicas_of(e)));
      for (std::size_t k = 0; k < assigned.front().size(); ++k) {
        std::vector<int> all;
        for (const auto& replica : assigned) all.insert(all.end(), replica[k].begin(), replica[k].end());
        auto parts = LongestFirst(std::move(all), problem.module_costs[Index(e)], layout.replicas_of(e));
        for (std::size_t r = 0; r < own.size(); ++r) own[r].push_back(std::move(parts[r]));
      }
    }
  }

  static bool Runs(const BatchContext& context, const BatchPlan& plan) {
    return WhyDeadlocked(context, DivideWork(plan, context.layout, context.cost, context.batch)).empty();
  }

  bool defer_;
};

const Registration<BatchScheduler> kEntrain{
    {"entrain",
     "even encoder work, and LLM work of heavy microbatches deferred to light ones (Entrain, arXiv 2605.27918)",
     {{.name = "defer",
       .type = Parameter::Flag{},
       .standard = true,
       .help = "the LLM may run a sample one microbatch later than it was encoded"}}},
    [](const Parameters& given) { return std::make_unique<EntrainBatcher>(given.Flag("defer")); }};

}  // namespace
}  // namespace dflop
