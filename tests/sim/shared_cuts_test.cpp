// What a narrow fabric leaves to messages, by hand, under both engines.
#include "sim/build/shared_cuts.hpp"

#include <gtest/gtest.h>

#include "sim/build/collectives.hpp"
#include "sim/engine/engine.hpp"
#include "tests/sim/graph_builder.hpp"

namespace dflop {
namespace {

/// Nodes of one GPU with a NIC of 2 bytes/s; leaves of four.
ClusterSpec Leaves(int nodes, double oversubscription) {
  NodeSpec node;
  node.gpus = 1;
  node.nics = 1;
  node.intra_bandwidth = BytesPerSecond(8);
  node.nic_bandwidth = BytesPerSecond(2);
  return {"leaves",
          "",
          {{.count = nodes, .node = node}},
          FatTree{.nodes_per_leaf = 4, .oversubscription = {oversubscription}}};
}

int Send(GraphBuilder& builder, const std::vector<Flow>& flows, double latency = 0) {
  const Communication message{flows, Seconds(latency)};
  return builder.Send(message, UncontendedTime(builder.cluster(), message));
}

double End(const OperationTimes& times, int operation) {
  return times.end[static_cast<std::size_t>(operation)].value();
}

OperationTimes RunOn(const std::string& engine, const GraphBuilder& builder) {
  OperationGraph graph = builder.graph();
  ShareCuts(builder.cluster(), graph);
  return MakeEngine(engine, builder.cluster())->Run(graph);
}

bool Has(const std::string& name) {
  const std::vector<std::string> names = EngineNames();
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(SharedCuts, ALoneMessageThroughANarrowCutIsAsFastAsItsNic) {
  // 4:1 leaves a leaf of four NICs one up link as fast as a NIC: one message has it for itself. 8 bytes at 2 bytes/s.
  for (const std::string& engine : EngineNames()) {
    GraphBuilder builder(Leaves(8, 4), 0);
    const int message = Send(builder, {{0, 4, Bytes(8)}}, 1);
    EXPECT_NEAR(End(RunOn(engine, builder), message), 5, 1e-9) << engine;
  }
}

TEST(SharedCuts, FourAtOnceGetAQuarterEach) {
  // Under simgrid because they meet, under replay because all messages of a kind are taken to be under way at once.
  for (const std::string& engine : EngineNames()) {
    GraphBuilder builder(Leaves(8, 4), 0);
    for (int node = 0; node < 4; ++node) Send(builder, {{node, node + 4, Bytes(8)}});
    const OperationTimes times = RunOn(engine, builder);
    for (int message = 0; message < 4; ++message) EXPECT_NEAR(End(times, message), 16, 1e-9) << engine;
  }
}

TEST(SharedCuts, ReplayChargesTheCrowdAlsoWhereMessagesMissEachOther) {
  // One after the other: simgrid 4 s each, replay the static share, 16 s each.
  for (const std::string& engine : EngineNames()) {
    GraphBuilder builder(Leaves(8, 4), 1);
    int last = -1;
    for (int node = 0; node < 4; ++node) {
      const Communication message{{{node, node + 4, Bytes(8)}}, Seconds(0)};
      last = builder.Send(message, UncontendedTime(builder.cluster(), message), {}, 0);
    }
    EXPECT_NEAR(End(RunOn(engine, builder), last), engine == "replay" ? 64 : 16, 1e-9) << engine;
  }
}

TEST(SharedCuts, WhereAllSendToOneItsNicIsTheNarrowestNotTheCut) {
  // Four nodes send to the fifth one after the other: its NIC gives each a quarter, together what the down link
  // carries. Nothing is crowded: 4 s each.
  for (const std::string& engine : EngineNames()) {
    GraphBuilder builder(Leaves(8, 4), 1);
    int last = -1;
    for (int node = 0; node < 4; ++node) {
      const Communication message{{{node, 4, Bytes(8)}}, Seconds(0)};
      last = builder.Send(message, UncontendedTime(builder.cluster(), message), {}, 0);
    }
    EXPECT_NEAR(End(RunOn(engine, builder), last), 16, 1e-9) << engine;
  }
}

TEST(SharedCuts, ARingThroughACutIsBoundByIt) {
  // Eight nodes in two leaves: one flow of the ring leaves each leaf, which the one up link carries at a NIC's rate:
  // nothing is crowded. All-reduce of 8 bytes: 2 · 7/8 · 8 at 2 bytes/s.
  const std::vector<int> ring = {0, 1, 2, 3, 4, 5, 6, 7};
  // The same ring through nodes that alternate between the leaves: four flows on each up link, four times as long.
  const std::vector<int> alternating = {0, 4, 1, 5, 2, 6, 3, 7};
  for (const std::string& engine : EngineNames()) {
    for (const auto& [order, factor] : {std::pair(ring, 1.0), std::pair(alternating, 4.0)}) {
      GraphBuilder builder(Leaves(8, 4), 0);
      std::vector<Flow> flows;
      for (std::size_t i = 0; i < order.size(); ++i) flows.push_back({order[i], order[(i + 1) % 8], Bytes(14)});
      const int message = Send(builder, flows);
      EXPECT_NEAR(End(RunOn(engine, builder), message), 7 * factor, 1e-9) << engine;
    }
  }
}

TEST(SharedCuts, LatencyDoesNotTipTheShares) {
  if (!Has("simgrid")) GTEST_SKIP() << "built without SimGrid";
  // Two messages of 8 bytes share an up link half and half although one waits 1 s longer before its first byte: the
  // early one has the link alone for 1 s (2 bytes), then both get 1 byte/s: 1 + 6 s; the late one has then 2 bytes
  // left, alone: 8 s.
  GraphBuilder builder(Leaves(8, 4), 0);
  const int early = Send(builder, {{0, 4, Bytes(8)}});
  const int late = Send(builder, {{1, 5, Bytes(8)}}, 1);
  const OperationTimes times = RunOn("simgrid", builder);
  EXPECT_NEAR(End(times, early), 7, 1e-9);
  EXPECT_NEAR(End(times, late), 8, 1e-9);
}

TEST(SharedCuts, RailsKeepOutOfTheSpineWhatStaysOnOne) {
  // Two nodes of two GPUs with a NIC each; rails of two nodes, 2:1. On its rail a message goes alone; across rails both
  // meet on the one up link of their leaf: none does here, as each leaf has one sender, so both are as fast.
  NodeSpec node;
  node.gpus = 2;
  node.nics = 2;
  node.intra_bandwidth = BytesPerSecond(8);
  node.nic_bandwidth = BytesPerSecond(2);
  const ClusterSpec rails("rails", "", {{.count = 2, .node = node}},
                          RailFabric{.nodes_per_leaf = 2, .oversubscription = 4});
  for (const std::string& engine : EngineNames()) {
    GraphBuilder builder(rails, 0);
    const int along = Send(builder, {{0, 2, Bytes(8)}});
    EXPECT_NEAR(End(RunOn(engine, builder), along), 4, 1e-9) << engine;
    // Two ports below a leaf, 4:1: one up link of 1 byte/s.
    GraphBuilder crossing(rails, 0);
    const int across = Send(crossing, {{0, 3, Bytes(8)}});
    EXPECT_NEAR(End(RunOn(engine, crossing), across), 8, 1e-9) << engine;
  }
}

}  // namespace
}  // namespace dflop
