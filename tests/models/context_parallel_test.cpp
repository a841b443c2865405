// Sequences over several ranks: hops of the ring, volumes of Ulysses, and what a layer lasts, by hand.
#include "models/context_parallel.hpp"

#include <gtest/gtest.h>

#include "models/network/span_collectives.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

TEST(ContextRanks, ARingLastsAsItsHopsAndBlocks) {
  // Four blocks: 2 s of one's own, 5 s of each other one. Hops of 3 s hide behind the 5 s and lengthen the 2 s by one;
  // hops of 7 s are what all but the last block last.
  EXPECT_EQ(RingTime(Seconds(2), Seconds(5), Seconds(3), 4).value(), 3 + 5 + 5 + 5);
  EXPECT_EQ(RingTime(Seconds(2), Seconds(5), Seconds(7), 4).value(), 7 + 7 + 7 + 5);
  EXPECT_EQ(RingTime(Seconds(2), Seconds(5), Seconds(0), 2).value(), 2 + 5);
}

TEST(ContextRanks, SequencesAreFilledUpToWholeChunks) {
  EXPECT_EQ(InWholeChunks(1000, 4, ContextParallel::kZigzag), 1000);  // 8 chunks of 125
  EXPECT_EQ(InWholeChunks(1001, 4, ContextParallel::kZigzag), 1008);
  EXPECT_EQ(InWholeChunks(1001, 4, ContextParallel::kRing), 1004);
  SequenceBatch pack;
  pack.Add(1001, 2);
  pack.Add(96, 1);
  const SequenceBatch share = ShareOfContext(pack, 4, ContextParallel::kZigzag);
  EXPECT_EQ(share.tokens, (2 * 1008 + 96) / 4.0);
  EXPECT_EQ(share.useful_tokens, (2 * 1001 + 96) / 4.0);
}

class Attending {
 public:
  /// One layer of 16 heads of 64 on cp ranks; `count` sequences of 8,192 tokens.
  Attending(ContextParallel how, int cp, int tp = 1) : priced_(GptModel(1024, 1, 16, 1000), Stack(how)) {
    ModulePart layer = LayersOnly(0, 1, tp);
    layer.mesh.cp = cp;
    cost_ = priced_.cost.Layer(layer, Sequences(8192, 1)).variants.front();
  }
  /// Seconds that the kernels of attention take on one rank, forward.
  double Kernels() const {
    double seconds = 0;
    for (const auto& call : priced_.kernels->attentions) {
      if (call.pass == Pass::kForward) seconds += call.shape.flops().value() / 10e12;
    }
    return seconds;
  }
  const VariantCost& cost() const { return cost_; }
  const FakeKernelCosts& kernels() const { return *priced_.kernels; }

 private:
  static SoftwareStack Stack(ContextParallel how) {
    SoftwareStack software;
    software.context_parallel = how;
    return software;
  }
  Priced priced_;
  VariantCost cost_;
};

double ForwardBeside(const Attending& layer) {
  return (layer.cost().forward.time - layer.cost().forward.context_parallel_communication).value();
}

TEST(ContextRanks, ZigzagSharesCausalAttentionEvenlyAndContiguousChunksDoNot) {
  // Causal attention to s = 8,192 tokens: 2·s²·h FLOPs at 10 TFLOP/s. Of it each of four zig-zag ranks does a quarter;
  // the last of four contiguous ones 1/16 + 3 · 2/16 = 7/16. All else is alike.
  const double whole = 2 * 8192.0 * 8192 * 1024 / 10e12;
  const Attending one(ContextParallel::kZigzag, 1), zigzag(ContextParallel::kZigzag, 4),
      ring(ContextParallel::kRing, 4);
  const double rest = ForwardBeside(one) - whole;
  EXPECT_NEAR(ForwardBeside(zigzag), rest / 4 + whole / 4, 1e-9);
  EXPECT_NEAR(ForwardBeside(ring), rest / 4 + whole * 7 / 16, 1e-9);
  // Keys and values of 2,048 tokens, 2 · 1,024 wide: 8.4 MB at 100 GB/s and 1 µs, 85 µs, hide behind each block.
  EXPECT_EQ(zigzag.cost().forward.context_parallel_communication.value(), 0);
  // Backward, as many bytes of gradients have one more hop to get home.
  const double hop = 2048.0 * 2 * 1024 * 2 / 100e9 + 1e-6;
  EXPECT_NEAR(zigzag.cost().input_gradient.context_parallel_communication.value(), hop, 1e-9);
}

