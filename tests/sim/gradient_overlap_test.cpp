// Gradient reductions beside the last backward, and weights gathered beside the first forward: when they end, against
// hand-derived times.
//
// Two replicas on one device each, gradients in four equal buckets of r seconds. Bucket i = 1 … 4 can go once i
// quarters of both replicas' last backward have run, and after the bucket before it:
//   end = max over i of (when i quarters have run) + (5 − i) r.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "sim/build/collectives.hpp"
#include "sim/build/communicator.hpp"
#include "sim/build/graph_builder.hpp"
#include "sim/engine/engine.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Seconds of forward and backward in units of r.
using Times = std::function<std::pair<double, double>(int replica, int microbatch)>;

class TwoReplicas {
 public:
  explicit TwoReplicas(int microbatches = 1, double bucket = 0.25,
                       const SoftwareStack& software = {.overlap_gradients = true})
      : priced_(GptModel(1024, 4, 16, 1000), Cut(software, bucket)),
        layout_(BuildLayout(HomogeneousDegrees{1, 1, 2, 0, microbatches}, priced_.cost.model(), TestCluster())) {
    // Two ranks of a node: half of it there and half back, over NVLink at 100 GB/s, and two latencies of 1 µs; a
    // distributed optimizer needs one half of that.
    const double passes = software.shards() ? 0.5 : 1;
    bucket_s_ = passes * (Gradients() * bucket / 100e9 + 2e-6);
  }

  /// The makespan in units of r; both devices run `order`.
  double Step(const DeviceOrder& order, const Times& times, const std::string& engine = "replay") const {
    const StepCosts costs = HandMadeCosts(layout_, [&](const Stage& stage, int k) {
      const auto [forward, backward] = times(stage.replica, k);
      return std::pair(forward * bucket_s_, backward * bucket_s_);
    });
    const OperationGraph graph =
        BuildGraph({priced_.cost, layout_, {order, order}}, TinyWork(priced_.cost, layout_), costs);
    return MakeEngine(engine, TestCluster())->Run(graph).makespan.value() / bucket_s_;
  }

 private:
  static double Gradients() {
    const Priced plain(GptModel(1024, 4, 16, 1000));
    const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 2, 0, 1}, plain.cost.model(), TestCluster());
    return plain.cost.GradientBytes(layout.stages[0].parts[0]).value();
  }
  static SoftwareStack Cut(SoftwareStack software, double bucket) {
    software.bucket_bytes = Gradients() * bucket;
    return software;
  }

  Priced priced_;
  Layout layout_;
  double bucket_s_ = 0;
};

const DeviceOrder kOneMicrobatch = {{OpKind::kForward, 0}, {OpKind::kBackward, 0}};

/// By every engine; they agree.
double OneMicrobatch(std::pair<double, double> first, std::pair<double, double> second) {
  const auto times = [&](int replica, int) { return replica == 0 ? first : second; };
  const double replayed = TwoReplicas().Step(kOneMicrobatch, times);
  for (const std::string& engine : EngineNames()) {
    EXPECT_NEAR(TwoReplicas().Step(kOneMicrobatch, times, engine), replayed, 1e-6) << engine;
  }
  return replayed;
}

TEST(GradientOverlap, LongBackwardsHideAllButTheLastBucket) { EXPECT_NEAR(OneMicrobatch({1, 40}, {1, 40}), 42, 1e-6); }

TEST(GradientOverlap, ShortBackwardsLeaveAllBucketsButWhatComesBeforeTheFirst) {
  // The first is there at 1.1, and all four follow.
  EXPECT_NEAR(OneMicrobatch({1, 0.4}, {1, 0.4}), 5.1, 1e-6);
}

TEST(GradientOverlap, BackwardsAsLongAsTheirReductionExposeOneBucket) {
  EXPECT_NEAR(OneMicrobatch({1, 4}, {1, 4}), 6, 1e-6);
}

TEST(GradientOverlap, ABucketWaitsForTheReplicaThatMakesItLast) {
  // The second replica's first quarter is there at 2.05, when the first replica has long ended.
  EXPECT_NEAR(OneMicrobatch({1, 0.4}, {2, 0.2}), 6.05, 1e-6);
}

TEST(GradientOverlap, ASlowerReplicaNeverMakesTheStepShorter) {
  // The slower one decides: its last bucket is there when it ends.
  for (double b = 0; b < 50; b += 5) EXPECT_NEAR(OneMicrobatch({0, 30}, {0, b}), std::max(30.0, b) + 1, 1e-6);
}

TEST(GradientOverlap, TheRestIsWhatRemainsExposed) {
  // Buckets of 0.3 of the gradients: the fourth has a third of their bytes, though all of their latency.
  const TwoReplicas job(1, 0.3);
  const double step = job.Step(kOneMicrobatch, [](int, int) { return std::pair(0.0, 60.0); });
  const double rest = TwoReplicas(1, 0.1).Step(kOneMicrobatch, [](int, int) { return std::pair(0.0, 60.0); }) - 60;
  EXPECT_NEAR(rest, 1, 1e-6);
  EXPECT_GT(step, 60 + 1.0 / 3);
  EXPECT_LT(step, 60.5);
}

