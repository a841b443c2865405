// Measured collectives before the law: on a measured size, between two, and outside of them.
#include "models/network/measured_collectives.hpp"

#include <gtest/gtest.h>

#include "models/network/node_collectives.hpp"
#include "sim/build/collectives.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

TEST(MeasuredCollectives, GoBeforeTheLawBetweenTheirSizes) {
  ClusterSpec cluster = TestCluster();
  auto measured = std::make_shared<MeasuredCollectives>("here");
  measured->Add(CollectiveOp::kAllGather, 4, 4, Bytes(1e6), Seconds(1e-3));
  measured->Add(CollectiveOp::kAllGather, 4, 4, Bytes(1e8), Seconds(4e-3));
  measured->Add(CollectiveOp::kAllReduce, 2, 1, Bytes(1e6), Seconds(7e-3));
  cluster.only_node().measured = measured;
  const NodeSpec& node = cluster.only_node();
  EXPECT_EQ(NodeCollective(node, CollectiveOp::kAllGather, 4, Bytes(1e6)).time.value(), 1e-3);
  EXPECT_EQ(NodeCollective(node, CollectiveOp::kAllGather, 4, Bytes(1e6)).algorithm, "measured");
  // Half way in logarithms: the square root of 1 · 4.
  EXPECT_NEAR(IntraNodeAllGather(node, 4, Bytes(1e7)).value(), 2e-3, 1e-15);
  // By the law: 3 steps of 1 us and 3/4 of the bytes at 100 GB/s.
  EXPECT_NEAR(IntraNodeAllGather(node, 4, Bytes(1e9)).value(), 7.503e-3, 1e-12);
  EXPECT_NEAR(IntraNodeAllGather(node, 2, Bytes(1e6)).value(), 6e-6, 1e-12);
  // Two ranks in two domains: also where flows alone would take less, or more (1 MB at 10 GB/s take 0.1 ms).
  const std::vector<int> gpus = {0, 8};
  const auto reduced = [&] { return Collective(cluster, CollectiveOp::kAllReduce, gpus, 1, Bytes(1e6)).communication; };
  EXPECT_NEAR(UncontendedTime(cluster, reduced()).value(), 7e-3, 1e-15);
  measured->Add(CollectiveOp::kAllReduce, 2, 1, Bytes(1e6), Seconds(5e-5));
  EXPECT_NEAR(UncontendedTime(cluster, reduced()).value(), 5e-5, 1e-15);
}

TEST(MeasuredCollectives, TakeAsManyTimesAsLongOverASlowLinkAsTheLawSays) {
  ClusterSpec cluster = TestCluster();
  const std::vector<int> gpus = {0, 8};
  const auto time = [&] {
    return UncontendedTime(cluster, Collective(cluster, CollectiveOp::kAllReduce, gpus, 1, Bytes(1e6)).communication);
  };
  const Seconds healthy_by_law = time();
  auto measured = std::make_shared<MeasuredCollectives>("here");
  measured->Add(CollectiveOp::kAllReduce, 2, 1, Bytes(1e6), Seconds(7e-3));
  cluster.only_node().measured = measured;
  cluster.SlowNic(0, 3);
  const Seconds slow = time();
  cluster.only_node().measured = nullptr;
  // 1 MB at 10 GB/s take 0.1 ms, at a third of it 0.3 ms.
  const Seconds slow_by_law = time();
  EXPECT_NEAR((slow_by_law - healthy_by_law).value(), 2e-4, 1e-12);
  EXPECT_NEAR(slow.value(), 7e-3 * (slow_by_law / healthy_by_law), 1e-12);
}

}  // namespace
}  // namespace dflop
