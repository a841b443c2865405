// Entrain and OmniBal on examples worked out by hand, and what holds of their plans for any batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "policies/api/checked_plugins.hpp"
#include "policies/api/infeasible.hpp"
#include "policies/api/plugin_error.hpp"
#include "sim/build/deadlock.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/policies/planner_jobs.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

RandomStream NeverDrawn() { return {1, "unused"}; }

double SumOf(const std::vector<int>& bucket, const std::vector<double>& cost) {
  double sum = 0;
  for (const int i : bucket) sum += cost[Index(i)];
  return sum;
}

/// Root of the mean squared distance of the buckets' sums from their mean, over that mean.
double SpreadOver(const Buckets& buckets, const std::vector<double>& cost) {
  double all = 0;
  double squares = 0;
  double count = 0;
  for (const auto& replica : buckets) {
    for (const auto& bucket : replica) {
      const double sum = SumOf(bucket, cost);
      all += sum;
      squares += sum * sum;
      ++count;
    }
  }
  const double mean = all / count;
  return std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean;
}

TEST(EntrainBatcher, StrataGiveTheCostliestToTheEmptiestMicrobatch) {
  // Encoder costs 8, 7, 3, 2 on two microbatches. First stratum 8 | 7; of the second 3 goes to the 7 (10), 2 to the 8
  // (10). Without deferral microbatch 0 is {0, 3}, microbatch 1 {1, 2}.
  const BatchProblem problem{1, 2, {{8, 7, 3, 2}, {1, 1, 1, 1}}};
  RandomStream random = NeverDrawn();
  const BatchPlan plan = Plugin<BatchScheduler>(R"({"name": "entrain", "defer": false})")->Schedule(problem, random);
  const Buckets expected = {{{0, 3}, {1, 2}}};
  EXPECT_EQ(plan.buckets, expected);
}

TEST(EntrainBatcher, HeavyAndLightMicrobatchesMeetInPairs) {
  // As above, LLM costs 1, 6, 3, 1: microbatch sums 2 and 9. The heavy one goes first, {1, 2}; the light one, {0, 3},
  // is 7 behind. Moving sample 2 (3) leaves 7 − 6 = 1, moving sample 1 (6) 5 the other way: sample 2 waits, 6
  // against 5.
  const BatchProblem problem{1, 2, {{8, 7, 3, 2}, {1, 6, 3, 1}}};
  RandomStream random = NeverDrawn();
  const Buckets expected = {{{1}, {0, 3, 2}}};
  EXPECT_EQ(Plugin<BatchScheduler>("entrain")->Schedule(problem, random).buckets, expected);
}

TEST(EntrainBatcher, OfFourMicrobatchesTheHeaviestIsPairedWithTheLightest) {
  // Equal encoder costs: a stratum of four single samples, LLM costs 4, 1, 3, 2. Pairs (4, 1) and (3, 2), in this
  // order; a microbatch keeps its one sample.
  const BatchProblem problem{1, 4, {{1, 1, 1, 1}, {4, 1, 3, 2}}};
  RandomStream random = NeverDrawn();
  const Buckets expected = {{{0}, {1}, {2}, {3}}};
  EXPECT_EQ(Plugin<BatchScheduler>("entrain")->Schedule(problem, random).buckets, expected);
}

struct EntrainJob {
  CostModel cost = SmallJob();
  Layout layout = BuildLayout(HomogeneousDegrees{1, 4, 2, 2, 8}, SmallVlm(), A100Nodes(1));
  std::vector<DeviceOrder> orders;
  std::vector<SampleShape> batch;

  explicit EntrainJob(std::uint64_t seed, const std::string& pipeline = "1f1b")
      : orders(OrdersOf(*Plugin<PipelineSchedule>(pipeline), layout)), batch(UnevenSamples(64, seed)) {}
  BatchProblem problem() const { return MakeBatchProblem(BatchContext{cost, layout, orders, batch}); }
  BatchPlan Schedule() const {
    RandomStream random = NeverDrawn();
    return Checked(Plugin<BatchScheduler>("entrain"), "entrain")->Schedule(problem(), random);
  }
  Step Run(const BatchPlan& plan) const {
    return SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine());
  }
};

