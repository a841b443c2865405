// Claims on replica classes: one of several equal replicas, built alone, tells the same times and the same hash as all.
#include "sim/build/replica_classes.hpp"

#include <gtest/gtest.h>

#include "sim/measure/timeline_hash.hpp"
#include "tests/sim/random_step.hpp"

namespace dflop {
namespace {

std::vector<std::vector<int>> Members(const std::vector<ReplicaClass>& classes) {
  std::vector<std::vector<int>> members;
  members.reserve(classes.size());
  for (const ReplicaClass& one : classes) members.push_back(one.replicas);
  return members;
}

struct Ran {
  OperationGraph graph;
  OperationTimes times;
};

Ran RunStep(const RandomStep& step, bool folded) {
  const CostModel cost(step.model, step.cluster, std::make_shared<FakeKernelCosts>(), step.software);
  const StepWork work = DivideWork(step.plan, step.layout, cost, step.batch);
  const std::vector<ReplicaClass> classes =
      folded ? ReplicaClassesOf(cost, step.layout, work) : std::vector<ReplicaClass>{};
  Ran ran;
  ran.graph =
      BuildGraph({cost, step.layout, step.orders}, work, PriceStep(cost, step.layout, work), {.classes = classes});
  ran.times = MakeReplayEngine()->Run(ran.graph);
  return ran;
}

TEST(ReplicaClasses, EqualWorkOnEqualDevicesIsOneClass) {
  const Layout layout = BuildLayout(HomogeneousDegrees{2, 2, 4, 1, 3}, SmallVlm(), A100Nodes(2));
  const CostModel cost = SmallJob(2);
  StepWork work = TinyWork(cost, layout);
  EXPECT_EQ(Members(ReplicaClassesOf(cost, layout, work)), (std::vector<std::vector<int>>{{0, 1, 2, 3}}));
  work.sequences.back()[2][1] = LlmBatch({500}, Packing::kPacked);
  EXPECT_EQ(Members(ReplicaClassesOf(cost, layout, work)), (std::vector<std::vector<int>>{{0, 1, 3}, {2}}));
}

TEST(ReplicaClasses, ReplicaWhoseStagesMeetOverTheNicIsAnotherOne) {
  // tp 2, pp 2, dp 3 on nodes of 8: stage 0 on GPUs 0–5, stage 1 on 6–11; only replica 0's two groups share a node.
  const Layout layout = BuildLayout(HomogeneousDegrees{2, 2, 3, 1, 3}, SmallVlm(), A100Nodes(2));
  const CostModel cost = SmallJob(2);
  EXPECT_EQ(Members(ReplicaClassesOf(cost, layout, TinyWork(cost, layout))),
            (std::vector<std::vector<int>>{{0}, {1, 2}}));
}

TEST(ReplicaClasses, ReplicasThatEncodersFeedStandForThemselves) {
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 2}}, {1, 1, 4}, 2, Communicator::kDirect}, SmallVlm(), A100Nodes(1));
  const CostModel cost = SmallJob(1);
  EXPECT_EQ(ReplicaClassesOf(cost, layout, TinyWork(cost, layout)).size(), 4u);
}

TEST(ReplicaClasses, FoldedEqualsUnfoldedToTheLastBit) {
  int folded_away = 0;
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    const RandomStep random = RandomStepMaker(seed).Make();
    if (random.layout.joins() || random.layout.llm_replicas() < 2) continue;
    const RandomStep step = WithRepeatedReplicas(random, seed % 2 == 0 || random.layout.llm_replicas() < 3 ? 1 : 2);
    const Ran all = RunStep(step, false);
    const Ran folded = RunStep(step, true);
    const TimelineHash hash(step.layout);
    EXPECT_EQ(folded.times.makespan, all.times.makespan) << "seed " << seed << ", " << step.layout.name;
    EXPECT_EQ(hash.Classes(folded.graph, folded.times), hash.Classes(all.graph, all.times))
        << "seed " << seed << ", " << step.layout.name;
    folded_away += folded.graph.operations.size() < all.graph.operations.size() ? 1 : 0;
  }
  EXPECT_GT(folded_away, 20) << "too few steps had equal replicas";
}

}  // namespace
}  // namespace dflop
