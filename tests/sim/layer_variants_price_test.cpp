// Stages with equally many layers that are not alike: what is remembered of one must not be told of another.
#include <gtest/gtest.h>

#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Twelve LLM layers, every second one with experts, on four stages behind the encoder's. From 1: 4–6 have two of
/// these, 7–9 one.
struct MixedJob {
  ClusterSpec cluster = A100Nodes(1);
  CostModel cost = Make();
  Layout layout = BuildLayout(HomogeneousDegrees{1, 5, 1, 1, 2}, cost.model(), cluster);
  StepWork work = TinyWork(cost, layout);

  CostModel Make() const {
    ModelSpec model = SmallVlm();
    model.llm.shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 1024, .every = 2};
    return {model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}};
  }
};

TEST(LayerVariantsPrice, StagesArePricedByTheLayersThatTheyHold) {
  const MixedJob job;
  const StepCosts costs = PriceStep(job.cost, job.layout, job.work);
  const int llm = job.cost.model().llm_module();
  for (std::size_t s = 1; s < job.layout.stages.size(); ++s) {
    const ModulePart& part = job.layout.stages[s].parts.front();
    ASSERT_EQ(part.module, llm);
    const SequenceBatch& batch = job.work[static_cast<std::size_t>(llm)][0][0];
    EXPECT_EQ(costs.stages[s][0].forward.time, job.cost.Part(part, batch).forward.time) << "stage " << s;
  }
  const ModulePart& two = job.layout.stages[2].parts.front();
  const ModulePart& one = job.layout.stages[3].parts.front();
  ASSERT_EQ(two.layers, one.layers);
  EXPECT_NE(costs.stages[2][0].forward.time, costs.stages[3][0].forward.time);
}

TEST(LayerVariantsPrice, StagesHoldTheMemoryOfTheirLayers) {
  const MixedJob job;
  DeviceOrder order;
  for (int k = 0; k < 2; ++k) order.push_back({OpKind::kForward, k, 0});
  for (int k = 0; k < 2; ++k) order.push_back({OpKind::kBackward, k, 0});
  const std::vector<DeviceOrder> orders(5, order);
  const MemoryUse use = PeakMemory({job.cost, job.layout, orders}, job.work);
  const auto activations = [&](int stage) {
    for (const StageMemoryUse& one : use.stages) {
      if (one.module == job.cost.model().llm_module() && one.stage == stage) return one.activations.value();
    }
    return 0.0;
  };
  EXPECT_GT(activations(1), 0);
  EXPECT_NE(activations(1), activations(2));
}

}  // namespace
}  // namespace dflop
