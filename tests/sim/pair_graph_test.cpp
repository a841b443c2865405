// Pairs, V's and waves as a step's graph: every operation runs when the schedule by itself says that it does.
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "base/random.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/timed_orders.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/build/step_costs.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

constexpr int kPairDevices = 3, kPairMicrobatches = 8;

/// A text-only model in a V or in waves, one layer a stage.
struct PairJob {
  ModelSpec model = TextOnly();
  CostModel cost{model, A100Nodes(1), BuiltInKernelCosts(A100Nodes(1).only_node().gpu), {}};
  std::unique_ptr<PipelineSchedule> schedule;
  Layout layout;
  std::vector<DeviceOrder> orders;

  explicit PairJob(const std::string& spec)
      : schedule(Plugin<PipelineSchedule>(spec)),
        layout(BuildLayout(HomogeneousDegrees{.tp = 1,
                                              .pp = kPairDevices,
                                              .dp = 1,
                                              .microbatches = kPairMicrobatches,
                                              .chunks = schedule->chunks(),
                                              .turns_back = schedule->chunks() > 1},
                           model, A100Nodes(1))),
        orders(OrdersOf(*schedule, layout)) {}

  static ModelSpec TextOnly() {
    ModelSpec model = SmallVlm();
    model.encoders.clear();
    return model;
  }
  StepWork Work() const {
    BatchPlan plan{{{}}};
    for (int k = 0; k < kPairMicrobatches; ++k) plan.buckets[0].push_back({k});
    return DivideWork(plan, layout, cost, std::vector<SampleShape>(Index(kPairMicrobatches), {{}, 300, 90}));
  }
  /// Random seconds of every half of every operation, and the same as a problem.
  std::pair<StepCosts, ScheduleProblem> Times(std::uint64_t seed) const {
    RandomStream random(seed, "pair graph");
    const auto draw = [&](const Stage&, int) { return std::pair(0.1 + random.Uniform(), 0.1 + random.Uniform()); };
    StepCosts costs = HandMadeCosts(layout, draw);
    ScheduleProblem problem = ShapeOf(*schedule, kPairDevices, kPairMicrobatches);
    for (auto& stage : costs.stages) {
      std::vector<StageTimes>& row = problem.times.emplace_back();
      for (PartCost& part : stage) {
        part.weight_gradient.time = Seconds(0.1 + random.Uniform());
        row.push_back({part.forward.time, part.backward.time, part.weight_gradient.time});
      }
    }
    return {std::move(costs), std::move(problem)};
  }
};

using Place = std::tuple<OpKind, int, int>;  ///< kind, stage, microbatch

void ExpectTimesOf(const OperationGraph& graph, const TimedOrders& run, const ScheduleProblem& problem) {
  const OperationTimes times = MakeReplayEngine()->Run(graph);
  std::map<Place, std::size_t> operation;
  for (std::size_t i = 0; i < graph.operations.size(); ++i) {
    const Operation& one = graph.operations[i];
    if (IsComputation(one.kind)) operation[{one.kind, one.stage, one.microbatch}] = i;
  }
  const auto stages = problem.StagesOfDevices();
  std::size_t compared = 0;
  for (std::size_t d = 0; d < run.devices.size(); ++d) {
    for (const TimedOp& one : run.devices[d]) {
      const std::size_t i = operation.at({one.op.kind, stages[d][Index(one.op.chunk)], one.op.microbatch});
      EXPECT_NEAR(times.start[i].value(), one.start.value(), 1e-9) << d;
      EXPECT_NEAR(times.end[i].value(), one.end.value(), 1e-9) << d;
      ++compared;
    }
  }
  EXPECT_EQ(compared, operation.size());
}

TEST(PairGraph, RunsEveryOperationWhenTheScheduleByItselfDoes) {
  for (const std::string spec :
       {"zb-h1", "zb-h2", "zb-v", "v-half", "v-min", "dualpipev", R"({"name": "dualpipev", "overlap": 0.7})", "1f1b",
        R"({"name": "hanayo", "waves": 1})", R"({"name": "hanayo", "waves": 2})"}) {
    const PairJob job(spec);
    const auto [costs, problem] = job.Times(3);
    const TimedOrders run = RunOrders(job.schedule->Orders(problem), problem);
    const GraphOptions options{.communication = kNoCommunication};
    OperationGraph graph = BuildGraph({job.cost, job.layout, job.orders}, job.Work(), costs, options);
    ExpectTimesOf(graph, run, problem);
  }
}

TEST(PairGraph, TheNextStepsTimesAreSharesToo) {
  const PairJob job(R"({"name": "dualpipev", "overlap": 0.7})");
  const auto [costs, problem] = job.Times(3);
  const auto [next, next_problem] = job.Times(4);
  const Job whole{job.cost, job.layout, job.orders};
  const GraphOptions options{.communication = kNoCommunication};
  OperationGraph graph = BuildGraph(whole, job.Work(), costs, options);
  ASSERT_EQ(graph.time_shares.size(), graph.operations.size());
  ForEachDuration(graph, next, [&](std::size_t i, Seconds duration) { graph.durations[i] = duration; });
  ExpectTimesOf(graph, RunOrders(job.schedule->Orders(next_problem), next_problem), next_problem);
  EXPECT_TRUE(BuildGraph({job.cost, job.layout, OrdersOf(*Plugin<PipelineSchedule>("dualpipev"), job.layout)},
                         job.Work(), costs, options)
                  .time_shares.empty());
}

TEST(PairGraph, WhatALayoutCannotExpressSaysWhy) {
  const auto refusal = [](const std::string& spec, const Layout& layout) -> std::string {
    try {
      OrdersOf(*Plugin<PipelineSchedule>(spec), layout);
    } catch (const Infeasible& error) {
      return error.what();
    }
    return "";
  };
  const PairJob v("zb-v"), straight("1f1b");
  EXPECT_NE(refusal("dualpipe", v.layout).find("a uniform layout can have two"), std::string::npos);
  EXPECT_NE(refusal("chimera", v.layout).find("a uniform layout can have two"), std::string::npos);
  EXPECT_NE(refusal(R"({"name": "seq1f1b", "splits": 2})", straight.layout).find("in 2 splits, the layout has 1"),
            std::string::npos);
  EXPECT_EQ(OrdersOf(*Plugin<PipelineSchedule>(R"({"name": "seq1f1b", "splits": 1})"), straight.layout),
            straight.orders);
}

}  // namespace
}  // namespace dflop
