// Context-parallel degrees by microbatch: against every choice of degrees, and the plans that carry them.
#include <gtest/gtest.h>

#include "base/index.hpp"
#include "sim/measure/metrics.hpp"
#include "sim/plan/decision_hash.hpp"
#include "sim/plan/plan_file.hpp"
#include "tests/input_error.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

ModelSpec LongTextModel() {
  ModelSpec model = SmallVlm();
  model.encoders.clear();
  return model;
}

/// One stage, two replicas of four context-parallel ranks.
struct ContextJob {
  explicit ContextJob(int microbatches = 2, Bytes memory = Bytes(80e9))
      : cluster(WithMemory(memory)),
        cost(LongTextModel(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {}),
        layout(BuildLayout(HomogeneousDegrees{.dp = 2, .microbatches = microbatches, .cp = 4}, LongTextModel(),
                           cluster)) {}
  static ClusterSpec WithMemory(Bytes memory) {
    ClusterSpec cluster = A100Nodes(1);
    cluster.only_node().gpu.memory = memory;
    return cluster;
  }
  BatchPlan Planned(const std::vector<SampleShape>& batch, const std::string& batcher, std::uint64_t seed = 1) const {
    RandomStream random(seed, "batching");
    const BatchProblem problem = MakeBatchProblem(BatchContext{cost, layout, orders, batch});
    return Plugin<BatchScheduler>(batcher)->Schedule(problem, random);
  }
  double SecondsOf(const BatchPlan& plan, const std::vector<SampleShape>& batch) const {
    return SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine()).times.makespan.value();
  }
  Bytes PeakOf(const BatchPlan& plan, const std::vector<SampleShape>& batch) const {
    return PeakMemory({cost, layout, orders}, DivideWork(plan, layout, cost, batch)).peak;
  }

  ClusterSpec cluster;
  CostModel cost;
  Layout layout;
  std::vector<DeviceOrder> orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
};

/// One in `every` is a long video, the rest are short.
std::vector<SampleShape> FewLongSamples(int count, std::uint64_t seed, int every = 8) {
  RandomStream random(seed, "few long samples");
  std::vector<SampleShape> samples;
  for (int i = 0; i < count; ++i) {
    const bool is_long = i % every == 0;
    const int tokens =
        is_long ? 12'000 + static_cast<int>(random.Below(8000)) : 50 + static_cast<int>(random.Below(700));
    samples.push_back({{}, tokens, tokens});
  }
  return samples;
}

const char* const kInOrder = R"({"name": "dynamic-context", "start": "in-order"})";

// Nothing but its own degree decides how long a microbatch of a single stage takes, so the best plan has the best
// degree of each: the least of 3⁴ plans.
TEST(DynamicContext, FindsTheBestDegreesOfASingleStage) {
  const ContextJob job;
  int mixed = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto batch = FewLongSamples(24, seed);
    BatchPlan any = job.Planned(batch, "in-order");
    double least = job.SecondsOf(any, batch);
    for (int code = 0; code < 81; ++code) {
      const auto degree = [&](int digit) { return 1 << (code / digit % 3); };
      any.context_ranks = {{degree(1), degree(3)}, {degree(9), degree(27)}};
      least = std::min(least, job.SecondsOf(any, batch));
    }
    const BatchPlan ours = job.Planned(batch, kInOrder);
    EXPECT_EQ(job.SecondsOf(ours, batch), least) << "seed " << seed;
    if (!ours.context_ranks.empty()) ++mixed;
  }
  EXPECT_GE(mixed, 5);
}

TEST(DynamicContext, ShortSamplesAreNotDivided) {
  const ContextJob job(1);
  // Replica 0: one sample of 20,000 tokens, which a single rank would run alone; replica 1: sixteen of 100, four of
  // which each rank runs whole.
  std::vector<SampleShape> batch = {{{}, 20'000, 20'000}};
  for (int i = 0; i < 16; ++i) batch.push_back({{}, 100, 100});
  BatchPlan plan{{{{0}}, {{}}}};
  for (int i = 1; i <= 16; ++i) plan.buckets[1][0].push_back(i);
  const auto seconds = [&](std::vector<std::vector<int>> degrees) {
    plan.context_ranks = std::move(degrees);
    const StepWork work = DivideWork(plan, job.layout, job.cost, batch);
    const StepCosts costs = PriceStep(job.cost, job.layout, work);
    return std::pair(costs.stages[0][0].forward.time, costs.stages[1][0].forward.time);
  };
  EXPECT_LT(seconds({{4}, {4}}).first, seconds({{1}, {1}}).first);
  EXPECT_GT(seconds({{4}, {4}}).second, seconds({{1}, {1}}).second);
  // Undivided, the short ones last as four of them do on a rank that shares nothing.
  Layout alone = BuildLayout(HomogeneousDegrees{.dp = 8, .microbatches = 1}, LongTextModel(), job.cluster);
  SequenceBatch four;
  four.Add(100, 4);
  const ModulePart& part = alone.stages[0].parts.front();
  const KindId kind = KindOf(alone.stages[0], alone, job.cluster);
  const Seconds whole = job.cost.Part(part, four, job.cost.Layer(part, four, kind), kind).forward.time;
  EXPECT_EQ(seconds({{1}, {1}}).second.value(), whole.value());
}

