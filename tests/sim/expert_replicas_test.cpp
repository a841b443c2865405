// Experts that fold over the replicas of a stage: who holds the same ones, who waits for whom.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "models/expert_mesh.hpp"
#include "sim/build/communicator.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/shard_groups.hpp"
#include "sim/engine/engine.hpp"
#include "sim/plan/layout_check.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Two layers of eight experts of 4,096 each, two of which see a token.
ModelSpec ExpertModel() {
  ModelSpec model = GptModel(1024, 2, 16, 1000);
  model.llm.shape.experts.count = 8;
  model.llm.shape.experts.top_k = 2;
  model.llm.shape.experts.ffn_hidden = 4096;
  return model;
}

TEST(ExpertCopies, AreEveryNthRankOfAStage) {
  // tp 2 × dp 4 on eight GPUs, ep 4: ranks 0 … 3 hold all experts once, and so do 4 … 7. The same experts are on i and
  // i + 4; each pair adds up its bytes, 2·(1/2) of them sent by each.
  const ModelSpec model = ExpertModel();
  const ClusterSpec cluster = TestCluster();
  const Layout layout = BuildLayout(HomogeneousDegrees{.tp = 2, .dp = 4, .ep = 4}, model, cluster);
  EXPECT_EQ(FindFault(layout, model, cluster).what, "");
  const ExpertCopies copies(cluster, layout, {0, 1, 2, 3});
  std::map<std::pair<int, int>, double> sent;
  for (const Flow& flow : copies.Over(CollectiveOp::kAllReduce, Bytes(1e6)).flows) {
    sent[{flow.source_gpu, flow.target_gpu}] += flow.bytes.value();
  }
  ASSERT_EQ(sent.size(), 8u);
  for (const auto& [pair, bytes] : sent) {
    EXPECT_EQ(std::abs(pair.first - pair.second), 4);
    EXPECT_DOUBLE_EQ(bytes, 1e6);
  }
  // With an expert group as wide as all ranks nobody holds the same, and nothing is added up.
  const Layout wide = BuildLayout(HomogeneousDegrees{.tp = 2, .dp = 4, .ep = 8}, model, cluster);
  EXPECT_TRUE(ExpertCopies(cluster, wide, {0, 1, 2, 3}).Over(CollectiveOp::kAllReduce, Bytes(1e6)).flows.empty());
}

TEST(ExpertCopies, ReduceWhatExpertsHaveApartFromTheRest) {
  const Priced priced(ExpertModel());
  const Layout layout = BuildLayout(HomogeneousDegrees{.tp = 2, .dp = 4, .ep = 4}, priced.cost.model(), TestCluster());
  const ModulePart& part = layout.stages.front().parts.front();
  // Two layers, two experts a rank of 2·1,024·4,096 weights and 4,096 + 1,024 biases, 4 bytes of gradient each.
  const double experts = 2 * 2 * (2 * 1024.0 * 4096 + 4096 + 1024) * 4;
  EXPECT_DOUBLE_EQ(priced.cost.ExpertGradientBytes(part).value(), experts);
  const auto steps = BucketedRing::OfGradients(priced.cost, layout, {0, 1, 2, 3}).Of({});
  ASSERT_EQ(steps.size(), 2u);
  const auto most_sent = [](const Communication& communication) {
    std::map<int, double> sent;
    for (const Flow& flow : communication.flows) sent[flow.source_gpu] += flow.bytes.value();
    return sent.at(0);
  };
  // Dense gradients over four replicas: 2·3/4 of them; those of experts over two ranks: 2·1/2.
  EXPECT_NEAR(most_sent(steps[0]), 1.5 * (priced.cost.GradientBytes(part).value() - experts), 1);
  EXPECT_NEAR(most_sent(steps[1]), experts, 1);
}

TEST(ExpertMeeting, ReplicasOfAnExpertGroupRunInStep) {
  // Two replicas, two microbatches; one is slow on the first, the other on the second: 3 + 3 s forward and 6 + 6 s
  // backward where they share experts, 4 + 8 s where they do not (1f1b of one stage: F0 B0 F1 B1).
  const CostModel cost = Priced(ExpertModel()).cost;
  const auto makespan = [&](int ep) {
    const Layout layout =
        BuildLayout(HomogeneousDegrees{.dp = 2, .microbatches = 2, .ep = ep}, cost.model(), TestCluster());
    const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
    const StepCosts costs = HandMadeCosts(layout, [](const Stage& stage, int k) {
      const double forward = stage.replica == k ? 3 : 1;
      return std::pair(forward, 2 * forward);
    });
    const OperationGraph graph =
        BuildGraph({cost, layout, orders}, TinyWork(cost, layout), costs, {.communication = kNoCommunication});
    return MakeReplayEngine()->Run(graph).makespan.value();
  };
  EXPECT_DOUBLE_EQ(makespan(1), 4 + 8);
  EXPECT_DOUBLE_EQ(makespan(2), 3 + 3 + 6 + 6);
}

TEST(ExpertMeeting, MeshesThatDoNotFitAreToldWithTheNearest) {
  const ModelSpec model = ExpertModel();
  const auto why = [&](const HomogeneousDegrees& degrees) { return WhyImpossible(degrees, model, TestCluster()); };
  EXPECT_EQ(why({.tp = 2, .dp = 4, .ep = 4}), "");
  EXPECT_EQ(why({.dp = 16, .ep = 16}), "expert parallelism 16 is more than the 8 experts of llm; nearest that fits: 8");
  EXPECT_NE(why({.dp = 3, .ep = 3}).find("does not divide the 8 experts"), std::string::npos);
  EXPECT_NE(why({.dp = 2, .ep = 4}).find("does not divide the 2 ranks"), std::string::npos);
  EXPECT_NE(WhyImpossible(HomogeneousDegrees{.dp = 2, .ep = 2}, GptModel(1024, 2, 16, 1000), TestCluster())
                .find("has no experts"),
            std::string::npos);
}

}  // namespace
}  // namespace dflop
