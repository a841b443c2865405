// What planners and batch schedulers are told of models with cross-attention layers.
#include <gtest/gtest.h>

#include "models/profiled_batches.hpp"
#include "policies/api/memory_caps.hpp"
#include "policies/layout_search/means_formula.hpp"
#include "tests/policies/exhaustive_layouts.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Twelve LLM layers, every third of which sees the encoder's tokens.
CostModel CrossCost(int nodes = 1) {
  const ClusterSpec cluster = A100Nodes(nodes);
  ModelSpec model = SmallVlm();
  model.llm.shape.cross_layers = {2, 5, 8, 11};
  return {model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}};
}

/// Samples of equally many tokens and tiles, of which every second one sees something.
std::vector<SampleShape> EverySecondSees(int count) {
  std::vector<SampleShape> batch(static_cast<std::size_t>(count), {{4}, 400, 400, 0});
  for (std::size_t i = 1; i < batch.size(); i += 2) batch[i].media_tokens = 4 * 729;
  return batch;
}

TEST(CrossAttentionPlans, WhatASampleSeesIsInItsCost) {
  // One LLM stage; 8 samples of 400 tokens in 2 microbatches: a mean one has 1,600 tokens. A sample costs a quarter of
  // four of its like.
  const CostModel cost = CrossCost();
  const Layout layout =
      BuildLayout(HomogeneousDegrees{.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 2}, cost.model(),
                  cost.cluster());
  const BatchProblem problem = MakeBatchProblem(cost, layout, EverySecondSees(8), nullptr);
  const ModulePart& llm = layout.stages.back().parts.front();
  for (const int i : {0, 1}) {
    SequenceBatch four;
    four.Add(400, 4, 0, i == 0 ? 0 : 4 * 729);
    EXPECT_DOUBLE_EQ(problem.module_costs[1][Index(i)], TimeOf(cost.Part(llm, four)).value() / 4);
  }
  EXPECT_GT(problem.module_costs[1][1], problem.module_costs[1][0]);
  EXPECT_EQ(problem.module_costs[0][1], problem.module_costs[0][0]);
}

TEST(CrossAttentionPlans, WhatASampleSeesIsInItsMemory) {
  const CostModel cost = CrossCost();
  const Layout layout =
      BuildLayout(HomogeneousDegrees{.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 2}, cost.model(),
                  cost.cluster());
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const std::vector<SampleShape> batch = EverySecondSees(8);
  const ModulePart& llm = layout.stages.back().parts.front();
  const auto held = [&](double media) {
    SequenceBatch one;
    one.Add(400, 1, 0, media);
    return cost.Activations(llm, one).value();
  };
  bool found = false;
  for (const BucketCap& cap : MemoryCaps(BatchContext{cost, layout, orders, batch})) {
    if (cap.amounts[0] == cap.amounts[1]) continue;  // the encoder's: both have four tiles
    found = true;
    const double fragmented = 1 + cost.software().fragmentation;
    EXPECT_NEAR(cap.amounts[1] - cap.amounts[0], fragmented * (held(4 * 729) - held(0)), 1);
  }
  EXPECT_TRUE(found);
}

/// What a search is asked: 16 samples on one node.
struct CrossSearch {
  CostModel cost = CrossCost();
  std::vector<SampleShape> samples = UnevenSamples(64, 5);
  std::unique_ptr<BatchScheduler> batcher = Plugin<BatchScheduler>("lpt-2d");
  std::unique_ptr<PipelineSchedule> schedule = Plugin<PipelineSchedule>("1f1b");

  CrossSearch() {
    for (SampleShape& sample : samples) {
      sample.llm_tokens = sample.text_tokens;
      sample.media_tokens = sample.tiles.front() * 729;
    }
  }
  PlanningProblem problem() const { return {cost, 16, samples, *batcher, *schedule, 1}; }
};

TEST(CrossAttentionPlans, MeansCountWhatSamplesSee) {
  // 16 of 64 samples: a quarter of what each adds to the whole LLM, whose launches are hidden.
  CrossSearch search;
  MeansFormula seeing(search.problem());
  double added = 0;
  const ModulePart whole{1, 0, 12, true, true, {.tp = 2}};
  for (SampleShape& sample : search.samples) {
    SequenceBatch batch;
    batch.Add(sample.llm_tokens, 1, 0, sample.media_tokens);
    added += (TimeOf(search.cost.Part(whole, batch)) - TimeOf(search.cost.Part(whole, OneSequence(sample.llm_tokens))))
                 .value() /
             4;
    sample.media_tokens = 0;
  }
  MeansFormula blind(search.problem());
  EXPECT_GT(added, 0);
  EXPECT_NEAR((seeing.LeastWork(1, 2) - blind.LeastWork(1, 2)).value(), added, 1e-9 * added);
  EXPECT_EQ(seeing.LeastWork(0, 2), blind.LeastWork(0, 2));
}

TEST(CrossAttentionPlans, BoundsAreNeverAboveTheSimulatedStep) {
  const CrossSearch setting;
  const PlanningProblem problem = setting.problem();
  ChoiceEstimate estimate(problem, RaceBatches(problem).front());
  ExhaustiveSearch search(problem);
  std::size_t number = 0;
  double tightest = 0;
  ForEachChoice(problem,
                [&](LayoutChoice choice, const std::vector<int>& counts) {
                  for (const int count : counts) {
                    choice.microbatches = count;
                    if (number++ % 3 != 0) continue;
                    const Layout layout = BuildLayout(choice, setting.cost.model(), setting.cost.cluster());
                    const double bound = estimate.Of(choice).bound.value();
                    const double step = search.StepTime(layout, 0);
                    EXPECT_LE(bound, step) << layout.name;
                    tightest = std::max(tightest, bound / step);
                  }
                },
                {.context_parallel = true, .spread = true});
  EXPECT_GT(number, 100u);
  EXPECT_GT(tightest, 0.3) << "a bound that says nothing";
}

}  // namespace
}  // namespace dflop
