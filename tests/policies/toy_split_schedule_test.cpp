// A pipeline schedule in a file of its own: the backward in two halves, the weights' half where devices would wait.
#include <gtest/gtest.h>

#include <algorithm>

#include "policies/api/checked_plugins.hpp"
#include "sim/build/graph_builder.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// ZB-H1 (arXiv 2401.10241): 1f1b with the half that the previous device waits for at once; device d keeps d of the
/// other halves for later, so that no device holds more than 1f1b's first.
class ToySplit final : public PipelineSchedule {
 public:
  std::vector<DeviceOrder> Orders(const ScheduleProblem& problem) const override {
    std::vector<DeviceOrder> orders(Index(problem.devices));
    for (int device = 0; device < problem.devices; ++device) {
      const int warm_up = std::min(problem.devices - 1 - device, problem.microbatches);
      DeviceOrder& order = orders[Index(device)];
      for (int k = 0; k < warm_up; ++k) order.push_back({OpKind::kForward, k});
      for (int k = 0; k < problem.microbatches + device; ++k) {
        if (k + warm_up < problem.microbatches) order.push_back({OpKind::kForward, k + warm_up});
        if (k < problem.microbatches) order.push_back({OpKind::kBackwardInput, k});
        if (k >= device) order.push_back({OpKind::kBackwardWeight, k - device});
      }
    }
    return orders;
  }
};

/// Not before a test wants it: other tests ask something of every plug-in that is registered when they start.
std::unique_ptr<PipelineSchedule> Schedule() {
  [[maybe_unused]] static const Registration<PipelineSchedule> kToySplit{
      {"toy-split", "1f1b with split backward", {}}, [](const Parameters&) { return std::make_unique<ToySplit>(); }};
  return Checked(Plugin<PipelineSchedule>("toy-split"), "toy-split");
}

/// Step time with a second for each of forward, backward for the input and backward for the weights.
double Makespan(const PipelineSchedule& schedule, int devices, int microbatches) {
  const CostModel cost = SmallJob(1);
  const Layout layout = BuildLayout(HomogeneousDegrees{1, devices, 1, 1, microbatches}, SmallVlm(), A100Nodes(1));
  StepCosts costs = HandMadeCosts(layout, [](const Stage&, int) { return std::pair(1.0, 1.0); });
  for (auto& stage : costs.stages) {
    for (PartCost& part : stage) part.weight_gradient.time = Seconds(1);
  }
  const OperationGraph graph = BuildGraph({cost, layout, OrdersOf(schedule, layout)}, TinyWork(cost, layout), costs,
                                          {.communication = kNoCommunication});
  return MakeReplayEngine()->Run(graph).makespan.value();
}

TEST(ToySplitSchedule, FillsTheBubbleWithWeightGradients) {
  // 2 devices, 2 microbatches, f = b = w = 1:
  //   device 0: F0 0–1, F1 1–2, B0 3–4, W0 4–5, B1 5–6, W1 6–7
  //   device 1:         F0 1–2, B0 2–3, F1 3–4, B1 4–5, W0 5–6, W1 6–7
  EXPECT_DOUBLE_EQ(Makespan(*Schedule(), 2, 2), 7);
  // 1f1b with whole backwards of 2: device 0: F0 0–1, F1 1–2, B0 4–6, B1 7–9; device 1: F0 1–2, B0 2–4, F1 4–5, B1 5–7.
  EXPECT_DOUBLE_EQ(Makespan(*Plugin<PipelineSchedule>("1f1b"), 2, 2), 9);
}

TEST(ToySplitSchedule, LeavesTheBubbleOfThePaper) {
  // m(f + b + w) + (p − 1)(f + b − w), table 1 of arXiv 2401.10241; 1f1b leaves (p − 1)(f + b + w).
  for (const int p : {2, 3, 4, 8}) {
    EXPECT_DOUBLE_EQ(Makespan(*Schedule(), p, 2 * p), 6.0 * p + (p - 1)) << p;
    EXPECT_DOUBLE_EQ(Makespan(*Plugin<PipelineSchedule>("1f1b"), p, 2 * p), 6.0 * p + 3.0 * (p - 1)) << p;
  }
}

TEST(ToySplitSchedule, HoldsNoMoreThanOneForwardOneBackward) {
  ScheduleProblem problem = ShapeOf(*Schedule(), 4, 8);
  problem.memory_limit = 4;
  EXPECT_EQ(WhyOrdersFail(Schedule()->Orders(problem), problem), "");
  EXPECT_EQ(WhyOrdersFail(Plugin<PipelineSchedule>("1f1b")->Orders(problem), problem), "");
  EXPECT_NE(WhyOrdersFail(Plugin<PipelineSchedule>("gpipe")->Orders(problem), problem), "");
}

}  // namespace
}  // namespace dflop
