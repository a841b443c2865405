// Steps whose microbatches pass the pipeline in parts (Seq1F1B, arXiv 2406.03488).
#include <gtest/gtest.h>

#include "sim/build/graph_builder.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/plan/training_check.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

std::unique_ptr<PipelineSchedule> InParts(int splits) {
  return Plugin<PipelineSchedule>(R"({"name": "seq1f1b", "splits": )" + std::to_string(splits) + "}");
}

Layout PipelineOf(int pp, int microbatches, int splits, int dp = 1) {
  const HomogeneousDegrees degrees{.tp = 1, .pp = pp, .dp = dp, .encoder_stages = 1, .microbatches = microbatches};
  return InSplits(BuildLayout(degrees, SmallVlm(), A100Nodes(4)), splits);
}

TEST(SequenceSplitSteps, EqualSplitsTakeTheGoldens) {
  // (m + (p − 1)/k)(f + b) at p = 4, m = 8, f = 1, b = 2: 24 + 9/k.
  const CostModel cost = SmallJob(4);
  for (const auto& [splits, makespan] : {std::pair(1, 33.0), {2, 28.5}, {4, 26.25}, {8, 25.125}}) {
    const Layout layout = PipelineOf(4, 8, splits);
    const auto part = [k = splits](const Stage&, int) { return std::pair(1.0 / k, 2.0 / k); };
    const OperationGraph graph = BuildGraph({cost, layout, OrdersOf(*InParts(splits), layout)}, TinyWork(cost, layout),
                                            HandMadeCosts(layout, part), {.communication = kNoCommunication});
    EXPECT_NEAR(MakeReplayEngine()->Run(graph).makespan.value(), makespan, 1e-9) << splits;
  }
}

/// Samples of a step dealt in turn.
struct DealtStep {
  CostModel cost = SmallJob(4);
  Layout layout;
  std::vector<DeviceOrder> orders;
  std::vector<SampleShape> batch;
  BatchPlan plan;

  DealtStep(int pp, int microbatches, int splits, std::uint64_t seed)
      : layout(PipelineOf(pp, microbatches, splits, 2)),
        orders(OrdersOf(*InParts(splits), layout)),
        batch(UnevenSamples(6 * microbatches, seed)) {
    plan.buckets.assign(2, std::vector<std::vector<int>>(Index(microbatches)));
    for (int i = 0; i < 6 * microbatches; ++i) plan.buckets[Index(i % 2)][Index(i / 2 % microbatches)].push_back(i);
  }
  Step Simulated(Engine& engine) const { return SimulateStep({cost, layout, orders}, plan, batch, engine); }
};

// The orders, run by hand: an operation begins when its device is free and what it needs is there. Messages, gradients
// and the optimizer's step are left out.
double ByHand(const DealtStep& step, const StepCosts& costs, int replica) {
  std::map<std::tuple<bool, int, int>, double> end;  // backward, depth, unit
  std::vector<const Stage*> stages;
  std::vector<std::size_t> numbers, next;
  for (std::size_t s = 0; s < step.layout.stages.size(); ++s) {
    if (step.layout.stages[s].replica != replica) continue;
    stages.push_back(&step.layout.stages[s]);
    numbers.push_back(s);
  }
  next.resize(stages.size());
  std::vector<double> free(stages.size());
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t d = 0; d < stages.size(); ++d) {
      const DeviceOrder& order = step.orders[Index(stages[d]->group)];
      while (next[d] < order.size()) {
        const ScheduledOp& op = order[next[d]];
        const bool backward = op.kind == OpKind::kBackward;
        const int depth = static_cast<int>(d), last = static_cast<int>(stages.size()) - 1;
        double ready = free[d];
        const auto wait = [&](const std::tuple<bool, int, int>& before) {
          if (!end.contains(before)) return false;
          ready = std::max(ready, end.at(before));
          return true;
        };
        bool is_ready = !backward || wait({false, depth, op.microbatch});
        if (!backward && depth > 0) is_ready = wait({false, depth - 1, op.microbatch});
        if (backward && depth < last) is_ready = is_ready && wait({true, depth + 1, op.microbatch});
        if (!is_ready) break;
        const PartCost& cost = costs.stages[numbers[d]][Index(op.microbatch)];
        const Seconds time = backward ? cost.backward.time + cost.weight_gradient.time : cost.forward.time;
        free[d] = end[{backward, depth, op.microbatch}] = ready + time.value();
        ++next[d];
        moved = true;
      }
    }
  }
  for (std::size_t d = 0; d < stages.size(); ++d) EXPECT_EQ(next[d], step.orders[Index(stages[d]->group)].size());
  return *std::max_element(free.begin(), free.end());
}

