// Layers with experts over kernels of known speed (tests/models/model_test_support.hpp), summed by hand.
#include <gtest/gtest.h>

#include "models/profiled_batches.hpp"
#include "tests/models/model_test_support.hpp"

namespace dflop {
namespace {

using GemmCall = FakeKernelCosts::GemmCall;

/// h = 1,024, 8 heads of 128, 2 key/value heads, gated; 8 experts of width 512, each token to 2.
ModelSpec ExpertModel(int shared = 0) {
  ModelSpec model = GptModel(1024, 4, 8, 1000);
  model.llm.shape = {1024, 2048, 4, 8, 2, true};
  model.llm.shape.experts = {.count = 8, .top_k = 2, .ffn_hidden = 512, .shared = shared};
  return model;
}
SequenceBatch Thousand() { return Sequences(1000, 1); }
ModulePart OneLayer(Mesh mesh) {
  ModulePart part = LayersOnly(0, 1);
  part.mesh = mesh;
  return part;
}

// 1,000 tokens in one sequence. Forward GEMMs: attention's 2·1000·1024·(1536 + 1024) → 52.4288 µs; router 2·1000·8·1024
// → 0.16384; experts, 250 rows each, 8·2·250·1024·(1024 + 512) → 62.91456. Attention 204.8.
constexpr double kGemms = 52.4288 + 0.16384 + 62.91456, kAttention = 204.8;
// Bytes a token, forward: norms and residuals 20·1024, rotary 4·1280, router 10·8, permuting and back 2·(1 + 2) rows of
// 2·1024, activation 2 rows of 3·2·512: 44,112. Backward: 32·1024 norms and residuals, 5·2·512 a row activation:
// 60,496.
constexpr double kMoved = 44.112, kMovedBackward = 60.496;

TEST(ExpertCosts, LayerIsTheSumOfItsKernels) {
  const PartCost cost = Priced(ExpertModel()).cost.Part(LayersOnly(0, 1), Thousand());
  EXPECT_NEAR(cost.forward.time.value(), (kGemms + kAttention + kMoved) * kMicro, 1e-10);
  EXPECT_NEAR(cost.backward.time.value(), (2 * kGemms + 2.5 * kAttention + kMovedBackward) * kMicro, 1e-10);
  EXPECT_NEAR(cost.weight_gradient.time.value(), 4 * kGemms * kMicro, 1e-10);
  EXPECT_EQ(cost.forward.expert_communication.value(), 0);
}

TEST(ExpertCosts, EveryExpertsGemmsHaveItsOwnFewRows) {
  const Priced priced(ExpertModel());
  priced.cost.Part(LayersOnly(0, 1), Thousand());
  const std::vector<GemmCall> expected = {
      GemmCall(1000, 1536, 1024, Pass::kForward), GemmCall(1000, 1024, 1024, Pass::kForward),
      GemmCall(1000, 8, 1024, Pass::kForward), GemmCall(250, 2 * 512, 1024, Pass::kForward),
      GemmCall(250, 1024, 512, Pass::kForward)};
  EXPECT_EQ(std::vector(priced.kernels->gemms.begin(), priced.kernels->gemms.begin() + 5), expected);
}

TEST(ExpertCosts, ExpertParallelRanksExchangeAndSort) {
  // ep = 4: two experts a rank with 1,000 rows each, as much work as before. Two ways of 2,000·2,048 bytes, 3/4 of them
  // at 100 GB/s, and 1 µs each: 63.44 µs. Sorting 2,000 rows there and back: 2·2·2·2,048 bytes a token: 16.384 µs.
  const PartCost cost = Priced(ExpertModel()).cost.Part(OneLayer({.ep = 4}), Thousand());
  EXPECT_NEAR(cost.forward.expert_communication.value(), 63.44 * kMicro, 1e-12);
  EXPECT_NEAR(cost.forward.time.value(), (kGemms + kAttention + kMoved + 16.384 + 63.44) * kMicro, 1e-10);
  EXPECT_NEAR(cost.backward.expert_communication.value(), 63.44 * kMicro, 1e-12);
  EXPECT_EQ(cost.weight_gradient.expert_communication.value(), 0);
  EXPECT_EQ(cost.forward.tensor_parallel_communication.value(), 0);
}

TEST(ExpertCosts, ExpertsAreCutByTheirOwnDegree) {
  const Priced priced(ExpertModel());
  priced.cost.Part(OneLayer({.tp = 2, .sequence_parallel = true, .ep = 2, .etp = 4}), Thousand());
  // Attention in halves; 500 tokens a rank, 1,000 rows, times 8 ranks over 8 experts: 1,000 rows each, 128 columns.
  EXPECT_EQ(priced.kernels->gemms[0], GemmCall(1000, 768, 1024, Pass::kForward));
  EXPECT_EQ(priced.kernels->gemms[2], GemmCall(500, 8, 1024, Pass::kForward));
  EXPECT_EQ(priced.kernels->gemms[3], GemmCall(1000, 2 * 128, 1024, Pass::kForward));
  EXPECT_EQ(priced.kernels->gemms[4], GemmCall(1000, 1024, 128, Pass::kForward));
}

TEST(ExpertCosts, ContextParallelRanksSendTheirTokensOnly) {
  const Priced priced(ExpertModel());
  priced.cost.Part(OneLayer({.cp = 2, .ep = 2}), Thousand());
  EXPECT_EQ(priced.kernels->gemms[3], GemmCall(250, 1024, 1024, Pass::kForward));  // 500·2·2/8
}

TEST(ExpertCosts, OnlyAttentionAndSharedExpertsReduceOverTensorParallelRanks) {
  const auto reductions = [](int shared, bool sequence_parallel) {
    const ModulePart part = OneLayer({.tp = 2, .sequence_parallel = sequence_parallel});
    const PartCost cost = Priced(ExpertModel(shared)).cost.Part(part, Thousand());
    return cost.forward.tensor_parallel_communication.value() / kMicro;
  };
  // 2,048,000 bytes over 2 ranks: half an all-reduce is 1 + 10.24 µs.
  EXPECT_NEAR(reductions(0, true), 2 * 11.24, 1e-6);
  EXPECT_NEAR(reductions(0, false), 3 * 11.24, 1e-6);  // tokens that were divided for the experts are gathered
  EXPECT_NEAR(reductions(1, true), 4 * 11.24, 1e-6);
  EXPECT_NEAR(reductions(1, false), 4 * 11.24, 1e-6);
}

TEST(ExpertCosts, SharedExpertsAreADenseFfnOfTheirWidth) {
  const Priced priced(ExpertModel(3));
  priced.cost.Part(OneLayer({.tp = 2}), Thousand());
  EXPECT_EQ(priced.kernels->gemms[2], GemmCall(1000, 2 * 3 * 512 / 2, 1024, Pass::kForward));
  EXPECT_EQ(priced.kernels->gemms[3], GemmCall(1000, 1024, 3 * 512 / 2, Pass::kForward));
}

TEST(ExpertCosts, ImbalanceLengthensTheBusiestRank) {
  ModelSpec model = ExpertModel();
  model.llm.shape.experts.imbalance = 2;
  // ep = 8, one expert a rank with 2,000 rows: experts' GEMMs, their activation and what arrives are twice as much.
  const PartCost even = Priced(ExpertModel()).cost.Part(OneLayer({.ep = 8}), Thousand());
  const PartCost busy = Priced(model).cost.Part(OneLayer({.ep = 8}), Thousand());
  const double activation = 2 * 3 * 2 * 512 * 1000 / 1e12;
  const double arriving = 2.0 * 2000 * 2048 * 7 / 8 / 100e9;
  EXPECT_NEAR((busy.forward.time - even.forward.time).value(), 62.91456 * kMicro + activation + arriving, 1e-10);
}

TEST(ExpertCosts, WithLessThanARowApieceOnlySomeExpertsRun) {
  const Priced priced(ExpertModel());
  priced.cost.Part(LayersOnly(0, 1), WithoutAttention(2));  // 4 rows for 8 experts
  EXPECT_EQ(priced.kernels->gemms[3], GemmCall(1, 1024, 1024, Pass::kForward));
  const Seconds time = priced.cost.Part(LayersOnly(0, 1), WithoutAttention(2)).weight_gradient.time;
  const double gemms = 2 * 2 * 1024.0 * (1536 + 1024 + 8) + 4 * 2 * 1024.0 * 1536;
  EXPECT_NEAR(time.value(), gemms / 25e12, 1e-15);
}

TEST(ExpertCosts, FlopsCountTheExpertsThatATokenVisits) {
  const auto flops = [](int shared) {
    return Priced(ExpertModel(shared)).cost.Part(LayersOnly(0, 1), Thousand()).model_flops.value();
  };
  const double attention = 2.0 * 1000 * 1000 * 1024;
  const double weights = 1024.0 * (1536 + 1024 + 8 + 2 * 3 * 512);
  EXPECT_DOUBLE_EQ(flops(0), 3 * (2 * 1000 * weights + attention));
  EXPECT_DOUBLE_EQ(flops(1), 3 * (2 * 1000 * (weights + 3 * 1024 * 512) + attention));
}

TEST(ExpertParameters, DenseAndExpertOnesAreCutApart) {
  const CostModel cost = Priced(ExpertModel()).cost;
  const double norms_router = 2 * 1024 + 8 * 1024;
  const double attention = 1024.0 * (1536 + 1024);
  const double experts = 8 * 3 * 1024.0 * 512;
  const ParameterCount whole = cost.CountParameters(LayersOnly(0, 1));
  EXPECT_EQ(whole.dense, attention + norms_router);
  EXPECT_EQ(whole.experts, experts);
  EXPECT_EQ(cost.Parameters(LayersOnly(0, 1)), attention + norms_router + experts);
  const ParameterCount rank = cost.CountParametersOnRank(OneLayer({.tp = 2, .ep = 4, .etp = 2}));
  EXPECT_EQ(rank.dense, attention / 2 + norms_router);
  EXPECT_EQ(rank.experts, experts / 8);
  EXPECT_EQ(cost.ExpertGradientBytes(OneLayer({.ep = 8})).value(), 4 * experts / 8);
}

TEST(ExpertParameters, OptimizerStateOfExpertsIsSharedAmongThoseThatHoldThem) {
  // 4 replicas of 2 ranks are 8 ranks; of ep · etp = 4, two hold the same experts and four the same of the rest.
  SoftwareStack software;
  software.sharding = Sharding::kOptimizer;
  const ModulePart part = OneLayer({.tp = 2, .ep = 4});
  EXPECT_EQ(ExpertReplicas(part.mesh, 4), 2);
  const CostModel cost = Priced(ExpertModel(), software).cost;
  const ParameterCount rank = cost.CountParametersOnRank(part);
  EXPECT_EQ(cost.State(part, 4).optimizer.value(), 12 * (rank.dense / 4 + rank.experts / 2));
  EXPECT_NEAR(cost.OptimizerStep(part, 4).value(), 32 * (rank.dense / 4 + rank.experts / 2) / 1e12, 1e-15);
}

TEST(ExpertMemory, RowsAreKeptWhereTheyAreProcessed) {
  // A token: norms and inputs 8·1024, QKV 2·1536, attention's output 2·1024; two rows of 2·(1024 input + 1024 gate and
  // up + 512); 8 probabilities of 4 bytes: 23,584. Buffers: two rows sent, two received, 2·1024 each.
  const CostModel cost = Priced(ExpertModel()).cost;
  EXPECT_EQ(cost.Activations(LayersOnly(0, 1), Thousand()).value(), 23'584'000);
  EXPECT_EQ(cost.Transient(LayersOnly(0, 1), Thousand()).value(), 4 * 2048 * 1000);
  // ep = 4, imbalance 1.5: of 8,000 rows the busiest expert has 1,500 and its neighbour (8,000 − 1,500)/7.
  ModelSpec model = ExpertModel();
  model.llm.shape.experts.imbalance = 1.5;
  const double rows = 1500 + 6500.0 / 7;
  EXPECT_NEAR(Priced(model).cost.Activations(OneLayer({.ep = 4}), Thousand()).value(),
              23'584'000 + (rows - 2000) * 2 * 2560, 1e-3);
}

TEST(ExpertModels, HaveTheirPublishedTotals) {
  const auto total = [](const std::string& name) {
    const ModelSpec model = BuiltInModel(name);
    return Priced(model).cost.Parameters(WholeModule(model, 0));
  };
  EXPECT_EQ(total("mixtral-8x7b"), 46'702'792'704);  // the published checkpoints' exact counts
  EXPECT_EQ(total("mixtral-8x22b"), 140'620'634'112);
  EXPECT_NEAR(total("qwen2-57b-a14b"), 57.41e9, 0.001 * 57.41e9);
}

TEST(ExpertModels, HaveTheirPublishedActiveParameters) {
  // Training one token without attention takes 6 FLOPs per active weight, the embedding's lookup apart.
  const auto active = [](const std::string& name) {
    const ModelSpec model = BuiltInModel(name);
    const double flops = Priced(model).cost.Part(WholeModule(model, 0), WithoutAttention(1)).model_flops.value();
    return flops / 6 + static_cast<double>(model.llm.vocab) * model.llm.shape.hidden;
  };
  EXPECT_NEAR(active("mixtral-8x7b"), 12.9e9, 0.01 * 12.9e9);
  EXPECT_NEAR(active("mixtral-8x22b"), 39e9, 0.01 * 39e9);
  EXPECT_NEAR(active("qwen2-57b-a14b"), 14.2e9, 0.01 * 14.2e9);
}

}  // namespace
}  // namespace dflop