TEST(ContextRanks, AWindowAsLongAsTheSequencesChangesNothing) {
  for (const ContextParallel how : {ContextParallel::kZigzag, ContextParallel::kRing}) {
    const auto forward = [&](int window) {
      SoftwareStack software;
      software.context_parallel = how;
      ModelSpec model = GptModel(1024, 1, 16, 1000);
      model.llm.shape.window = window;
      ModulePart layer = LayersOnly(0, 1);
      layer.mesh.cp = 4;
      return Priced(model, software).cost.Part(layer, Sequences(8192, 1)).forward.time.value();
    };
    EXPECT_EQ(forward(8192), forward(0));
    EXPECT_EQ(forward(100'000'000), forward(0));
    EXPECT_LT(forward(1024), forward(0));
  }
}

TEST(ContextRanks, UlyssesSendsQueriesKeysValuesAndOutput) {
  // Of 16 query heads and 2 key/value heads of 64 over 4 ranks, keys and values go to all four: 16 + 2·4 heads in, 16
  // out, of 2,048 tokens and 2 bytes each.
  EXPECT_EQ(UlyssesInput(2048, 16, 2, 64, 4).value(), 2048 * (16 + 8) * 64 * 2.0);
  EXPECT_EQ(UlyssesInput(2048, 16, 16, 64, 4).value(), 2048 * (16 + 32) * 64 * 2.0);
  EXPECT_EQ(UlyssesOutput(2048, 16, 64).value(), 2048 * 16 * 64 * 2.0);
  const double whole = 2 * 8192.0 * 8192 * 1024 / 10e12;
  const Attending one(ContextParallel::kUlysses, 1), four(ContextParallel::kUlysses, 4);
  EXPECT_NEAR(ForwardBeside(four), (ForwardBeside(one) - whole) / 4 + whole / 4, 1e-9);
  EXPECT_EQ(four.kernels().attentions.front().shape.heads, 4);
  EXPECT_EQ(four.kernels().attentions.front().shape.length, 8192);
  // Each rank keeps a quarter: 3/4 of 12.6 and of 4.2 MB at 100 GB/s, and a hop of 1 µs in each of the two exchanges.
  const double bytes = 2048 * (16 + 32) * 64 * 2.0 + 2048 * 16 * 64 * 2.0;
  const Seconds exchanged = four.cost().forward.context_parallel_communication;
  EXPECT_NEAR(exchanged.value(), bytes * 3 / 4 / 100e9, 8e-6);
  EXPECT_GT(exchanged.value(), bytes * 3 / 4 / 100e9);
}

TEST(ContextRanks, TensorParallelRanksSendTheirOwnHeads) {
  const Attending wide(ContextParallel::kZigzag, 2, 4);
  for (const auto& call : wide.kernels().attentions) EXPECT_EQ(call.shape.heads, 4);
}

TEST(ContextRanks, AHopBetweenNodesUsesTheNics) {
  const NodeSpec node = TestCluster().only_node();  // 8 GPUs, 8 NICs at 10 GB/s, 5 µs; NVLink 100 GB/s, 1 µs
  EXPECT_NEAR(SpanHop(node, 8, 1, Bytes(1e6)).value(), 1e6 / 100e9 + 1e-6, 1e-12);
  EXPECT_NEAR(SpanHop(node, 4, 8, Bytes(1e6)).value(), 1e6 / 10e9 + 5e-6, 1e-12);
  EXPECT_NEAR(SpanHop(node, 16, 1, Bytes(1e6)).value(), 1e6 / 10e9 + 5e-6, 1e-12);
  NodeSpec shared = node;
  shared.nics = 2;  // four of eight tensor-parallel ranks share a NIC
  EXPECT_NEAR(SpanHop(shared, 4, 8, Bytes(1e6)).value(), 4e6 / 10e9 + 5e-6, 1e-12);
}

