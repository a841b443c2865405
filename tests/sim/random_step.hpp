// Random training steps: a model, a cluster, a layout, its orders and a batch plan, all from one seed.
//
// Kernels are those of the test model, whose time grows with everything that they are asked for, so that the sign of
// what a change does to a step is known: measured tables have no such sign.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/index.hpp"
#include "models/loaded_kernel_costs.hpp"
#include "tests/models/model_test_support.hpp"
#include "tests/sim/plan_support.hpp"

namespace dflop {

/// The test kernels on a slower GPU.
class SlowedKernelCosts final : public FakeKernelCosts {
 public:
  /// At a peak that the test model's GEMMs come so near to that no clock sustains them.
  SlowedKernelCosts(double compute, double memory) : compute_(compute), memory_(memory) {
    gpu_.name = "test";
    gpu_.peak = FlopsPerSecond(120e12);
  }
  KernelCost Gemm(double m, double n, double k, Pass pass) const override {
    return Slower(FakeKernelCosts::Gemm(m, n, k, pass), compute_);
  }
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override {
    return Slower(FakeKernelCosts::Attention(shape, pass), compute_);
  }
  KernelCost MemoryBound(Bytes bytes) const override { return Slower(FakeKernelCosts::MemoryBound(bytes), memory_); }
  const GpuSpec& gpu() const override { return gpu_; }

 private:
  static KernelCost Slower(KernelCost cost, double factor) {
    cost.time *= factor;
    return cost;
  }
  GpuSpec gpu_;
  double compute_;
  double memory_;
};

/// Whatever a change may touch stands here; layout, orders and plan stay.
struct RandomStep {
  ModelSpec model;
  ClusterSpec cluster;
  SoftwareStack software;
  Layout layout;
  std::vector<DeviceOrder> orders;
  std::string pipeline;
  std::vector<SampleShape> batch;
  BatchPlan plan;
  double compute_factor = 1;  ///< of GEMMs and attention
  double memory_factor = 1;

  double Seconds(const Disturbance& disturb = {}) const {
    const auto kernels = UnderLoad(std::make_shared<SlowedKernelCosts>(compute_factor, memory_factor), software);
    const CostModel cost(model, cluster, kernels, software);
    return SimulateStep({cost, layout, orders}, plan, batch, *MakeReplayEngine(), {.disturb = disturb})
        .times.makespan.value();
  }
};

class RandomStepMaker {
 public:
  explicit RandomStepMaker(std::uint64_t seed) : random_(seed, "random step"), words_(seed, "words of a stack") {}

  RandomStep Make() {
    RandomStep step;
    step.model = Model();
    step.cluster = TestCluster();
    step.cluster.only_node().nics = Pick({8, 4, 2});
    step.software = Software();
    while (!Place(step)) {
    }
    Fill(step);
    return step;
  }

 private:
  int Below(int bound) { return static_cast<int>(random_.Below(static_cast<std::uint64_t>(bound))); }
  bool Chance(double share) { return random_.Uniform() < share; }
  int Pick(const std::vector<int>& values) { return values[random_.Below(values.size())]; }

  ModelSpec Model() {
    ModelSpec model = SmallVlm();
    model.llm.tied_embeddings = Chance(0.3);
    const int encoders = Pick({0, 1, 1, 1, 2});
    const EncoderSpec encoder = model.encoders.front();
    model.encoders.assign(Index(encoders), encoder);
    model.llm.frozen = encoders > 0 && Chance(0.15);
    for (EncoderSpec& e : model.encoders) {
      e.frozen = Chance(0.2);
      e.projector_frozen = e.frozen && !model.llm.frozen && Chance(0.3);
    }
    return model;
  }

  SoftwareStack Software() {
    SoftwareStack software;
    software.recompute = static_cast<Recompute>(Below(3));
    software.attention = Chance(0.2) ? AttentionKind::kUnfused : AttentionKind::kFlash;
    software.packing = Chance(0.3) ? Packing::kPadded : Packing::kPacked;
    software.sharding = static_cast<Sharding>(Pick({0, 0, 0, 1, 1, 2, 3}));
    if (Chance(0.2)) software.encoder_sharding = static_cast<Sharding>(Below(4));
    if (Chance(0.2)) software.reduce_every_microbatch = Chance(0.5);
    software.prefetch = Pick({1, 1, 0, 2});
    software.wrapped_layers = Pick({1, 3});
    software.reshard_after_forward = Chance(0.8);
    software.context_parallel = static_cast<ContextParallel>(Below(2));
    software.overlap_gradients = Chance(0.5);
    if (software.overlap_gradients) software.bucket_bytes = Pick({200'000, 1'000'000, 2'000'000'000});
    if (software.shards()) software.overlap_parameters = Chance(0.5);
    software.scatter_transfers = Chance(0.7);
    if (Chance(0.2)) software.host_per_kernel = dflop::Seconds(5e-6);
    DrawKernels(software);
    return software;
  }

