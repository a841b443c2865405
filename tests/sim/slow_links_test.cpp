// Claims on links that are slower than their cluster says: where and when they are, and what goes over them.
#include <gtest/gtest.h>

#include "sim/build/collectives.hpp"
#include "sim/engine/engine.hpp"
#include "sim/step/ground_truth.hpp"
#include "tests/sim/graph_builder.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

TEST(SlowLinks, AreSlowWhereAndWhenTheyAreSaidToBe) {
  const ClusterSpec cluster = A100Nodes(2);
  const GroundTruth truth({SlowLink{.gpu = 3, .nic = true, .factor = 4, .from_step = 2},
                           SlowLink{.gpu = 1, .nic = false, .factor = 2, .from_step = 0}},
                          1);
  const auto early = truth.MachineOf(cluster, 1);
  ASSERT_TRUE(early);
  EXPECT_EQ(early->nic_rate(3), cluster.nic_rate(3));
  EXPECT_EQ(early->intra_rate(1), cluster.intra_rate(1) / 2);
  EXPECT_EQ(early->intra_rate(2), cluster.intra_rate(2));
  const auto late = truth.MachineOf(cluster, 2);
  EXPECT_EQ(late->nic_rate(3), cluster.nic_rate(3) / 4);
  EXPECT_FALSE(GroundTruth({Drift{}}, 1).MachineOf(cluster, 0));
}

TEST(SlowLinks, ANicFlapsInAboutTheShareOfStepsAndTheSameOnesForEverybody) {
  const ClusterSpec cluster = A100Nodes(2);
  const std::vector<Anomaly> flaps = {FlappingNic{.gpu = 9, .share = 0.25, .factor = 10}};
  const GroundTruth one(flaps, 1), again(flaps, 1), other(flaps, 2);
  int down = 0, differ = 0;
  for (int step = 0; step < 1000; ++step) {
    const auto machine = one.MachineOf(cluster, step);
    EXPECT_EQ(machine.has_value(), again.MachineOf(cluster, step).has_value());
    differ += machine.has_value() != other.MachineOf(cluster, step).has_value() ? 1 : 0;
    if (!machine) continue;
    ++down;
    EXPECT_EQ(machine->nic_rate(9), cluster.nic_rate(9) / 10);
  }
  EXPECT_NEAR(down, 250, 55);  // four standard deviations of 13.7
  EXPECT_GT(differ, 100);
}

TEST(SlowLinks, OfOnePortMultiply) {
  const ClusterSpec cluster = A100Nodes(2);
  const GroundTruth truth({SlowLink{.gpu = 3, .nic = true, .factor = 4}, SlowLink{.gpu = 3, .nic = false, .factor = 8},
                           SlowLink{.gpu = 3, .nic = true, .factor = 2}},
                          1);
  const auto machine = truth.MachineOf(cluster, 0);
  EXPECT_EQ(machine->nic_rate(3), cluster.nic_rate(3) / 8);
  EXPECT_EQ(machine->intra_rate(3), cluster.intra_rate(3) / 8);
  EXPECT_EQ(machine->WithoutSlowLinks().nic_rate(3), cluster.nic_rate(3));
}

TEST(SlowLinks, ANicFlapsInTheSameStepsWhicheverOfItsGpusNamesIt) {
  // Of a node's four GPUs, 1 and 3 share the second NIC.
  const ClusterSpec cluster = SmallCluster(2);
  const GroundTruth one({FlappingNic{.gpu = 5, .share = 0.5, .factor = 3}}, 1);
  const GroundTruth two({FlappingNic{.gpu = 7, .share = 0.5, .factor = 3}}, 1);
  for (int step = 0; step < 100; ++step) {
    EXPECT_EQ(one.MachineOf(cluster, step).has_value(), two.MachineOf(cluster, step).has_value());
  }
}

/// Of one communication, told by both engines and by the closed form.
void ExpectTime(const ClusterSpec& machine, const Communication& communication, double seconds) {
  const Seconds alone = UncontendedTime(machine, communication);
  EXPECT_DOUBLE_EQ(alone.value(), seconds);
  GraphBuilder builder(machine, 1);
  builder.Send(communication, alone);
  EXPECT_DOUBLE_EQ(MakeReplayEngine()->Run(builder.graph()).makespan.value(), seconds);
  if (!HasSimGridEngine()) return;
  EXPECT_NEAR(MakeSimGridEngine(machine)->Run(builder.graph()).makespan.value(), seconds, 1e-9 * seconds);
}

TEST(SlowLinks, AMessageTakesItsFactorInBothEngines) {
  const GroundTruth truth({SlowLink{.gpu = 4, .nic = true, .factor = 4}, SlowLink{.gpu = 1, .nic = false, .factor = 2}},
                          1);
  const ClusterSpec machine = *truth.MachineOf(SmallCluster(2), 0);
  // 10 bytes after 1 s: 2 bytes/s over a NIC, a quarter of it over GPU 4's, which GPU 6 shares.
  ExpectTime(machine, {{{0, 4, Bytes(10)}}, Seconds(1)}, 1 + 20);
  ExpectTime(machine, {{{6, 1, Bytes(10)}}, Seconds(1)}, 1 + 20);
  ExpectTime(machine, {{{0, 5, Bytes(10)}}, Seconds(1)}, 1 + 5);
  // 8 bytes/s over NVLink, half of it at GPU 1.
  ExpectTime(machine, {{{1, 2, Bytes(16)}}, Seconds(0)}, 4);
  ExpectTime(machine, {{{2, 1, Bytes(16)}}, Seconds(0)}, 4);
  ExpectTime(machine, {{{0, 2, Bytes(16)}}, Seconds(0)}, 2);
  ExpectTime(machine, {{{5, 6, Bytes(16)}}, Seconds(0)}, 2);
}

TEST(SlowLinks, AnAllReduceIsAsSlowAsItsSlowestPort) {
  ClusterSpec machine = SmallCluster(2);
  const std::vector<int> gpus = {0, 1, 2, 3};
  const auto reduction = [&] {
    return Collective(machine, CollectiveOp::kAllReduce, gpus, 1, Bytes(16)).communication;
  };
  // Every port passes on 2 · 3/4 of 16 bytes, 8 of them a second.
  ExpectTime(machine, reduction(), 3);
  machine.SlowNvLink(2, 5);
  ExpectTime(machine, reduction(), 15);
}

}  // namespace
}  // namespace dflop
