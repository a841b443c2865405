// The worked example of the README ("Add a policy"), compiled, run, and held against the README's text.
// [example]
// largest-apart: deals samples by falling cost, to and fro over the buckets, like cards.
#include <algorithm>

#include "base/index.hpp"
#include "policies/api/registry.hpp"
#include "policies/batching_search/equal_counts.hpp"

namespace dflop {
namespace {

class LargestApart final : public BatchScheduler {
 public:
  BatchPlan Schedule(const BatchProblem& problem, RandomStream&) override {
    std::vector<int> order = InOrder(problem.samples());
    const std::vector<double>& cost = problem.costs.back();  // the LLM's, in seconds
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return cost[Index(a)] > cost[Index(b)]; });
    BatchPlan plan = EmptyPlan(problem);
    for (int i = 0; i < problem.samples(); ++i) {
      const int turn = i % (2 * problem.buckets());
      const int bucket = turn < problem.buckets() ? turn : 2 * problem.buckets() - 1 - turn;
      plan.buckets[Index(bucket % problem.replicas)][Index(bucket / problem.replicas)].push_back(order[Index(i)]);
    }
    return plan;
  }
};

const Registration<BatchScheduler> kLargestApart{{"largest-apart", "deals samples by falling cost, to and fro", {}},
                                                 [](const Parameters&) { return std::make_unique<LargestApart>(); }};

}  // namespace
}  // namespace dflop
// [example]

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "test_paths.hpp"

namespace dflop {
namespace {

TEST(Readme, ShowsThePolicyThatThisFileCompiles) {
  const std::string source = ReadFile(DFLOP_SOURCE_DIR "/tests/experiments/readme_policy_test.cpp");
  const std::string marker = "// [example]\n";
  const std::size_t begin = source.find(marker) + marker.size();
  const std::string example = source.substr(begin, source.find(marker, begin) - begin);
  EXPECT_NE(ReadFile(DFLOP_SOURCE_DIR "/README.md").find("```cpp\n" + example + "```"), std::string::npos)
      << "README.md shows another example:\n"
      << example;
}

TEST(Readme, ItsPolicyIsFoundByNameAndBalancesBetterThanArrivalOrder) {
  // Costs 1 … 12 in rising order on three buckets: in order 1+2+3+4 | … | 9+10+11+12 = 42; dealt to and fro every
  // bucket gets 26.
  BatchProblem problem{3, 1, {{}}};
  for (int i = 1; i <= 12; ++i) problem.costs[0].push_back(i);
  const Json name("largest-apart");
  RandomStream random(1, "unused");
  const auto batcher = Registry<BatchScheduler>::Instance().Make(JsonReader(name, "test"));
  EXPECT_DOUBLE_EQ(LargestBucket(problem, batcher->Schedule(problem, random)), 26);
}

}  // namespace
}  // namespace dflop