  /// Which kernels run and how they are launched; from a stream of their own, so that all else is drawn as without.
  void DrawKernels(SoftwareStack& software) {
    const auto chance = [&](double share) { return words_.Uniform() < share; };
    const auto below = [&](std::uint64_t bound) { return static_cast<int>(words_.Below(bound)); };
    if (chance(0.4)) software.precision = static_cast<Precision>(below(4));
    if (chance(0.4)) software.attention_kernel = static_cast<AttentionKernel>(below(6));
    software.sustained_clocks = chance(0.3);
    if (chance(0.5)) software.launch = static_cast<Launch>(below(4));
    software.overlap_tensor_parallel = chance(0.3);
    software.fused_optimizer = chance(0.7);
    software.clip_gradients = chance(0.3);
    if (chance(0.3)) software.recompute_share = 0.01 + 0.99 * words_.Uniform();
    software.fused_activation = chance(0.7);
    software.fused_norms = chance(0.7);
    software.fused_accumulation = chance(0.7);
  }

  /// Whether the drawn degrees can be placed.
  bool Place(RandomStep& step) {
    const bool separate = !step.model.encoders.empty() && Chance(0.45);
    return separate ? PlaceSeparate(step) : PlaceHomogeneous(step);
  }

  bool PlaceSeparate(RandomStep& step) {
    SeparateDegrees degrees;
    for (std::size_t e = 0; e < step.model.encoders.size(); ++e) degrees.encoders.push_back(Module(2, 3));
    degrees.llm = Module(3, 3);
    degrees.llm.sequence_parallel = Chance(0.3);
    degrees.microbatches = Pick({1, 2, 3, 5});
    degrees.communicator = Chance(0.5) ? Communicator::kHub : Communicator::kDirect;
    step.pipeline = Chance(0.5) ? "1f1b" : "gpipe";
    return Keep(step, degrees);
  }
  ModuleDegrees Module(int most_stages, int most_replicas) {
    return {Pick({1, 2, 4}), 1 + Below(most_stages), 1 + Below(most_replicas)};
  }

  bool PlaceHomogeneous(RandomStep& step) {
    HomogeneousDegrees degrees;
    degrees.tp = Pick({1, 2, 4});
    degrees.pp = Pick({1, 2, 3, 4});
    degrees.dp = Pick({1, 2, 3, 4});
    degrees.sequence_parallel = Chance(0.3);
    degrees.cp = Pick({1, 1, 1, 2});
    degrees.microbatches = Pick({1, 2, 4, 6});
    degrees.chunks = degrees.pp > 1 && Chance(0.3) ? 2 : 1;
    step.pipeline = Chance(0.5) ? "1f1b" : "gpipe";
    if (degrees.chunks > 1) {
      degrees.microbatches = degrees.pp * Pick({1, 2});
      step.pipeline = R"({"name": "interleaved", "chunks": 2})";
    }
    const int stages = degrees.pp * degrees.chunks;
    if (!step.model.encoders.empty() && stages > 1) degrees.encoder_stages = 1 + Below(stages - 1);
    if (!step.model.encoders.empty() && stages == 1 && Chance(0.5)) degrees.encoder_tp = 1;
    return Keep(step, degrees);
  }

  template <typename Degrees>
  bool Keep(RandomStep& step, const Degrees& degrees) {
    if (!WhyImpossible(degrees, step.model, step.cluster).empty()) return false;
    step.layout = BuildLayout(degrees, step.model, step.cluster);
    step.orders = OrdersOf(*Plugin<PipelineSchedule>(step.pipeline), step.layout);
    return true;
  }

  /// Uneven samples, one to every bucket and the others anywhere.
  void Fill(RandomStep& step) {
    const int replicas = step.layout.llm_replicas();
    const int buckets = replicas * step.layout.microbatches;
    const int samples = buckets * (1 + Below(3));
    step.plan.buckets.assign(Index(replicas), std::vector<std::vector<int>>(Index(step.layout.microbatches)));
    for (int i = 0; i < samples; ++i) {
      SampleShape sample{{}, 20 + Below(600), 10};
      for (std::size_t e = 0; e < step.model.encoders.size(); ++e) {
        sample.tiles.push_back(Below(Chance(0.25) ? 24 : 4));
        sample.llm_tokens += 200 * sample.tiles.back();
      }
      if (!sample.tiles.empty()) sample.tiles.front() += 1;  // no encoder's microbatch is without a tile of some kind
      step.batch.push_back(std::move(sample));
      const int bucket = i < buckets ? i : Below(buckets);
      step.plan.buckets[Index(bucket % replicas)][Index(bucket / replicas)].push_back(i);
    }
  }

  RandomStream random_;
  RandomStream words_;
};

/// A step whose replicas beyond the first `different` repeat the samples of earlier ones.
inline RandomStep WithRepeatedReplicas(RandomStep step, int different) {
  for (std::size_t r = Index(different); r < step.plan.buckets.size(); ++r) {
    for (std::size_t k = 0; k < step.plan.buckets[r].size(); ++k) {
      std::vector<int>& bucket = step.plan.buckets[r][k];
      bucket.clear();
      for (const int sample : step.plan.buckets[r - Index(different)][k]) {
        bucket.push_back(static_cast<int>(step.batch.size()));
        step.batch.push_back(SampleShape(step.batch[Index(sample)]));
      }
    }
  }
  return step;
}

}  // namespace dflop
