// A layout planner of one file, as somebody outside would write it: context parallelism, which no shipped planner
// knows. It needs nothing but the library: stages with a mesh of their own.
#include <gtest/gtest.h>

#include "policies/api/checked_plugins.hpp"
#include "policies/api/layout_planner.hpp"
#include "policies/api/registry.hpp"
#include "sim/plan/layout_check.hpp"
#include "sim/step/step.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// The whole LLM on one stage of tp × cp GPUs, replicated over what is left of the cluster.
class ToyContextParallel final : public LayoutPlanner {
 public:
  ToyContextParallel(int tp, int cp) : mesh_{.tp = tp, .cp = cp} {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const int replicas = problem.cost.cluster().gpus() / mesh_.ranks();
    Layout layout;
    layout.name = "toy, cp " + std::to_string(mesh_.cp);
    layout.pipelines = {0};
    layout.replicas = {replicas};
    for (int r = 0; r < replicas; ++r) {
      layout.groups.push_back({r * mesh_.ranks(), mesh_.ranks()});
      const int layers = problem.cost.model().llm.shape.layers;
      layout.stages.push_back({r, 0, r, {{.layers = layers, .has_input = true, .has_output = true, .mesh = mesh_}}});
    }
    return {.layout = layout, .candidates = {}, .reason = "a toy"};
  }

 private:
  Mesh mesh_;
};

const Registration<LayoutPlanner> kToyContextParallel{
    {"toy-context-parallel",
     "one stage of tp × cp GPUs",
     {{.name = "tp", .type = Parameter::Integer{1, 8}, .standard = 1, .help = "tensor parallel"},
      {.name = "cp", .type = Parameter::Integer{1, 8}, .standard = 2, .help = "context parallel"}}},
    [](const Parameters& parameters) {
      return std::make_unique<ToyContextParallel>(static_cast<int>(parameters.Int("tp")),
                                                  static_cast<int>(parameters.Int("cp")));
    }};

ModelSpec TextModel() {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  return model;
}

class ContextParallel : public testing::Test {
 protected:
  ContextParallel() : cost_(TextModel(), A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), {}) {}

  Layout PlanWith(const std::string& spec) const {
    const auto batcher = Plugin<BatchScheduler>("random");
    const auto schedule = Plugin<PipelineSchedule>("1f1b");
    const std::vector<SampleShape> samples(16, {{}, 4096, 4096});
    const auto planner = Checked(Plugin<LayoutPlanner>(spec), "toy-context-parallel");
    return planner->Plan({cost_, 16, samples, *batcher, *schedule, 1}).layout;
  }
  static SequenceBatch Sequences(int count) { return LlmBatch(std::vector<int>(Index(count), 4096), Packing::kPacked); }

  CostModel cost_;
};

TEST_F(ContextParallel, LayoutHoldsTogetherAndSaysItsDegrees) {
  const Layout layout = PlanWith(R"({"name": "toy-context-parallel", "tp": 2, "cp": 2})");
  EXPECT_EQ(FindFault(layout, cost_.model(), cost_.cluster()).what, "");
  ASSERT_EQ(DegreesOf(layout).size(), 1u);
  EXPECT_EQ(DegreesOf(layout).front(), (ModuleDegrees{.tp = 2, .pp = 1, .dp = 2, .cp = 2}));
}

TEST_F(ContextParallel, WorkIsDivided) {
  const ModulePart whole = PlanWith(R"({"name": "toy-context-parallel", "cp": 1})").stages.front().parts.front();
  const ModulePart divided = PlanWith(R"({"name": "toy-context-parallel", "cp": 4})").stages.front().parts.front();
  // Four sequences over four ranks: each rank computes as much as one sequence alone, its attention in four blocks.
  const PartCost quarter = cost_.Part(divided, Sequences(4)), one = cost_.Part(whole, Sequences(1));
  EXPECT_NEAR(quarter.forward.time / one.forward.time, 1, 0.05);
  EXPECT_NEAR(quarter.backward.time / one.backward.time, 1, 0.05);
  EXPECT_EQ(cost_.Activations(divided, Sequences(4)), cost_.Activations(whole, Sequences(1)));
  // Work in FLOPs is that of the whole, and every rank holds all weights.
  EXPECT_EQ(cost_.Part(divided, Sequences(4)).model_flops, cost_.Part(whole, Sequences(4)).model_flops);
  EXPECT_EQ(cost_.State(divided, 1).weights, cost_.State(whole, 1).weights);
}

TEST_F(ContextParallel, RanksAddUpTheirGradients) {
  // Eight ranks hold the same weights, whether as replicas or as ranks of a context: one reduction over all of them.
  const auto reduction = [&](const std::string& spec) {
    const Layout layout = PlanWith(spec);
    const auto schedule = Plugin<PipelineSchedule>("1f1b");
    BatchPlan plan;
    std::vector<SampleShape> batch;
    for (int r = 0; r < layout.llm_replicas(); ++r) {
      plan.buckets.push_back({{r}});
      batch.push_back({{}, 4096, 4096});
    }
    const auto orders = OrdersOf(*schedule, layout);
    const Step step = SimulateStep({cost_, layout, orders}, plan, batch, *MakeReplayEngine());
    Seconds reduced{0};
    for (std::size_t i = 0; i < step.graph.operations.size(); ++i) {
      if (step.graph.operations[i].kind == OpKind::kGradientReduction) reduced += step.graph.durations[i];
    }
    return reduced;
  };
  const Seconds of_replicas = reduction(R"({"name": "toy-context-parallel", "cp": 1})");
  EXPECT_GT(of_replicas, Seconds(0));
  EXPECT_EQ(reduction(R"({"name": "toy-context-parallel", "cp": 4})"), of_replicas);
  EXPECT_EQ(reduction(R"({"name": "toy-context-parallel", "cp": 8})"), of_replicas);
}

}  // namespace
}  // namespace dflop
