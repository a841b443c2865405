// What the tests of the real runner share: whole plans of a small job, made without the command line.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sim/build/graph_builder.hpp"
#include "sim/plan/plan_file.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {

struct PlanRecipe {
  Layout layout;
  std::string pipeline = "1f1b";
  std::string batching = "in-order";
  int samples = 16;
  std::uint64_t seed = 1;
  int steps = 1;
  std::vector<SampleShape> batch{};  ///< instead of uneven samples
};

/// What `dflop plan --out` would write.
inline Plan MakePlan(const CostModel& cost, const PlanRecipe& recipe) {
  Plan plan{"test",         "test",          recipe.layout.name, 1,  cost.model(),
            cost.cluster(), cost.software(), recipe.layout,      {}, {}};
  const auto schedule = Plugin<PipelineSchedule>(recipe.pipeline);
  plan.orders = OrdersOf(*schedule, plan.layout);
  const auto batcher = Plugin<BatchScheduler>(recipe.batching);
  for (int step = 0; step < recipe.steps; ++step) {
    PlannedStep planned;
    planned.batch = recipe.batch.empty() ? UnevenSamples(recipe.samples, recipe.seed + static_cast<std::uint64_t>(step))
                                         : recipe.batch;
    RandomStream random(recipe.seed, "batching");
    planned.plan =
        batcher->Schedule(MakeBatchProblem(BatchContext{cost, plan.layout, plan.orders, planned.batch}), random);
    const StepWork work = DivideWork(planned.plan, plan.layout, cost, planned.batch);
    const Job job{cost, plan.layout, plan.orders};
    planned.orders = OrdersOfStep(*schedule, job, work);
    planned.operations =
        PlannedOperations(BuildGraph(job.With(planned.orders), work, PriceStep(cost, plan.layout, work)));
    plan.steps.push_back(std::move(planned));
  }
  return plan;
}

inline Layout Homogeneous(const HomogeneousDegrees& degrees, const ModelSpec& model = SmallVlm()) {
  return BuildLayout(degrees, model, A100Nodes(1));
}

inline Layout Separate(const ModuleDegrees& encoder, const ModuleDegrees& llm, int microbatches,
                       Communicator communicator, const ModelSpec& model = SmallVlm()) {
  return BuildLayout(SeparateDegrees{{encoder}, llm, microbatches, communicator}, model, A100Nodes(1));
}

/// Every way of placing and joining modules, on two and on four device groups.
inline std::vector<PlanRecipe> EveryKindOfPlan() {
  const auto hub = Communicator::kHub;
  const auto direct = Communicator::kDirect;
  return {
      {Homogeneous({1, 1, 2, 0, 4})},
      {Homogeneous({1, 2, 1, 1, 8})},
      {Homogeneous({1, 2, 1, 1, 8}), "gpipe"},
      {Separate({1, 1, 1}, {1, 1, 1}, 8, hub)},
      {Separate({1, 1, 1}, {1, 1, 1}, 8, direct)},
      {Homogeneous({1, 1, 2, 0, 4}), "1f1b", "orchmllm"},
      {Homogeneous({1, 4, 1, 2, 8})},
      {Homogeneous({1, 2, 2, 1, 4}), "1f1b", "dflop"},
      {Homogeneous({1, 2, 2, 1, 4}), "1f1b", "orchmllm"},
      {Homogeneous({1, 2, 1, 2, 8, false, 2}), R"({"name": "interleaved", "chunks": 2})"},
      {Homogeneous({2, 2, 1, 1, 8})},
      {Separate({1, 1, 2}, {1, 1, 2}, 4, hub)},
      {Separate({1, 1, 2}, {1, 1, 2}, 4, direct), "1f1b", "lpt-2d"},
      {Separate({1, 2, 1}, {1, 1, 2}, 4, hub), "1f1b", "dflop"},
      {Separate({1, 1, 3}, {1, 1, 1}, 8, hub), "gpipe"},
      {Homogeneous({.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 4, .directions = 2}), "chimera"},
      {Homogeneous({.tp = 1, .pp = 4, .dp = 1, .encoder_stages = 1, .microbatches = 4, .directions = 2}), "chimera"},
      {Homogeneous({.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 2, .directions = 2}), "dualpipe"},
      {Homogeneous({1, 2, 1, 1, 8}), "zb-h1"},
      {Homogeneous({1, 2, 2, 1, 4}), R"({"name": "list", "split": true})", "random"},
      {Homogeneous(
           {.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 2, .microbatches = 6, .chunks = 2, .turns_back = true}),
       "zb-v"},
      {InSplits(Homogeneous({1, 2, 1, 1, 4}), 2), "seq1f1b", "random"},
  };
}

}  // namespace dflop
