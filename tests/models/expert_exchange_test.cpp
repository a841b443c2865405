// What goes to experts and back, by hand. NVLink carries 100 GB/s at 1 µs, a NIC 10 GB/s at 5 µs, nodes have 8 of both
// (tests/models/model_test_support.hpp), and an exchange takes a latency and its bytes.
#include "models/expert_exchange.hpp"

#include <gtest/gtest.h>

#include "models/expert_mesh.hpp"
#include "models/network/span_collectives.hpp"
#include "models/tensor_parallel.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

/// Hidden 1,024 (2,048 bytes a row), 8 experts of width 512, each token to 2.
TransformerShape Experts() {
  TransformerShape shape{1024, 2048, 4, 8, 2, true};
  shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 512};
  return shape;
}

// 1,000 tokens on 2 tensor-parallel ranks: 500 a rank, 1,000 rows sent. Four such ranks: 4,000 rows for 8 experts.
constexpr Mesh kMesh{.tp = 2, .ep = 4};

TEST(ExpertExchange, BalancedExpertsGetTheMeanOfTheirGroup) {
  const ExpertLoad load = LoadOfExperts(Experts().experts, kMesh, 1000);
  EXPECT_EQ(load.held_tokens, 500);
  EXPECT_EQ(load.sent_rows, 1000);
  EXPECT_EQ(load.experts, 2);
  EXPECT_EQ(load.busiest, 500);
  EXPECT_EQ(load.rows(), 1000);
}

TEST(ExpertExchange, ARankSendsAllRowsButThoseOfItsOwnExperts) {
  const ExpertExchange exchange = ExchangeOf(Experts(), kMesh, 1000);
  EXPECT_EQ(exchange.sent.value(), 1000 * 2048 * 3 / 4);
  EXPECT_EQ(exchange.received, exchange.sent);
  EXPECT_EQ(exchange.exchanged.value(), 1000 * 2048);
  EXPECT_EQ(exchange.gathered.value(), 0);
}

TEST(ExpertExchange, RanksThatShareExpertsGatherTheRowsOfAll) {
  // Eight ranks send 8,000 rows to 8 experts; both ranks of a pair run the 2,000 of their two.
  const Mesh mesh{.tp = 2, .ep = 4, .etp = 2};
  EXPECT_EQ(LoadOfExperts(Experts().experts, mesh, 1000).rows(), 2000);
  const ExpertExchange exchange = ExchangeOf(Experts(), mesh, 1000);
  EXPECT_EQ(exchange.sent.value(), 1000 * 2048 * 3 / 4);
  EXPECT_EQ(exchange.gathered.value(), 2000 * 2048);
}

TEST(ExpertExchange, TheBusiestExpertTakesFromTheOthers) {
  TransformerShape shape = Experts();
  shape.experts.imbalance = 1.5;
  const ExpertLoad load = LoadOfExperts(shape.experts, kMesh, 1000);
  EXPECT_EQ(load.busiest, 750);
  EXPECT_DOUBLE_EQ(load.busiest + 7 * load.other, 4000);  // no row is lost
  const ExpertExchange exchange = ExchangeOf(shape, kMesh, 1000);
  EXPECT_EQ(exchange.sent.value(), 1000 * 2048 * 3 / 4);  // a rank sends what it has
  EXPECT_DOUBLE_EQ(exchange.received.value(), (750 + 3250.0 / 7) * 2048 * 3 / 4);
}

TEST(ExpertExchange, ACapacityCutsAndPadsToTheSame) {
  TransformerShape shape = Experts();
  shape.experts.capacity_factor = 1.25;
  shape.experts.imbalance = 3;
  const ExpertLoad load = LoadOfExperts(shape.experts, kMesh, 1000);
  EXPECT_EQ(load.busiest, 625);
  EXPECT_EQ(load.other, 625);
  EXPECT_EQ(ExchangeOf(shape, kMesh, 1000).sent.value(), 1250 * 2048 * 3 / 4);
  shape.experts.capacity_factor = 0.5;
  EXPECT_EQ(LoadOfExperts(shape.experts, kMesh, 1000).busiest, 250);
}

TEST(ExpertExchange, InsideANodeItTakesNvLinksTime) {
  const NodeSpec node = TestCluster().only_node();
  // Twice 1 µs and 1,536,000 bytes at 100 GB/s.
  EXPECT_NEAR(ExchangeTime(node, kMesh, ExchangeOf(Experts(), kMesh, 1000)).value(), 2 * (1 + 15.36) * kMicro, 1e-12);
  // And over two ranks an all-gather and a reduce-scatter of 4,096,000 bytes, half of which moves: 1 + 20.48 µs each.
  const Mesh shared{.tp = 2, .ep = 4, .etp = 2};
  EXPECT_NEAR(ExchangeTime(node, shared, ExchangeOf(Experts(), shared, 1000)).value(), (2 * 16.36 + 2 * 21.48) * kMicro,
              1e-12);
}

TEST(ExpertExchange, WhereRanksHaveAllExpertsNothingMoves) {
  const Mesh alone{.tp = 2};
  EXPECT_EQ(ExchangeOf(Experts(), alone, 1000).sent.value(), 0);
  EXPECT_EQ(ExchangeTime(TestCluster().only_node(), alone, ExchangeOf(Experts(), alone, 1000)).value(), 0);
}