TEST(SpanCollective, BetweenDomainsEveryNicCarriesItsShare) {
  const NodeSpec node = TestCluster().only_node();
  // A plain ring over 16 GPUs of two nodes: 15/16 of the bytes leave a node, over eight NICs.
  const double gathered =
      SpanCollective(node, CollectiveOp::kAllGather, SpanOf(node, 16, 1), Bytes(1.6e9)).time.value();
  EXPECT_NEAR(gathered, 1.5e9 / (8 * 10e9), 0.02 * gathered);
  // All-to-all: each of 8 ranks of a node sends half of its bytes to the other node, over a NIC of its own.
  const double exchanged =
      SpanCollective(node, CollectiveOp::kAllToAll, SpanOf(node, 16, 1), Bytes(1.6e9)).time.value();
  EXPECT_NEAR(exchanged, 0.8e9 / 10e9, 0.02 * exchanged);
}

/// A microbatch of 8,192, 4,096, 4,096 and 1,024 tokens, each sequence over `ranks` of the mesh's; 0: over all.
SequenceBatch UnevenSequences(int ranks) {
  SequenceBatch batch;
  batch.Add(8192, 1);
  batch.Add(4096, 2);
  batch.Add(1024, 1);
  batch.context_ranks = ranks;
  return batch;
}

TEST(ContextDegree, SequencesAreDealtByTheirWork) {
  // A layer of width 1,024 costs 24·1,024² = 25.2 MFLOP a token and, causal, 2·1,024·s² for s of them: 8,192 tokens
  // 344 GFLOP, twice 4,096 275 and 1,024 28, so that the shorter three stand together with 303, and more tokens.
  const std::vector<ContextSet> sets = DealOverContextSets(GptModel(1024, 1, 16, 1000), 0, UnevenSequences(1), 2);
  EXPECT_EQ(sets[0].batch.tokens, 8192);
  EXPECT_EQ(sets[1].batch.tokens, 2 * 4096 + 1024);
  const double width = 1024;
  EXPECT_NEAR(sets[0].work, 3 * (24 * width * width * 8192 + 2 * width * 8192 * 8192), 1e6);
  EXPECT_GT(sets[0].work, sets[1].work);
}

TEST(ContextDegree, OfOneRankIsTheLongestSetUndivided) {
  const Priced priced(GptModel(1024, 2, 16, 1000));
  ModulePart part = LayersOnly(0, 2);
  SequenceBatch longest, fullest;
  longest.Add(8192, 1);
  fullest.Add(4096, 2);
  fullest.Add(1024, 1);
  const PartCost alone = priced.cost.Part(part, longest);
  const Bytes kept = priced.cost.Activations(part, fullest);
  part.mesh.cp = 2;
  const PartCost dealt = priced.cost.Part(part, UnevenSequences(1));
  EXPECT_EQ(dealt.forward.time, alone.forward.time);
  EXPECT_EQ(dealt.backward.time, alone.backward.time);
  EXPECT_EQ(dealt.weight_gradient.time, alone.weight_gradient.time);
  EXPECT_EQ(dealt.forward.context_parallel_communication, Seconds(0));
  EXPECT_EQ(priced.cost.Activations(part, UnevenSequences(1)), kept);
  // However they are divided, the work is the same.
  EXPECT_EQ(dealt.model_flops, priced.cost.Part(part, UnevenSequences(0)).model_flops);
}

TEST(ContextDegree, OfTwoOfFourRanksIsARingOfTwo) {
  const Priced priced(GptModel(1024, 2, 16, 1000));
  ModulePart part = LayersOnly(0, 2);
  SequenceBatch longest;
  longest.Add(8192, 1);
  part.mesh.cp = 2;
  const PartCost ring = priced.cost.Part(part, longest);
  part.mesh.cp = 4;
  EXPECT_EQ(priced.cost.Part(part, UnevenSequences(2)).forward.time, ring.forward.time);
  EXPECT_EQ(priced.cost.Part(part, UnevenSequences(4)).forward.time,
            priced.cost.Part(part, UnevenSequences(0)).forward.time);
}

}  // namespace
}  // namespace dflop
