// random: shuffled samples in equal counts; what every data-blind framework does (arXiv 2603.25120, section 5.1).
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"

namespace dflop {
namespace {

class RandomBatcher final : public BatchScheduler {
 public:
  BatchPlan Schedule(const BatchProblem& problem, RandomStream& random) override {
    std::vector<int> samples = InOrder(problem.samples());
    random.Shuffle(samples);
    return DealEqualCounts(samples, problem);
  }
};

const Registration<BatchScheduler> kRandom{{"random", "shuffled samples in equal counts, data-blind", {}},
                                           [](const Parameters&) { return std::make_unique<RandomBatcher>(); }};

}  // namespace
}  // namespace dflop