TEST(SequenceSplitSteps, UnequalOnesAreWhatTheirOrdersSay) {
  RandomStream random(1, "sequence splits");
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const int pp = 2 + static_cast<int>(random.Below(3));
    const DealtStep step(pp, 1 + static_cast<int>(random.Below(6)), 1 + static_cast<int>(random.Below(4)), seed);
    const StepWork work = DivideWork(step.plan, step.layout, step.cost, step.batch);
    StepCosts costs = PriceStep(step.cost, step.layout, work);
    costs.optimizer.assign(costs.optimizer.size(), Seconds(0));
    const GraphOptions options{.communication = kNoCommunication, .couple_replicas = false};
    const Seconds run =
        MakeReplayEngine()->Run(BuildGraph({step.cost, step.layout, step.orders}, work, costs, options)).makespan;
    EXPECT_NEAR(run.value(), std::max(ByHand(step, costs, 0), ByHand(step, costs, 1)), 1e-9) << seed;
  }
}

TEST(SequenceSplitSteps, MorePartsHoldLessAndMoveAsMuch) {
  const DealtStep whole(4, 8, 1, 3), parts(4, 8, 4, 3);
  const auto engine = MakeReplayEngine();
  const Step one = whole.Simulated(*engine), four = parts.Simulated(*engine);
  const auto peak = [](const DealtStep& step) {
    return PeakMemory({step.cost, step.layout, step.orders}, DivideWork(step.plan, step.layout, step.cost, step.batch),
                      {})
        .peak;
  };
  EXPECT_LT(peak(parts), peak(whole));
  double bytes_of_one = 0, bytes_of_four = 0;
  for (std::size_t i = 0; i < one.graph.operations.size(); ++i) {
    if (one.graph.operations[i].kind != OpKind::kTransfer) continue;
    bytes_of_one += one.graph.communications.BytesOf(one.graph.operations[i].communication).value();
  }
  for (std::size_t i = 0; i < four.graph.operations.size(); ++i) {
    if (four.graph.operations[i].kind != OpKind::kTransfer) continue;
    bytes_of_four += four.graph.communications.BytesOf(four.graph.operations[i].communication).value();
  }
  EXPECT_NEAR(bytes_of_four, bytes_of_one, 1e-6 * bytes_of_one);
}

TEST(SequenceSplitSteps, EnginesAgree) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const DealtStep step(3, 4, 3, seed);
    for (const std::string& name : EngineNames()) {
      const auto engine = MakeEngine(name, step.cost.cluster());
      EXPECT_NEAR(step.Simulated(*engine).times.makespan / step.Simulated(*MakeReplayEngine()).times.makespan, 1, 0.02)
          << name << ", seed " << seed;
    }
  }
}

TEST(SequenceSplitSteps, ALayoutSaysItsSplitsInFileAndHash) {
  const Layout layout = PipelineOf(3, 4, 2);
  const Json json = ToJson(layout);
  const Layout read = ReadLayout(JsonReader(json, "plan"));
  EXPECT_EQ(read.splits, 2);
  EXPECT_EQ(read.units(), 8);
  EXPECT_EQ(ToJson(read).Dump(), json.Dump());
  EXPECT_EQ(ToJson(PipelineOf(3, 4, 1)).Dump().find("splits"), std::string::npos);
  Json wrong = json;
  wrong["splits"] = 0;
  EXPECT_THROW(ReadLayout(JsonReader(wrong, "plan")), InputError);
}

TEST(SequenceSplitSteps, EncodersWithMicrobatchesOfTheirOwnStayWithTheLlm) {
  const DealtStep step(3, 4, 2, 1);
  const BatchProblem problem = MakeBatchProblem(BatchContext{step.cost, step.layout, step.orders, step.batch});
  RandomStream random(1, "dealt");
  const BatchPlan plan = Plugin<BatchScheduler>("entrain")->Schedule(problem, random);
  EXPECT_TRUE(plan.encoder_buckets.empty());
  EXPECT_NE(plan.note.find("divides sequences"), std::string::npos);
  EXPECT_THROW(Plugin<BatchScheduler>("orchmllm")->Schedule(problem, random), Infeasible);
}

TEST(SequenceSplitSteps, WhatDividesSequencesAlreadyIsRefused) {
  const CostModel cost = SmallJob(4);
  const HomogeneousDegrees degrees{.tp = 1, .pp = 2, .dp = 1, .encoder_stages = 1, .microbatches = 4, .cp = 2};
  const Layout layout = BuildLayout(degrees, SmallVlm(), A100Nodes(4));
  EXPECT_EQ(WhyNotTrained(cost, layout), "");
  EXPECT_NE(WhyNotTrained(cost, InSplits(layout, 2)).find("take cp 1"), std::string::npos);
  BatchPlan plan{{{{0}, {1}}}};
  plan.encoder_buckets = {{{{0, 1}, {}}}};
  const Layout two = PipelineOf(2, 2, 1);
  EXPECT_EQ(WhyInvalid(plan, two, 2), "");
  EXPECT_NE(WhyInvalid(plan, InSplits(two, 2), 2).find("divides sequences"), std::string::npos);
}

}  // namespace
}  // namespace dflop
