// Schedulers of other papers on examples worked out by hand from their descriptions.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "experiments/run/sample_queue.hpp"
#include "policies/batching_search/longest_first.hpp"
#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

RandomStream Unused() { return {1, "unused"}; }

TEST(LongestFirst, GivesToTheLeastLoaded) {
  // 7, 5, 4, 3, 3 on two places: 7 | 5, then 4 to 5 (9), 3 to 7 (10), 3 to 9 (12).
  const std::vector<std::vector<int>> expected = {{0, 3}, {1, 2, 4}};
  EXPECT_EQ(LongestFirst({0, 1, 2, 3, 4}, {7, 5, 4, 3, 3}, 2), expected);
}

TEST(LongestFirst, EqualCountsGoBeforeEqualSums) {
  // By sum alone 9 would stand against all the others; with three of five each place has at most three.
  const auto places = LongestFirst({0, 1, 2, 3, 4}, {9, 1, 1, 1, 1}, 2, Counts::kEqual);
  const std::vector<std::vector<int>> expected = {{0, 4}, {1, 2, 3}};
  EXPECT_EQ(places, expected);
}

TEST(LongestFirst, NoPlaceStaysEmpty) {
  for (const Counts counts : {Counts::kAny, Counts::kEqual}) {
    for (const auto& place : LongestFirst({0, 1, 2, 3}, {0, 0, 0, 0}, 4, counts)) EXPECT_EQ(place.size(), 1u);
  }
}

TEST(DistTrain, BalancesEncoderWorkOverReplicas) {
  // Encoder costs 8, 8, 1, 1, 1, 1 in sampling order: dealt in turn replica 0 would have 8+1+1, replica 1 8+1+1; put
  // side by side in the same replica they are 17 and 3, which the reordering undoes.
  const BatchProblem problem{2, 1, {{8, 1, 8, 1, 1, 1}, {1, 1, 1, 1, 1, 1}}};
  RandomStream random = Unused();
  const BatchPlan plan = Plugin<BatchScheduler>(R"({"name": "disttrain", "inter": false})")->Schedule(problem, random);
  for (const auto& replica : plan.buckets) {
    double encoder = 0;
    for (const int i : replica[0]) encoder += problem.costs[0][static_cast<std::size_t>(i)];
    EXPECT_DOUBLE_EQ(encoder, 10);
  }
}

TEST(DistTrain, OrdersMicrobatchesByHand) {
  // One replica, a pipeline of three stages, six microbatches of one sample with encoder costs 5, 2, 9, 1, 3, 6 and LLM
  // costs 4, 9, 4, 7, 4, 4. First the smallest (1). Its p−1 = 2 successors in size, 2 and 3, close the step. In
  // between: the interval behind "1" is its LLM time 7, the largest encoder cost of 5, 6, 9 that fits is 6; behind "6"
  // it is 4 and nothing fits: the smallest, 5; then 9. Samples: 3, 5, 0, 2, 1, 4.
  const CostModel cost = SmallJob();
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 3, 1, 1, 6}, SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const std::vector<SampleShape> batch(6, {{1}, 300, 90});
  BatchProblem problem = MakeBatchProblem(BatchContext{cost, layout, orders, batch});
  problem.costs = {{5, 2, 9, 1, 3, 6}, {4, 9, 4, 7, 4, 4}};
  RandomStream random = Unused();
  const Buckets expected = {{{3}, {5}, {0}, {2}, {1}, {4}}};
  EXPECT_EQ(Plugin<BatchScheduler>("disttrain")->Schedule(problem, random).buckets, expected);
}

TEST(WlbLlm, OutliersWaitUntilEveryMicrobatchGetsOne) {
  // Mean microbatch (4·1 + 10)/2 = 7: one sample of 10 is an outlier and waits; a second one lets both go.
  BatchProblem problem{1, 2, {{10, 1, 1, 1, 1}}};
  problem.may_defer = true;
  RandomStream random = Unused();
  const auto batcher = Plugin<BatchScheduler>("wlb-llm");
  EXPECT_EQ(batcher->Schedule(problem, random).deferred, std::vector<int>{0});
  problem.costs = {{10, 1, 1, 1, 1, 10}};
  const BatchPlan both = batcher->Schedule(problem, random);
  EXPECT_TRUE(both.deferred.empty());
  EXPECT_DOUBLE_EQ(LargestBucket(problem, both), 12);
}

TEST(WlbLlm, NobodyWaitsForeverNorAtTheEnd) {
  BatchProblem problem{1, 2, {{10, 1, 1, 1, 1}}};
  RandomStream random = Unused();
  EXPECT_TRUE(Plugin<BatchScheduler>("wlb-llm")->Schedule(problem, random).deferred.empty()) << "last step";
  problem.may_defer = true;
  problem.waited = {4, 0, 0, 0, 0};
  EXPECT_TRUE(Plugin<BatchScheduler>("wlb-llm")->Schedule(problem, random).deferred.empty()) << "patience is 4";
}

