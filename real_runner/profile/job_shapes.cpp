// The shapes of a job, by their share of its time on a reference cluster: their order matters, their times do not.
#include "real_runner/profile/job_shapes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "models/cost_model.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

/// Answers as another model does and remembers what it was asked.
class RecordingKernelCosts final : public KernelCosts {
 public:
  explicit RecordingKernelCosts(std::shared_ptr<const KernelCosts> costs) : costs_(std::move(costs)) {}

  KernelCost Gemm(double m, double n, double k, Pass pass) const override {
    const KernelCost cost = costs_->Gemm(m, n, k, pass);
    if (m > 0 && n > 0 && k > 0) gemms_[{std::round(m), std::round(n), std::round(k)}] += cost.time.value();
    return cost;
  }
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override {
    const KernelCost cost = costs_->Attention(shape, pass);
    const AttentionSizes sizes{shape.causal,
                               std::max(1.0, std::round(shape.sequences)),
                               shape.length,
                               static_cast<double>(shape.heads),
                               static_cast<double>(shape.kv_heads),
                               static_cast<double>(shape.head_dim)};
    if (shape.length > 0 && shape.heads > 0) attentions_[sizes] += cost.time.value();
    return cost;
  }
  KernelCost MemoryBound(Bytes bytes) const override { return costs_->MemoryBound(bytes); }
  const GpuSpec& gpu() const override { return costs_->gpu(); }
  std::string description() const override { return costs_->description(); }
  Json error_band() const override { return costs_->error_band(); }

  /// Adds what was asked since the last call to the sums, times `factor`.
  void MoveTo(std::map<GemmShape, double>& gemms, std::map<AttentionSizes, double>& attentions, double factor) const {
    for (const auto& [shape, time] : gemms_) gemms[shape] += time * factor;
    for (const auto& [shape, time] : attentions_) attentions[shape] += time * factor;
    gemms_.clear();
    attentions_.clear();
  }

 private:
  std::shared_ptr<const KernelCosts> costs_;
  mutable std::map<GemmShape, double> gemms_;
  mutable std::map<AttentionSizes, double> attentions_;
};

struct Shares {
  std::map<GemmShape, double> gemms;
  std::map<AttentionSizes, double> attentions;
};

/// One microbatch after another of a module, each counted as one step whatever its size; adds to `shares`.
class Survey {
 public:
  Survey(const ModelSpec& model, Shares& shares)
      : kernels_(std::make_shared<RecordingKernelCosts>(BuiltInKernelCosts(Reference().only_node().gpu))),
        cost_(model, Reference(), kernels_, SoftwareStack{}),
        shares_(shares) {}

  void Price(int module, int ranks, const SequenceBatch& batch) {
    const int layers = cost_.model().shape(module).layers;
    const ModulePart layer{module, 0, 1, false, false, {.tp = ranks}};
    const ModulePart ends{module, 0, 0, true, true, {.tp = ranks}};
    const double layer_time = Time(layer, batch);
    Shares times;
    kernels_->MoveTo(times.gemms, times.attentions, layers);
    const double whole = layer_time * layers + Time(ends, batch);
    kernels_->MoveTo(times.gemms, times.attentions, 1);
    for (const auto& [shape, time] : times.gemms) shares_.gemms[shape] += time / whole;
    for (const auto& [shape, time] : times.attentions) shares_.attentions[shape] += time / whole;
  }

 private:
  static ClusterSpec Reference() {
    const Json name("dgx-h100");
    return ReadCluster(JsonReader(name, "reference cluster"));
  }

  double Time(const ModulePart& part, const SequenceBatch& batch) const {
    const PartCost cost = cost_.Part(part, batch);
    return (cost.forward.time + cost.backward.time + cost.weight_gradient.time).value();
  }

  std::shared_ptr<const RecordingKernelCosts> kernels_;
  CostModel cost_;
  Shares& shares_;
};

template <typename Shape>
std::vector<Weighted<Shape>> Ranked(const std::map<Shape, double>& shares) {
  std::vector<Weighted<Shape>> ranked;
  ranked.reserve(shares.size());
  for (const auto& [shape, share] : shares) ranked.push_back({shape, share});
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.share > b.share; });
  return ranked;
}

std::vector<SequenceBatch> MicrobatchesOf(const ModelSpec& model, int module) {
  constexpr int kMostTiles = 32;
  constexpr int kFewestTokens = 1024;
  constexpr int kMostTokens = 32768;
  std::vector<SequenceBatch> batches;
  if (!model.is_llm(module)) {
    const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(module)];
    for (int tiles = 1; tiles <= kMostTiles; tiles *= 2) batches.push_back(EncoderBatch(encoder, tiles));
    return batches;
  }
  for (int tokens = kFewestTokens; tokens <= kMostTokens; tokens *= 2) {
    for (const int length : {512, 2048, 8192}) {
      if (length > tokens) continue;
      const std::vector<int> samples(static_cast<std::size_t>(tokens / length), length);
      batches.push_back(LlmBatch(samples, Packing::kPacked));
    }
  }
  return batches;
}

}  // namespace

JobShapes FindJobShapes(const std::vector<ModelSpec>& models) {
  Shares shares;
  for (const ModelSpec& model : models) {
    Survey survey(model, shares);
    for (int module = 0; module < model.module_count(); ++module) {
      for (const int ranks : {1, 2, 4, 8}) {
        if (!DividesAmong(model, module, ranks)) continue;
        for (const SequenceBatch& batch : MicrobatchesOf(model, module)) survey.Price(module, ranks, batch);
      }
    }
  }
  return {Ranked(shares.gemms), Ranked(shares.attentions)};
}

}  // namespace dflop
