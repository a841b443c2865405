// in-order: samples as they come, consecutive ones into one microbatch, counts that differ by at most one.
//
// What a loader does that neither shuffles nor balances; with equal samples it is the plain Megatron-LM batch.
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"

namespace dflop {
namespace {

class InOrderBatcher final : public BatchScheduler {
 public:
  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    return DealEqualCounts(InOrder(problem.samples()), problem);
  }
};

const Registration<BatchScheduler> kInOrder{{"in-order", "samples as they come, in equal counts", {}},
                                            [](const Parameters&) { return std::make_unique<InOrderBatcher>(); }};

}  // namespace
}  // namespace dflop
