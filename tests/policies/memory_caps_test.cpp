// The memory that a bucket may take, against the walk through the device's order that decides what fits.
#include "policies/api/memory_caps.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/measure/metrics.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

/// Free over needed bytes of a bucket at the tightest stage, on GPUs that have `spare` times the peak of the step.
double RoomForOneSample(int chunks, double spare, int directions = 1) {
  const std::string schedule = directions == 2 ? "chimera"
                               : chunks == 1   ? "1f1b"
                                               : R"({"name": "interleaved", "chunks": )" + std::to_string(chunks) + "}";
  const Layout layout = BuildLayout(HomogeneousDegrees{.tp = 1,
                                                       .pp = 4,
                                                       .dp = 1,
                                                       .encoder_stages = 1,
                                                       .microbatches = 16 / directions,
                                                       .chunks = chunks,
                                                       .directions = directions},
                                    SmallVlm(), A100Nodes(1));
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(schedule), layout);
  const std::vector<SampleShape> batch(16, {{40}, 12'000, 400});
  BatchPlan plan;
  plan.buckets.resize(Index(directions));
  for (int i = 0; i < 16; ++i) plan.buckets[Index(i % directions)].push_back({i});
  const CostModel roomy = SmallJob();
  ClusterSpec cluster = A100Nodes(1);
  cluster.only_node().gpu.memory =
      PeakMemory({roomy, layout, orders}, DivideWork(plan, layout, roomy, batch)).peak * spare;
  const CostModel cost(SmallVlm(), cluster, BuiltInKernelCosts(cluster.only_node().gpu), {});
  double room = 1e9;
  for (const BucketCap& cap : MemoryCaps(BatchContext{cost, layout, orders, batch})) {
    room = std::min(room, cap.limit / cap.amounts.front());
  }
  return room;
}

TEST(MemoryCaps, AgreeWithThePeakWhereAllBucketsAreAlike) {
  // Buckets of one sample, all alike: what fits into memory has room, and with a tenth less memory nothing fits.
  // Devices with several chunks hold most microbatches in the first of them only.
  for (const int chunks : {1, 2, 3}) {
    EXPECT_GE(RoomForOneSample(chunks, 1.02), 1.0) << chunks << " chunks";
    EXPECT_LT(RoomForOneSample(chunks, 0.9), 1.0) << chunks << " chunks";
  }
  EXPECT_GE(RoomForOneSample(1, 1.02, 2), 1.0) << "two directions";
  EXPECT_LT(RoomForOneSample(1, 0.9, 2), 1.0) << "two directions";
}

}  // namespace
}  // namespace dflop
