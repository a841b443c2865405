// Gradient reductions beside the last backward: when they end, against hand-derived times.
//
// Two replicas of four equal layers on one device each; R is what the whole reduction takes. Three quarters of it may
// run from the moment at which the last of the replicas begins its last backward, the last layer's quarter waits for
// the last backward's end:
//   end = max(latest start + 3/4 R, latest end) + R/4.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "sim/build/collectives.hpp"
#include "sim/build/communicator.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Seconds of forward and backward in units of R.
using Times = std::function<std::pair<double, double>(int replica, int microbatch)>;

class TwoReplicas {
 public:
  explicit TwoReplicas(int microbatches)
      : priced_(GptModel(1024, 4, 16, 1000), {.overlap_gradients = true}),
        layout_(BuildLayout(HomogeneousDegrees{1, 1, 2, 0, microbatches}, priced_.cost.model(), TestCluster())) {
    const Priced plain(priced_.cost.model());
    reduction_ = UncontendedTime(TestCluster(), GradientReduction(plain.cost, layout_, {0, 1}).after_backward).value();
  }

  /// The makespan in units of R; both devices run `order`.
  double Step(const DeviceOrder& order, const Times& times) const {
    const StepCosts costs = HandMadeCosts(layout_, [&](const Stage& stage, int k) {
      const auto [forward, backward] = times(stage.replica, k);
      return std::pair(forward * reduction_, backward * reduction_);
    });
    const OperationGraph graph =
        BuildGraph({priced_.cost, layout_, {order, order}}, TinyWork(priced_.cost, layout_), costs);
    return MakeReplayEngine()->Run(graph).makespan.value() / reduction_;
  }

 private:
  Priced priced_;
  Layout layout_;
  double reduction_ = 0;
};

const DeviceOrder kOneMicrobatch = {{OpKind::kForward, 0}, {OpKind::kBackward, 0}};

double OneMicrobatch(std::pair<double, double> first, std::pair<double, double> second) {
  return TwoReplicas(1).Step(kOneMicrobatch, [&](int replica, int) { return replica == 0 ? first : second; });
}

TEST(GradientOverlap, LongBackwardsHideAllButTheLastLayer) { EXPECT_NEAR(OneMicrobatch({1, 4}, {1, 4}), 5.25, 1e-9); }

TEST(GradientOverlap, ShortBackwardsHideNoMoreThanTheyLast) { EXPECT_NEAR(OneMicrobatch({1, 0.5}, {1, 0.5}), 2, 1e-9); }

TEST(GradientOverlap, BeginsWithTheReplicaThatBeginsLast) {
  // The second replica begins at 2 and ends at 2.25; the first ended at 1.5.
  EXPECT_NEAR(OneMicrobatch({1, 0.5}, {2, 0.25}), 3, 1e-9);
}

TEST(GradientOverlap, ASlowerReplicaNeverMakesTheStepShorter) {
  // max(0.75, max(3, b)) + 0.25, whatever the second replica's backward b hides.
  for (double b = 0; b < 5; b += 0.5) EXPECT_NEAR(OneMicrobatch({0, 3}, {0, b}), std::max(3.0, b) + 0.25, 1e-9);
}

TEST(GradientOverlap, TheLastBackwardIsTheOneThatRunsLast) {
  // Microbatch 0 goes back after microbatch 1: from 0.125 to 2.125.
  const DeviceOrder order = {
      {OpKind::kForward, 0}, {OpKind::kForward, 1}, {OpKind::kBackward, 1}, {OpKind::kBackward, 0}};
  const double step = TwoReplicas(2).Step(order, [](int, int k) { return std::pair(0.0, k == 0 ? 2.0 : 0.125); });
  EXPECT_NEAR(step, 2.375, 1e-9);
}

TEST(GradientOverlap, SplitBackwardsReduceBesideTheLastWeightGradient) {
  // Backward 0 … 1, its weight gradient, which takes no time here, at 1: nothing is hidden.
  const DeviceOrder order = {{OpKind::kForward, 0}, {OpKind::kBackwardInput, 0}, {OpKind::kBackwardWeight, 0}};
  EXPECT_NEAR(TwoReplicas(1).Step(order, [](int, int) { return std::pair(0.0, 1.0); }), 2, 1e-9);
}

}  // namespace
}  // namespace dflop
