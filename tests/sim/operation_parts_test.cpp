// Claims on operations in parts, against hand-derived times.
#include <gtest/gtest.h>

#include "sim/build/collectives.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Two stages on GPUs 0 and 8, in nodes of their own, two microbatches; a stage's forward takes 3 s and its backward
/// 5 s.
class TwoStages {
 public:
  TwoStages() : priced_(GptModel(1024, 4, 16, 1000)) {
    layout_ = BuildLayout(HomogeneousDegrees{1, 2, 1, 0, 2}, priced_.cost.model(), TestCluster());
    layout_.groups[1].first_gpu = 8;
    costs_ = HandMadeCosts(layout_, [](const Stage&, int) { return std::pair(3.0, 5.0); });
  }

  /// So many bytes from one node to the next take `seconds`.
  Communication Message(int from, int to, double seconds) const {
    return {{{from, to, Bytes(TestCluster().only_node().nic_rate().value() * seconds)}}, Seconds(0)};
  }
  StepCosts& costs() { return costs_; }

  OperationTimes Run(const std::string& engine) const {
    const CommunicationKinds none = kNoCommunication;
    const OperationGraph graph =
        BuildGraph({priced_.cost, layout_, orders_}, TinyWork(priced_.cost, layout_), costs_, {.communication = none});
    return MakeEngine(engine, priced_.cost.cluster())->Run(graph);
  }

 private:
  Priced priced_;
  Layout layout_;
  StepCosts costs_;
  std::vector<DeviceOrder> orders_ = std::vector<DeviceOrder>(
      2, DeviceOrder{{OpKind::kForward, 0}, {OpKind::kForward, 1}, {OpKind::kBackward, 0}, {OpKind::kBackward, 1}});
};

class OperationParts : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Engines, OperationParts, testing::ValuesIn(EngineNames()),
                         [](const auto& instance) { return instance.param; });

TEST_P(OperationParts, WholeOperationsAsBefore) {
  // Forwards 3 + 3 on the first stage, the second's last forward ends at 9; backwards 5 + 5 there, 5 more on the first.
  EXPECT_NEAR(TwoStages().Run(GetParam()).makespan.value(), 9 + 5 + 5 + 5, 1e-9);
}

TEST_P(OperationParts, PartsRunOneAfterTheOtherAndEachLastsAsItsLongerHalf) {
  TwoStages step;
  // 2 s beside a message of 1.5 s, then 1 s beside one of 4 s, then 0.5 s alone: 2 + 4 + 0.5 = 6.5 s instead of 3.
  step.costs().parts[{0, 0, OpKind::kForward}] = {
      {Seconds(2), step.Message(0, 8, 1.5)}, {Seconds(1), step.Message(0, 8, 4)}, {Seconds(0.5), {}}};
  EXPECT_NEAR(step.Run(GetParam()).makespan.value(), 24 + 3.5, 1e-6);
}

TEST_P(OperationParts, LastMicrobatchOfTheLastStage) {
  TwoStages step;
  // A part that only communicates: 7 s instead of 5.
  step.costs().parts[{1, 1, OpKind::kBackward}] = {{Seconds(0), step.Message(8, 0, 3)}, {Seconds(4), {}}};
  EXPECT_NEAR(step.Run(GetParam()).makespan.value(), 24 + 2, 1e-6);
}

TEST(OperationParts, SimGridLetsThePartsOfTwoStagesContend) {
  if (!HasSimGridEngine()) GTEST_SKIP() << "built without SimGrid";
  TwoStages step;
  // The first stage's second forward runs while the second stage's first does: both send 3 s of bytes from node 0 to
  // node 1, which share the NIC of GPU 0 and take 6 s; alone they would take as long as the computation, 3 s.
  step.costs().parts[{0, 1, OpKind::kForward}] = {{Seconds(3), step.Message(0, 8, 3)}};
  step.costs().parts[{1, 0, OpKind::kForward}] = {{Seconds(3), step.Message(0, 8, 3)}};
  EXPECT_NEAR(step.Run("replay").makespan.value(), 24, 1e-9);
  EXPECT_NEAR(step.Run("simgrid").makespan.value(), 24 + 3, 1e-6);
}

}  // namespace
}  // namespace dflop