TEST(GradientOverlap, TheLastBackwardIsTheOneThatRunsLast) {
  // Microbatch 0 goes back after microbatch 1: from 0.125 to 20.125.
  const DeviceOrder order = {
      {OpKind::kForward, 0}, {OpKind::kForward, 1}, {OpKind::kBackward, 1}, {OpKind::kBackward, 0}};
  const double step = TwoReplicas(2).Step(order, [](int, int k) { return std::pair(0.0, k == 0 ? 20.0 : 0.125); });
  EXPECT_NEAR(step, 21.125, 1e-6);
}

TEST(GradientOverlap, SplitBackwardsReduceBesideTheLastWeightGradient) {
  // Backward 0 … 1, its weight gradient, which takes no time here, at 1: nothing is hidden.
  const DeviceOrder order = {{OpKind::kForward, 0}, {OpKind::kBackwardInput, 0}, {OpKind::kBackwardWeight, 0}};
  EXPECT_NEAR(TwoReplicas().Step(order, [](int, int) { return std::pair(0.0, 1.0); }), 5, 1e-6);
}

TEST(GradientOverlap, NoBucketIsEmpty) {
  // Gradients of n buckets, as division has it: n times a bucket's bytes, and a last digit more or less.
  const Priced plain(GptModel(1024, 4, 16, 1000));
  const Layout layout = BuildLayout(HomogeneousDegrees{1, 1, 2, 0, 1}, plain.cost.model(), TestCluster());
  const double gradients = plain.cost.GradientBytes(layout.stages[0].parts[0]).value();
  for (int n = 1; n <= 200; ++n) {
    for (const double towards : {0.0, gradients / n, 1e18}) {
      const Priced cut(GptModel(1024, 4, 16, 1000),
                       {.overlap_gradients = true, .bucket_bytes = std::nextafter(gradients / n, towards)});
      const auto buckets = BucketedRing::OfGradients(cut.cost, layout, {0, 1}).buckets();
      ASSERT_EQ(buckets.size(), static_cast<std::size_t>(n));
      for (const auto& bucket : buckets) ASSERT_NEAR(bucket.size * n, 1, 1e-9);
    }
  }
}

TEST(GradientOverlap, TellsHowSmallABucketMayBecome) {
  const auto least = [](const SoftwareStack& software, int replicas) {
    const Priced priced(GptModel(1024, 4, 16, 1000), software);
    const Layout layout = BuildLayout(HomogeneousDegrees{1, 2, replicas, 0, 1}, priced.cost.model(), TestCluster());
    double most = 0;
    for (const Stage& stage : layout.stages) {
      most = std::max(most, priced.cost.GradientBytes(stage.parts[0]).value());
    }
    return LeastBucket(priced.cost, layout).value() * 1024 / most;
  };
  EXPECT_EQ(least({.overlap_gradients = true}, 2), 0);  // 160 MB are more
  EXPECT_DOUBLE_EQ(least({.overlap_gradients = true, .bucket_bytes = 1e5}, 2), 1);
  EXPECT_EQ(least({.overlap_gradients = true, .bucket_bytes = 1e5}, 1), 0);  // nothing to reduce
  EXPECT_EQ(least({.bucket_bytes = 1e5}, 2), 0);
  EXPECT_EQ(least({.bucket_bytes = 1e5, .overlap_parameters = true}, 2), 0);
  EXPECT_DOUBLE_EQ(least({.sharding = Sharding::kOptimizer, .bucket_bytes = 1e5, .overlap_parameters = true}, 2), 1);
}

/// Reduce-scatters of r each beside the backward; gathers move half the bytes of fp32 gradients.
const SoftwareStack kBothOverlapped{
    .sharding = Sharding::kOptimizer, .overlap_gradients = true, .overlap_parameters = true};

TEST(ParameterOverlap, AForwardUsesWeightsAsTheyCome) {
  for (const std::string& engine : EngineNames()) {
    const TwoReplicas job(1, 0.25, kBothOverlapped);
    const double gather = job.Step(
                              kOneMicrobatch, [](int, int) { return std::pair(0.0, 1000.0); }, engine) -
                          1001;
    // Without a forward to hide behind all four are waited for.
    EXPECT_GT(gather, 4 * 0.5) << engine;
    EXPECT_LT(gather, 4) << engine;
    const double one = gather / 4;
    // A long forward waits for the first bucket alone, a short one has a quarter left when the last has come.
    const double long_step = job.Step(
        kOneMicrobatch, [](int, int) { return std::pair(100.0, 1000.0); }, engine);
    EXPECT_NEAR(long_step, one + 100 + 1001, 1e-6) << engine;
    const double short_step = job.Step(
        kOneMicrobatch, [](int, int) { return std::pair(0.4, 1000.0); }, engine);
    EXPECT_NEAR(short_step, 4 * one + 0.1 + 1001, 1e-6) << engine;
  }
}

TEST(ParameterOverlap, OtherwiseTheStepEndsWithTheGather) {
  SoftwareStack software = kBothOverlapped;
  software.overlap_parameters = false;
  const auto times = [](int, int) { return std::pair(100.0, 1000.0); };
  const double overlapped = TwoReplicas(1, 0.25, kBothOverlapped).Step(kOneMicrobatch, times);
  const double after = TwoReplicas(1, 0.25, software).Step(kOneMicrobatch, times);
  EXPECT_GT(after, overlapped + 0.5);
}

}  // namespace
}  // namespace dflop
