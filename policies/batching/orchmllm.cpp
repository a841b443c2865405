// orchmllm: OrchMLLM's post-balancing of every phase by itself (arXiv 2503.23830).
//
// Which samples a microbatch index has is left as it was drawn. Then each phase (every encoder, the LLM) spreads them
// over its own replicas, the costliest first to the least loaded, so that a sample may be encoded on one replica and go
// through the LLM on another. The tiles travel by an all-to-all, forward and backward, which the simulator charges
// between the two phases (sim/build/communicator.hpp).
//
// Guessed, for the text leaves it open: balancing covers one microbatch index at a time; raw inputs are read where they
// are encoded and cost nothing; which replica gets which part is not optimised for the nodes it would stay in.
#include "base/index.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"
#include "policies/batching_search/longest_first.hpp"

namespace dflop {
namespace {

class OrchMllmBatcher final : public BatchScheduler {
 public:
  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    const BatchPlan drawn = DealEqualCounts(InOrder(problem.samples()), problem);
    const auto& llm_cost = problem.module_costs.empty() ? problem.costs.back() : problem.module_costs.back();
    BatchPlan plan{Rebalanced(drawn.buckets, llm_cost, problem.replicas)};
    if (!problem.context) return plan;  // bare numbers: no encoders are known
    if (problem.context->layout.splits > 1 && problem.module_costs.size() > 1) {
      throw Infeasible("balances encoders by themselves, which a schedule that divides sequences does not follow",
                       "/batching");
    }
    for (std::size_t e = 0; e + 1 < problem.module_costs.size(); ++e) {
      plan.encoder_buckets.push_back(
          Rebalanced(drawn.buckets, problem.module_costs[e], problem.context->layout.replicas_of(static_cast<int>(e))));
    }
    return plan;
  }

 private:
  /// Each microbatch index over so many replicas.
  static Buckets Rebalanced(const Buckets& drawn, const std::vector<double>& cost, int replicas) {
    Buckets buckets(Index(replicas), std::vector<std::vector<int>>(drawn.front().size()));
    for (std::size_t k = 0; k < drawn.front().size(); ++k) {
      std::vector<int> samples;
      for (const auto& replica : drawn) samples.insert(samples.end(), replica[k].begin(), replica[k].end());
      auto parts = LongestFirst(std::move(samples), cost, replicas);
      for (std::size_t r = 0; r < parts.size(); ++r) buckets[r][k] = std::move(parts[r]);
    }
    return buckets;
  }
};

const Registration<BatchScheduler> kOrchMllm{
    {"orchmllm",
     "every phase balanced over its replicas by an all-to-all that is charged (OrchMLLM, arXiv 2503.23830)",
     {}},
    [](const Parameters&) { return std::make_unique<OrchMllmBatcher>(); }};

}  // namespace
}  // namespace dflop