// A long video's attention is worth the linear maps of many short samples: dealt by work, the ranks of these hold more
// tokens than if all were divided evenly. Where that is more than a GPU has room for, sequences are divided further.
TEST(DynamicContext, DividesUntilThePlanFits) {
  int divided = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto batch = FewLongSamples(4 * 90, seed, 90);
    const ContextJob roomy;
    const BatchPlan fastest = roomy.Planned(batch, kInOrder);
    const Bytes even = roomy.PeakOf({fastest.buckets}, batch);
    const Bytes peak = roomy.PeakOf(fastest, batch);
    if (peak <= even * 1.01) continue;
    ++divided;
    const Bytes allowed = even * 1.001;
    const ContextJob tight(2, allowed / (1 - kMemoryReserve));
    const BatchPlan plan = tight.Planned(batch, kInOrder);
    EXPECT_LE(tight.PeakOf(plan, batch).value(), allowed.value()) << "seed " << seed;
    EXPECT_EQ(plan.buckets, fastest.buckets);
  }
  EXPECT_GE(divided, 3);
}

TEST(DynamicContext, LeavesALayoutWithoutContextParallelismAlone) {
  ContextJob job;
  job.layout = BuildLayout(HomogeneousDegrees{.dp = 8, .microbatches = 2}, LongTextModel(), job.cluster);
  job.orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), job.layout);
  const BatchPlan plan = job.Planned(FewLongSamples(24, 1), kInOrder);
  EXPECT_TRUE(plan.context_ranks.empty());
  EXPECT_NE(plan.note.find("no context-parallel degree to choose"), std::string::npos) << plan.note;
}

TEST(ContextDegrees, DivideTheLayoutsAndStandForEveryMicrobatch) {
  const ContextJob job;
  const BatchPlan plan{{{{0}, {1}}, {{2}, {3}}}};
  const auto why = [&](std::vector<std::vector<int>> degrees) {
    BatchPlan changed = plan;
    changed.context_ranks = std::move(degrees);
    return WhyInvalid(changed, job.layout, 4);
  };
  EXPECT_EQ(why({{1, 2}, {4, 4}}), "");
  EXPECT_EQ(why({{1, 3}, {4, 4}}), "divides sequences over 3 ranks, which does not divide the layout's 4");
  EXPECT_EQ(why({{1, 8}, {4, 4}}), "divides sequences over 8 ranks, which does not divide the layout's 4");
  EXPECT_EQ(why({{1, 0}, {4, 4}}), "divides sequences over 0 ranks, which does not divide the layout's 4");
  EXPECT_NE(why({{1, 2}}), "");
  EXPECT_NE(why({{1, 2}, {4}}), "");
  Layout folded = job.layout;
  for (Stage& stage : folded.stages) stage.parts.front().mesh.ep = 2;
  BatchPlan changed = plan;
  changed.context_ranks = {{1, 1}, {1, 1}};
  EXPECT_NE(WhyInvalid(changed, folded, 4).find("experts share their ranks"), std::string::npos);
}

Plan PlanWithDegrees() {
  const ContextJob job;
  Plan plan{"e", "s", "p", 1, LongTextModel(), job.cluster, {}, job.layout, job.orders, {}};
  PlannedStep step{{}, {{{{0}, {1}}, {{2}, {3}}}}, {}};
  for (int i = 1; i <= 4; ++i) step.batch.push_back({{}, 100 * i, 100 * i});
  step.plan.context_ranks = {{1, 2}, {4, 4}};
  plan.steps.push_back(std::move(step));
  return plan;
}

TEST(ContextDegrees, StandInThePlanFileAndInTheHash) {
  const Plan plan = PlanWithDegrees();
  const Json json = ToJson(plan);
  const Plan read = ReadPlan(JsonReader(json, "plan.json"));
  EXPECT_EQ(read.steps[0].plan.context_ranks, plan.steps[0].plan.context_ranks);
  EXPECT_EQ(ToJson(read), json);
  const auto hash = [&](const BatchPlan& of) {
    DecisionHash decision(plan.layout, plan.orders);
    decision.AddStep(of);
    return decision.Hex();
  };
  BatchPlan other = plan.steps[0].plan;
  other.context_ranks = {{1, 2}, {4, 2}};
  EXPECT_NE(hash(other), hash(plan.steps[0].plan));
  other.context_ranks.clear();
  EXPECT_NE(hash(other), hash(plan.steps[0].plan));
}

TEST(ContextDegrees, OfAFileThatDoNotDivideAreRefused) {
  Json json = ToJson(PlanWithDegrees());
  json["steps"].as<Json::Array>()[0]["context_ranks"].as<Json::Array>()[0].as<Json::Array>()[1] = Json(3);
  const std::string error = ErrorOf([&] { ReadPlan(JsonReader(json, "plan.json")); });
  EXPECT_NE(error.find("/steps/0/context_ranks"), std::string::npos) << error;
  EXPECT_NE(error.find("3 ranks"), std::string::npos) << error;
}

}  // namespace
}  // namespace dflop