TEST(ExpertExchange, GroupsLargerThanANodeGoOverNics) {
  NodeSpec node = TestCluster().only_node();
  // 16 ranks in two nodes, 1.6 MB each, 0.1 MB a rank: 7 over NVLink (7 µs), 8 over the NIC (80 µs), 5 µs latency.
  ExpertExchange exchange;
  exchange.exchanged = Bytes(1.6e6);
  EXPECT_NEAR(ExchangeTime(node, {.ep = 16}, exchange).value(), 2 * 85 * kMicro, 1e-12);
  node.nics = 4;  // two GPUs share a NIC
  EXPECT_NEAR(ExchangeTime(node, {.ep = 16}, exchange).value(), 2 * 165 * kMicro, 1e-12);
  node.nics = 8;
  node.nvlink_domain = 16;  // a rack
  EXPECT_NEAR(ExchangeTime(node, {.ep = 16}, exchange).value(), 2 * (1 + 15) * kMicro, 1e-12);
}

TEST(ExpertExchange, RanksThatShareExpertsStandBetweenThoseThatExchange) {
  // 8 × 2 ranks: every second GPU of two nodes, 4 a node; of 1.6 MB, 0.2 MB a rank, 4 parts leave the node: 80 µs.
  ExpertExchange exchange;
  exchange.exchanged = Bytes(1.6e6);
  EXPECT_NEAR(ExchangeTime(TestCluster().only_node(), {.ep = 8, .etp = 2}, exchange).value(), (2 * 85 + 2 * 1) * kMicro,
              1e-12);
}

TEST(SpanCollective, ARingLeavesANodeThroughAllOfItsNics) {
  // All-gather of 1.28 MB over 16 ranks in 2 nodes: 15/16 of it enters every node, over 8 NICs: 150 kB each, 15 µs;
  // NVLink carries the other 7/8 of a GPU's 1.2 MB: 10.5 µs. 14 steps of 1 µs and one of 5.
  const NodeSpec node = TestCluster().only_node();
  const Span span = SpanOf(node, 16, 1);
  EXPECT_NEAR(SpanCollective(node, CollectiveOp::kAllGather, span, Bytes(1.28e6)).time.value(), (14 + 5 + 15) * kMicro,
              1e-12);
}

TEST(SpanCollective, WithoutNvLinkBetweenPairsTheNodesPciBusCarries) {
  // Pairs in one node: of 0.8 MB over 8 ranks 6 parts of 0.1 MB cross PCIe at 20 GB/s: 30 µs, and NVLink's latency.
  NodeSpec node = TestCluster().only_node();
  node.nvlink_domain = 2;
  node.pcie_bandwidth = BytesPerSecond(20e9);
  EXPECT_NEAR(SpanCollective(node, CollectiveOp::kAllToAll, SpanOf(node, 8, 1), Bytes(0.8e6)).time.value(), 31 * kMicro,
              1e-12);
}

TEST(ExpertMesh, WhatDoesNotDivideIsSaidWithTheNearestThatDoes) {
  ModelSpec model = GptModel(1024, 4, 8, 1000);
  model.llm.shape = Experts();
  const auto why = [&](Mesh mesh, int replicas) { return WhyExpertMesh(model, 0, mesh, replicas); };
  EXPECT_EQ(why({.tp = 2, .ep = 4}, 2), "");
  EXPECT_EQ(why({.tp = 3}, 5), "");  // nothing is divided
  EXPECT_EQ(why({.ep = 16}, 16), "expert parallelism 16 is more than the 8 experts of llm; nearest that fits: 8");
  EXPECT_EQ(why({.ep = 3}, 3), "expert parallelism 3 does not divide the 8 experts of llm; nearest that does: 2 or 4");
  EXPECT_EQ(why({.ep = 2, .etp = 3}, 6),
            "expert tensor parallelism 3 does not divide the width 512 of an expert of llm; nearest that does: 2 or 4");
  // 2 · 3 ranks, a group of 4.
  EXPECT_EQ(why({.tp = 2, .ep = 4}, 3),
            "expert parallelism 4 × 1 does not divide the 6 ranks (tp · cp · dp) of a stage of llm; nearest group that "
            "does: 3 or 6");
  EXPECT_EQ(why({.tp = 2, .cp = 2, .ep = 4}, 3), "");
  model.llm.shape.experts = {};
  ExpectError(why({.ep = 2}, 2), "has no experts");
}

TEST(ExpertMesh, AttentionsDegreeDividesWhatDenseAndSharedWidthsThereAre) {
  ModelSpec model = GptModel(1024, 4, 12, 1000);
  model.llm.shape = Experts();
  model.llm.shape.heads = 12;
  EXPECT_EQ(FindUncutWidth(model, 0, 3).width, 0);  // no dense FFN, no shared expert
  model.llm.shape.experts.every = 2;
  EXPECT_EQ(FindUncutWidth(model, 0, 3).width, 2048);
  model.llm.shape.experts.every = 1;
  model.llm.shape.experts.shared = 2;
  EXPECT_EQ(FindUncutWidth(model, 0, 3).width, 1024);
}

}  // namespace
}  // namespace dflop