TEST(EntrainBatcher, EverySampleIsEncodedOnceAndRunsThenOrOneMicrobatchLater) {
  int moved = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const EntrainJob job(seed);
    const BatchPlan plan = job.Schedule();
    ASSERT_EQ(WhyInvalid(plan, job.layout, 64), "") << "seed " << seed;
    ASSERT_EQ(plan.encoder_buckets.size(), 1u) << "seed " << seed << ": " << plan.note;
    std::vector<int> encoded(64, -1);
    for (const auto& replica : plan.encoder_buckets[0]) {
      for (std::size_t k = 0; k < replica.size(); ++k) {
        for (const int i : replica[k]) encoded[Index(i)] = static_cast<int>(k);
      }
    }
    for (const auto& replica : plan.buckets) {
      for (std::size_t k = 0; k < replica.size(); ++k) {
        for (const int i : replica[k]) {
          const int waits = static_cast<int>(k) - encoded[Index(i)];
          ASSERT_TRUE(waits == 0 || (waits == 1 && k % 2 == 1)) << "seed " << seed << ", sample " << i;
          moved += waits;
        }
      }
    }
  }
  EXPECT_GT(moved, 40);
}

TEST(EntrainBatcher, BothModulesAreSteadierThanDealtInOrder) {
  // The claim of the paper: deviations of both modules fall. By stratifying the encoder's, by deferring the LLM's,
  // which are halved here at least over twenty batches.
  double encoder = 0, llm = 0, dealt_encoder = 0, dealt_llm = 0, undeferred_llm = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const EntrainJob job(seed);
    const BatchProblem problem = job.problem();
    const BatchPlan plan = job.Schedule();
    RandomStream random = NeverDrawn();
    const BatchPlan dealt = Plugin<BatchScheduler>("in-order")->Schedule(problem, random);
    encoder += SpreadOver(plan.encoder_buckets[0], problem.module_costs[0]);
    llm += SpreadOver(plan.buckets, problem.module_costs[1]);
    undeferred_llm += SpreadOver(plan.encoder_buckets[0], problem.module_costs[1]);
    dealt_encoder += SpreadOver(dealt.buckets, problem.module_costs[0]);
    dealt_llm += SpreadOver(dealt.buckets, problem.module_costs[1]);
  }
  EXPECT_LT(encoder, 0.5 * dealt_encoder);
  EXPECT_LT(llm, 0.5 * dealt_llm);
  EXPECT_LE(llm, undeferred_llm);
}

TEST(EntrainBatcher, NothingWaitsWhereEncoderAndLlmShareDevices) {
  EntrainJob job(1);
  job.layout = BuildLayout(HomogeneousDegrees{1, 1, 4, 0, 4}, SmallVlm(), A100Nodes(1));
  job.orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), job.layout);
  EXPECT_TRUE(job.Schedule().encoder_buckets.empty());
}

TEST(EntrainBatcher, SeparateEncodersRunWhatTheirMicrobatchWasAssigned) {
  const CostModel cost = SmallJob(2);
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 3}}, {1, 2, 4}, 4, Communicator::kDirect}, SmallVlm(), A100Nodes(2));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const auto batch = UnevenSamples(64, 9);
  RandomStream random = NeverDrawn();
  const BatchPlan plan =
      Plugin<BatchScheduler>("entrain")->Schedule(MakeBatchProblem(BatchContext{cost, layout, orders, batch}), random);
  ASSERT_EQ(WhyInvalid(plan, layout, 64), "");
  ASSERT_FALSE(EncodedIn(plan, 64).empty()) << plan.note;
  EXPECT_EQ(plan.encoder_buckets[0].size(), 3u);
  EXPECT_GT(SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine()).times.makespan, Seconds(0));
}

/// One replica, one encoder stage and one LLM stage, two microbatches of two samples; sample 1 is encoded in 0, runs
/// in 1.
struct OneDeferred {
  CostModel cost = SmallJob();
  Layout layout = BuildLayout(HomogeneousDegrees{1, 2, 1, 1, 2}, SmallVlm(), A100Nodes(1));
  std::vector<SampleShape> batch = std::vector<SampleShape>(4, {{1}, 300, 90});
  BatchPlan plan{{{{0}, {1, 2, 3}}}, {{{{0, 1}, {2, 3}}}}};
};

TEST(DeferredSamples, LlmWaitsForBothEncodersAndTheEncoderForBothBackwards) {
  // Device 0: F0 F1 B0 B1 of the encoder, 10 and 10 s each; device 1: F0 B0 F1 B1 of the LLM, 1 s forward, 2 backward.
  // Nothing else takes time. F0 of the LLM runs 10-11, B0 11-13; F1 waits for both encoders: 20-21, B1 21-23. The
  // encoder's B0 waits for the LLM's B1, for it holds sample 1: 23-33, B1 33-43. Undeferred B0 would run from 20 on and
  // the step end at 40.
  OneDeferred job;
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), job.layout);
  const StepCosts costs = HandMadeCosts(job.layout, [](const Stage& stage, int) {
    return stage.depth == 0 ? std::pair(10.0, 10.0) : std::pair(1.0, 2.0);
  });
  const auto makespan = [&](const BatchPlan& plan) {
    return SimulateCosts({job.cost, job.layout, orders}, DivideWork(plan, job.layout, job.cost, job.batch), costs,
                         *MakeReplayEngine(), {.communication = kNoCommunication})
        .times.makespan.value();
  };
  EXPECT_NEAR(makespan(job.plan), 43, 1e-9);
  EXPECT_NEAR(makespan({job.plan.encoder_buckets[0]}), 40, 1e-9);
}