TEST(WlbLlm, EverySampleRunsExactlyOnceOverRunAndQueue) {
  // Sixteen steps of 24 fresh samples, each marked by its own number of tokens: all run, none twice, and the queue of
  // the last step is empty.
  RandomStream random(5, "queue");
  const auto batcher = Plugin<BatchScheduler>("wlb-llm");
  SampleQueue queue;
  std::vector<int> seen(std::size_t{16} * 24);
  std::size_t waited = 0;
  for (int step = 0; step < 16; ++step) {
    std::vector<SampleShape> fresh;
    fresh.reserve(24);
    for (int i = 0; i < 24; ++i) fresh.push_back({{1}, step * 24 + i, 10});
    const StepBatch batch = queue.With(fresh);
    BatchProblem problem{2, 4, {{}}};
    for (const SampleShape& shape : batch.shapes) {
      RandomStream cost(static_cast<std::uint64_t>(shape.llm_tokens), "cost of a sample");
      problem.costs[0].push_back(cost.LogNormal(1.0, 1.2));
    }
    problem.waited = batch.waited;
    problem.may_defer = step < 15;
    const BatchPlan plan = batcher->Schedule(problem, random);
    for (const auto& replica : plan.buckets) {
      for (const auto& bucket : replica) {
        EXPECT_FALSE(bucket.empty());
        for (const int i : bucket)
          ++seen[static_cast<std::size_t>(batch.shapes[static_cast<std::size_t>(i)].llm_tokens)];
      }
    }
    queue.Keep(batch, plan.deferred);
    waited += plan.deferred.size();
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 16 * 24);
  EXPECT_GT(waited, 10u);
}

struct Exchange {
  CostModel cost = SmallJob();
  Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 4, 0, 4}, SmallVlm(), A100Nodes(1));
  std::vector<DeviceOrder> orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  std::vector<SampleShape> batch = UnevenSamples(64, 3);

  BatchPlan Schedule(const std::string& batcher) const {
    RandomStream random = Unused();
    return Plugin<BatchScheduler>(batcher)->Schedule(MakeBatchProblem(BatchContext{cost, layout, orders, batch}),
                                                     random);
  }
  Step Run(const BatchPlan& plan) const {
    return SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine());
  }
};

TEST(OrchMllm, BalancesEncoderAndLlmApart) {
  // Within every microbatch index the busiest replica of each phase is at most LPT's 4/3 of the mean plus the largest
  // sample away, and in sum over the step both phases beat dealing in order.
  const Exchange job;
  const BatchPlan plan = job.Schedule("orchmllm");
  ASSERT_EQ(WhyInvalid(plan, job.layout, 64), "");
  ASSERT_EQ(plan.encoder_buckets.size(), 1u);
  const StepWork balanced = DivideWork(plan, job.layout, job.cost, job.batch);
  const StepWork dealt = DivideWork(job.Schedule("in-order"), job.layout, job.cost, job.batch);
  const auto busiest = [](const StepWork& work, std::size_t module) {
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      double most = 0;
      for (std::size_t r = 0; r < 4; ++r) most = std::max(most, work.sequences[module][r][k].tokens);
      sum += most;
    }
    return sum;
  };
  EXPECT_LT(busiest(balanced, 0), 0.9 * busiest(dealt, 0));
  EXPECT_LT(busiest(balanced, 1), 0.9 * busiest(dealt, 1));
}

TEST(OrchMllm, PaysForItsAllToAll) {
  // The same plan with every sample encoded where its LLM runs moves nothing; OrchMLLM's moves tiles both ways.
  const Exchange job;
  const BatchPlan plan = job.Schedule("orchmllm");
  const auto transfers = [](const Step& step) {
    Seconds sum{0};
    for (std::size_t i = 0; i < step.graph.operations.size(); ++i) {
      if (step.graph.operations[i].kind == OpKind::kTransfer) sum += step.graph.durations[i];
    }
    return sum;
  };
  BatchPlan own = plan;
  own.encoder_buckets.clear();
  EXPECT_EQ(transfers(job.Run(own)), Seconds(0));
  EXPECT_GT(transfers(job.Run(plan)), Seconds(0));
}

TEST(OrchMllm, IdlePartsAddUpWithAnExchange) {
  const Exchange job;
  const Step step = job.Run(job.Schedule("orchmllm"));
  const StepMetrics metrics = MeasureStep({job.cost, job.layout, job.orders}, step, *MakeReplayEngine());
  EXPECT_NEAR(metrics.idle.sum(), metrics.idle_fraction, 1e-12);
  EXPECT_GT(metrics.idle.communication(), 0);
}

TEST(OrchMllm, SplitsTheUnionOfSeparateEncoders) {
  const CostModel cost = SmallJob(2);
  const Layout layout =
      BuildLayout(SeparateDegrees{{{1, 1, 3}}, {1, 1, 4}, 2, Communicator::kHub}, SmallVlm(), A100Nodes(2));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>("1f1b"), layout);
  const auto batch = UnevenSamples(32, 9);
  RandomStream random = Unused();
  const BatchPlan plan =
      Plugin<BatchScheduler>("orchmllm")->Schedule(MakeBatchProblem(BatchContext{cost, layout, orders, batch}), random);
  ASSERT_EQ(WhyInvalid(plan, layout, 32), "");
  EXPECT_EQ(plan.encoder_buckets[0].size(), 3u);
  EXPECT_GT(SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine()).times.makespan, Seconds(0));
}

}  // namespace
}  // namespace dflop
