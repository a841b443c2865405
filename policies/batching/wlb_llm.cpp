// wlb-llm: WLB-LLM's packing by workload with a queue for outliers (arXiv 2503.17924, OSDI 2025).
//
// The workload of a document is its attention, which grows with its own length squared, and its linear layers, which
// grow with its length; here the LLM's predicted seconds, which are just that. Documents over a threshold are outliers:
// they wait, level by level, until there are enough for every microbatch to get one. The others and the outliers let go
// are packed by workload, the costliest first, into the least loaded microbatch.
//
// Guessed, for the text leaves it open: level n begins at `threshold`·2ⁿ mean microbatches' workload; an outlier waits
// for `patience` steps at most and then runs with whatever is there; documents that would leave a microbatch empty run.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/longest_first.hpp"

namespace dflop {
namespace {

class WlbLlmBatcher final : public BatchScheduler {
 public:
  WlbLlmBatcher(double threshold, std::int64_t patience) : threshold_(threshold), patience_(patience) {}

  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    BatchPlan plan = EmptyPlan(problem);
    if (problem.may_defer) plan.deferred = Outliers(problem);
    std::vector<int> running;
    for (int i = 0; i < problem.samples(); ++i) {
      if (!std::binary_search(plan.deferred.begin(), plan.deferred.end(), i)) running.push_back(i);
    }
    auto buckets = LongestFirst(std::move(running), Workload(problem), problem.buckets());
    for (std::size_t b = 0; b < buckets.size(); ++b) {
      plan.buckets[b % plan.buckets.size()][b / plan.buckets.size()] = std::move(buckets[b]);
    }
    return plan;
  }

 private:
  static const std::vector<double>& Workload(const BatchProblem& problem) {
    return problem.module_costs.empty() ? problem.costs.back() : problem.module_costs.back();
  }

  /// Those that wait on, ascending.
  std::vector<int> Outliers(const BatchProblem& problem) const {
    const std::vector<double>& workload = Workload(problem);
    const double mean = std::accumulate(workload.begin(), workload.end(), 0.0) / problem.buckets();
    std::map<int, std::vector<int>> levels;  // the longest waiting come first, as the batch has them
    for (int i = 0; i < problem.samples(); ++i) {
      const double size = workload[Index(i)] / (mean * threshold_);
      if (size > 1) levels[std::ilogb(size)].push_back(i);
    }
    std::vector<int> waiting;
    for (const auto& [level, samples] : levels) {
      const std::size_t released = samples.size() / Index(problem.buckets()) * Index(problem.buckets());
      for (std::size_t n = released; n < samples.size(); ++n) {
        const bool patient = problem.waited.empty() || problem.waited[Index(samples[n])] < patience_;
        if (patient) waiting.push_back(samples[n]);
      }
    }
    const std::size_t most = Index(problem.samples() - problem.buckets());
    if (waiting.size() > most) waiting.resize(most);
    std::sort(waiting.begin(), waiting.end());
    return waiting;
  }

  double threshold_;
  std::int64_t patience_;
};

const Registration<BatchScheduler> kWlbLlm{
    {"wlb-llm",
     "packs by LLM workload, outliers wait until every microbatch gets one (WLB-LLM, arXiv 2503.17924)",
     {{.name = "threshold",
       .type = Parameter::Number{0.01, 1e6},
       .standard = 1.0,
       .help = "workload over a microbatch's mean from which a sample is an outlier"},
      {.name = "patience",
       .type = Parameter::Integer{0, 1'000'000},
       .standard = 4,
       .unit = "steps",
       .help = "that an outlier may wait"}}},
    [](const Parameters& given) {
      return std::make_unique<WlbLlmBatcher>(given.Number("threshold"), given.Int("patience"));
    }};

}  // namespace
}  // namespace dflop
