// All-reduces in the switches between nodes as flows: both engines take what the law says, and half of a ring's bytes.
#include <gtest/gtest.h>

#include "sim/build/collectives.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/graph_builder.hpp"

namespace dflop {
namespace {

Bytes BytesOverNics(const ClusterSpec& cluster, const Communication& communication) {
  Bytes bytes{0};
  for (const Flow& flow : communication.flows) {
    if (!cluster.same_node(flow.source_gpu, flow.target_gpu)) bytes += flow.bytes;
  }
  return bytes;
}

// Two GPUs on each of three nodes, a NIC each: of 12 bytes a NIC carries 6 at 2 bytes/s, 3 s, and NVLink 2·6 at 8
// bytes/s, 1.5 s. A ring of six sends 2·5/6 of 12 bytes, half of it by each NIC: 5 s.
TEST(InSwitchReductionFlows, TakeWhatTheLawSaysUnderBothEngines) {
  const std::vector<int> gpus = {0, 1, 4, 5, 8, 9};
  const ClusterSpec plain = SmallCluster(3);
  ClusterSpec sharp = plain;
  sharp.SetInSwitchReduction(true);
  for (const auto& [cluster, seconds] : {std::pair(plain, 5.0), std::pair(sharp, 3.0)}) {
    const PricedCommunication priced = Collective(cluster, CollectiveOp::kAllReduce, gpus, 1, Bytes(12));
    EXPECT_NEAR(UncontendedTime(cluster, priced.communication).value(), seconds, 1e-12) << priced.algorithm;
    // Six NICs, of which each sends its share of the ring's 60 bytes, or 6 of 36.
    EXPECT_NEAR(BytesOverNics(cluster, priced.communication).value(), seconds * 12, 1e-9);
    for (const std::string& name : EngineNames()) {
      GraphBuilder builder(cluster, 0);
      builder.Send(priced.communication, UncontendedTime(cluster, priced.communication));
      EXPECT_NEAR(MakeEngine(name, cluster)->Run(builder.graph()).makespan.value(), seconds, 1e-9) << name;
    }
  }
}

}  // namespace
}  // namespace dflop
