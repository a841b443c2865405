// Memory per GPU of Megatron-style runs, worked out from arXiv 2205.05198 (Table 3's configurations, the formulas of
// its section 4), fp16 with 18 bytes a parameter, sequences of 2,048 tokens, vocabulary 51,200, TP 8.
//
// s·b·h, with a heads, t = 8 ranks, L layers, p stages:
//   layer, TP alone          s·b·h·(10 + 24/t + 5·a·s/(h·t))       layer, + SP and selective   s·b·h·34/t
//   first stage, 1F1B        L/p layers × p microbatches in flight; interleaved × (1 + (p−1)/(p·m))
//   ends                     embedding's dropout mask s·b·h/t a microbatch (whole without SP); with p = 1 also the
//   inputs
//                            of the last norm and of the head, 4·s·b·h/t, and fp32 logits 4·s·b·v/t
// Parameters: 12·h² a layer and v·h for the tied embedding; biases, norms and positions are left out here (0.1 %).
#include <gtest/gtest.h>

#include "sim/measure/metrics.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

struct Run {
  int hidden, layers, heads, pp, chunks, micro_batch;
  bool sequence_parallel;
  Recompute recompute;
};

StageMemoryUse FirstStage(const Run& run) {
  ModelSpec model = GptModel(run.hidden, run.layers, run.heads, 51200);
  model.llm.tied_embeddings = true;
  SoftwareStack software;
  software.precision = Precision::kFp16;
  software.attention = AttentionKind::kUnfused;
  software.dropout = 0.1;
  software.recompute = run.recompute;
  software.workspace_bytes = 0;
  software.fragmentation = 0;
  const ClusterSpec cluster = A100Nodes(run.pp);
  const CostModel cost(model, cluster, BuiltInKernelCosts(cluster.only_node().gpu), software);
  const int microbatches = 2 * run.pp;
  const Layout layout = BuildLayout(HomogeneousDegrees{.tp = 8,
                                                       .pp = run.pp,
                                                       .dp = 1,
                                                       .microbatches = microbatches,
                                                       .sequence_parallel = run.sequence_parallel,
                                                       .chunks = run.chunks},
                                    model, cluster);
  const std::string schedule =
      run.chunks > 1 ? R"({"name": "interleaved", "chunks": )" + std::to_string(run.chunks) + "}" : "1f1b";
  const std::vector<SampleShape> batch(static_cast<std::size_t>(microbatches * run.micro_batch), {{}, 2048, 2048});
  BatchPlan plan{{{}}};
  for (int k = 0; k < microbatches; ++k) {
    auto& bucket = plan.buckets[0].emplace_back();
    for (int i = 0; i < run.micro_batch; ++i) bucket.push_back(k * run.micro_batch + i);
  }
  const auto orders = OrdersOf(*Plugin<PipelineSchedule>(schedule), layout);
  return PeakMemory({cost, layout, orders}, DivideWork(plan, layout, cost, batch)).stages.front();
}

double State(const StageMemoryUse& use) { return (use.weights + use.gradients + use.optimizer).value() / kGiB; }
double Activations(const StageMemoryUse& use) { return use.activations.value() / kGiB; }

TEST(MegatronMemory, Gpt22BWithTensorParallelismAlone) {
  // h 6,144, 48 layers, 64 heads, microbatch 4: s·b·h = 50,331,648. 5·a·s/(h·t) = 13.333: a layer keeps 26.333 of them,
  // 48 layers 63,619,203,072 bytes; mask 50,331,648; ends 4·s·b·h = 201,326,592 and logits 209,715,200. In sum 59.69
  // GiB. Parameters (48·12·37,748,736 + 51,200·6,144)/8 = 2,757,230,592, times 18: 46.22 GiB. It does not fit into 80
  // GB.
  const StageMemoryUse use = FirstStage({6144, 48, 64, 1, 1, 4, false, Recompute::kNone});
  EXPECT_NEAR(Activations(use), 59.69, 0.1);
  EXPECT_NEAR(State(use), 46.22, 0.05);
}

TEST(MegatronMemory, Gpt22BWithSequenceParallelismAndSelectiveRecompute) {
  // 34/8·s·b·h a layer, 48 layers: 10,267,656,192; mask 6,291,456; ends 25,165,824 and logits 209,715,200: 9.79 GiB.
  // While a layer runs, its recomputed scores 5·a·s²·b/t = 671,088,640 stand beside all that but the loss, which is
  // over by then: 0.625 − 0.195 GiB more.
  const StageMemoryUse use = FirstStage({6144, 48, 64, 1, 1, 4, true, Recompute::kSelective});
  EXPECT_NEAR(Activations(use), 9.79 + 0.625 - 0.195, 0.2);
  EXPECT_NEAR(State(use), 46.22, 0.05);
}

TEST(MegatronMemory, Gpt175BHoldsEightMicrobatchesOnItsFirstStage) {
  // h 12,288, 96 layers, 96 heads, 8 stages, microbatch 1: s·b·h = 25,165,824. 12 layers × 8 in flight × 34/8·s·b·h =
  // 10,267,656,192; masks 8·s·b·h/8 = 25,165,824: 9.586 GiB; recomputed scores of a layer 5·96·2048²/8 = 0.234 GiB.
  // Parameters (12·12·150,994,944 + 51,200·12,288)/8 = 2,796,552,192, times 18: 46.88 GiB.
  const StageMemoryUse use = FirstStage({12288, 96, 96, 8, 1, 1, true, Recompute::kSelective});
  EXPECT_NEAR(Activations(use), 9.586 + 0.234, 0.02);
  EXPECT_NEAR(State(use), 46.88, 0.05);
}

TEST(MegatronMemory, Gpt530BInterleavedHoldsAThirdMore) {
  // h 20,480, 105 layers, 128 heads, 35 stages in 3 chunks, microbatch 1: s·b·h = 41,943,040. Layers in flight
  // 105·(1 + 34/(35·3)) = 139, each 34/8·s·b·h = 178,257,920: 23.076 GiB; masks of the first chunk's microbatches in
  // flight, 35 + 34 + 1 at most, 5,242,880 each: up to 0.342 GiB; recomputed scores 5·128·2048²/8: 0.3125 GiB.
  const StageMemoryUse use = FirstStage({20480, 105, 128, 35, 3, 1, true, Recompute::kSelective});
  EXPECT_NEAR(Activations(use), 23.076 + 0.342 + 0.3125, 0.2);
  // Three layers and the embedding: (3·12·419,430,400 + 51,200·20,480)/8 = 2,018,508,800, times 18: 33.84 GiB.
  EXPECT_NEAR(State(use), 33.84, 0.05);
}

TEST(MegatronMemory, FullRecomputeKeepsTheInputsOfLayers) {
  // 2·s·b·h a layer, divided by t with sequence parallelism: 96 layers in flight × 6,291,456 = 0.5625 GiB, masks 0.023;
  // beside them one layer in full, 34/8·s·b·h + scores 5·a·s²·b/t = 0.0996 + 0.234 GiB.
  const StageMemoryUse use = FirstStage({12288, 96, 96, 8, 1, 1, true, Recompute::kFull});
  EXPECT_NEAR(Activations(use), 0.5625 + 0.0234 + 0.0996 + 0.2344, 0.02);
}

}  // namespace
}  // namespace dflop