TEST(DeferredSamples, MessagesGoFromTheReplicasEncoderToItsOwnLlm) {
  // Microbatch 1 of the LLM takes the tiles of samples 1, 2 and 3; microbatch 0 that of sample 0.
  OneDeferred job;
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), job.layout);
  const Step step = SimulateStep({job.cost, job.layout, orders}, job.plan, job.batch, *MakeReplayEngine());
  double bytes = 0;
  for (const Operation& operation : step.graph.operations) {
    if (operation.kind != OpKind::kTransfer || operation.communication < 0 || operation.stage != 0) continue;
    EXPECT_FALSE(operation.of_all_replicas);
    bytes += 1;
  }
  EXPECT_EQ(bytes, 2) << "one message per microbatch";
  EXPECT_EQ(step.work.routes[0][0], (std::vector<TileRoute>{{0, 0, 1}}));
  EXPECT_EQ(step.work.routes[0][1], (std::vector<TileRoute>{{0, 0, 3}}));
}

TEST(DeferredSamples, FurtherThanTheOrdersAllowIsAnErrorThatNamesThePlugin) {
  // On a shared device 1F1B runs F0 B0 F1 B1: the encoder's B0 would wait for the LLM's B1 behind it.
  class TooFar final : public BatchScheduler {
   public:
    BatchPlan Schedule(const BatchProblem&, RandomStream&) override { return OneDeferred{}.plan; }
  };
  OneDeferred job;
  job.layout = BuildLayout(HomogeneousDegrees{1, 1, 1, 0, 2}, SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), job.layout);
  const BatchProblem problem = MakeBatchProblem(BatchContext{job.cost, job.layout, orders, job.batch});
  RandomStream random = NeverDrawn();
  try {
    Checked(std::make_unique<TooFar>(), "too-far")->Schedule(problem, random);
    FAIL() << "no error";
  } catch (const PluginError& error) {
    EXPECT_NE(std::string(error.what()).find("\"too-far\" defers samples further than the orders allow"),
              std::string::npos)
        << error.what();
  }
}

TEST(DeferredSamples, IdlePartsAddUp) {
  const EntrainJob job(3);
  const Step step = job.Run(job.Schedule());
  const StepMetrics metrics = MeasureStep({job.cost, job.layout, job.orders}, step, *MakeReplayEngine());
  EXPECT_NEAR(metrics.idle.sum(), metrics.idle_fraction, 1e-12);
}

TEST(EagerOneFOneB, RunsOneForwardMorePerLaterDevice) {
  // Three devices: 1F1B warms up with 2, 1 and 0 forwards, this with 4, 2 and 0. One more forward, then the first
  // backward: at place 5, 3 and 1 of the order, where 1F1B has it at 3, 2 and 1.
  const auto plain = Plugin<PipelineSchedule>("1f1b");
  const ScheduleProblem problem = ShapeOf(*plain, 3, 8);
  const auto first_backwards = [&](const std::string& name) {
    std::vector<std::ptrdiff_t> places;
    for (const DeviceOrder& order : Plugin<PipelineSchedule>(name)->Orders(problem)) {
      const auto backward = [](const ScheduledOp& op) { return op.kind == OpKind::kBackward; };
      places.push_back(std::find_if(order.begin(), order.end(), backward) - order.begin());
    }
    return places;
  };
  EXPECT_EQ(first_backwards("1f1b"), (std::vector<std::ptrdiff_t>{3, 2, 1}));
  EXPECT_EQ(first_backwards("eager-1f1b"), (std::vector<std::ptrdiff_t>{5, 3, 1}));
}

TEST(EagerOneFOneB, ZeroAheadIsPlainOneFOneB) {
  const auto plain = Plugin<PipelineSchedule>("1f1b");
  for (int devices = 1; devices <= 5; ++devices) {
    for (int microbatches = 1; microbatches <= 8; ++microbatches) {
      const ScheduleProblem problem = ShapeOf(*plain, devices, microbatches);
      EXPECT_EQ(Plugin<PipelineSchedule>(R"({"name": "eager-1f1b", "ahead": 0})")->Orders(problem),
                plain->Orders(problem));
    }
  }
}

TEST(OmniBalBatcher, FullGroupsStay) {
  // Two microbatches, four samples of which two fill a limit each: means are 5 tiles and 5 tokens; (5, 1) and (0, 4),
  // (3, 2) and (2, 3). Whatever is drawn, no bucket breaks a limit only where the pairs are these, and rounds enough
  // find them.
  const BatchProblem problem{1, 2, {{5, 0, 3, 2}, {1, 4, 2, 3}}};
  RandomStream random(1, "omnibal");
  const BatchPlan plan = Plugin<BatchScheduler>("omnibal")->Schedule(problem, random);
  ASSERT_EQ(plan.buckets[0].size(), 2u);
  for (auto bucket : plan.buckets[0]) {
    std::sort(bucket.begin(), bucket.end());
    EXPECT_TRUE(bucket == std::vector<int>({0, 1}) || bucket == std::vector<int>({2, 3}));
  }
}

TEST(OmniBalBatcher, BothMeasuresAreSteadierThanAtRandom) {
  // Tiles and text of uneven samples, which have nothing to do with each other, 8 buckets of 8 on average. Over twenty
  // batches the measure that varies most is spread less than two thirds as far as random dealing of equal counts leaves
  // it; the other, which fills a group only where the first did not, still less far than dealt.
  double tiles = 0, tokens = 0, random_tiles = 0, random_tokens = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BatchProblem problem{2, 4, {{}, {}}};
    for (const SampleShape& sample : UnevenSamples(64, seed)) {
      problem.costs[0].push_back(sample.tiles[0]);
      problem.costs[1].push_back(sample.text_tokens);
    }
    RandomStream random(seed, "omnibal");
    const BatchPlan plan = Plugin<BatchScheduler>("omnibal")->Schedule(problem, random);
    const BatchPlan drawn = Plugin<BatchScheduler>("random")->Schedule(problem, random);
    tiles += SpreadOver(plan.buckets, problem.costs[0]);
    tokens += SpreadOver(plan.buckets, problem.costs[1]);
    random_tiles += SpreadOver(drawn.buckets, problem.costs[0]);
    random_tokens += SpreadOver(drawn.buckets, problem.costs[1]);
  }
  EXPECT_LT(tiles, random_tiles * 2 / 3);
  EXPECT_LT(tokens, random_tokens * 9 / 10);
}

TEST(OmniBalBatcher, TextAloneIsPackedByTokens) {
  // No tiles: tokens alone limit. 4, 3, 2, 1 on two microbatches of 5: {4, 1} and {3, 2}.
  const BatchProblem problem{1, 2, {{4, 3, 2, 1}}};
  RandomStream random(2, "omnibal");
  const BatchPlan plan = Plugin<BatchScheduler>("omnibal")->Schedule(problem, random);
  for (const auto& bucket : plan.buckets[0]) EXPECT_DOUBLE_EQ(SumOf(bucket, problem.costs[0]), 5);
}

TEST(BalancedSplit, GivesTheEncoderTheStagesThatEvenOutTheLoads) {
  // Tried by hand for every number of encoder stages: no other one has a lower busiest stage over the planning sample.
  const PlannerJob job("llava-ov-siglip-2.4b-llama3-8b", "hgx-a100-800g", 2, "dflop-mix", 64);
  const LayoutDecision decision =
      job.Plan(R"({"name": "balanced-split", "tp": 2, "pp": 8, "samples_per_microbatch": 4})");
  const auto busiest = [&](const Layout& layout) {
    const BatchProblem loads = MakeBatchProblem(job.problem().cost, layout, job.problem().samples);
    double most = 0;
    for (const auto& costs : loads.costs) most = std::max(most, std::accumulate(costs.begin(), costs.end(), 0.0));
    return most;
  };
  const double chosen = busiest(decision.layout);
  for (int stages = 1; stages < 8; ++stages) {
    const Layout other =
        BuildLayout(HomogeneousDegrees{.tp = 2, .pp = 8, .dp = 1, .encoder_stages = stages, .microbatches = 16},
                    job.problem().cost.model(), job.problem().cost.cluster());
    EXPECT_LE(chosen, busiest(other) * (1 + 1e-12)) << stages;
  }
  EXPECT_NE(decision.reason.find("of 8 stages for the encoder"), std::string::npos) << decision.reason;
}

TEST(BalancedSplit, SaysWhatDoesNotDivide) {
  const PlannerJob job("llava-ov-siglip-2.4b-llama3-8b", "hgx-a100-800g", 2, "dflop-mix", 64);
  EXPECT_THROW(job.Plan(R"({"name": "balanced-split", "tp": 2, "pp": 3})"), Infeasible);
  EXPECT_THROW(job.Plan(R"({"name": "balanced-split", "tp": 2, "pp": 8, "samples_per_microbatch": 5})"), Infeasible);
}

}  // namespace
}  // namespace dflop
