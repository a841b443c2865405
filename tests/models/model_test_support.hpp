// What the tests of models/ share: kernels of known speed, small models, and the place of an input error.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "models/cost_model.hpp"
#include "tests/input_error.hpp"

namespace dflop {

/// `count` sequences of one length.
inline SequenceBatch Sequences(double length, double count) {
  SequenceBatch batch;
  batch.Add(length, count);
  return batch;
}

/// Kernels whose time is a short sum by hand: forward GEMMs at 100 TFLOP/s, input gradients at 50, weight gradients at
/// 25; attention at 10 TFLOP/s, its backward 2.5 × as long; memory at 1 TB/s. It remembers what it was asked.
class FakeKernelCosts : public KernelCosts {
 public:
  using GemmCall = std::tuple<double, double, double, Pass>;
  struct AttentionCall {
    AttentionShape shape;
    Pass pass;
  };

  KernelCost Gemm(double m, double n, double k, Pass pass) const override {
    gemms.emplace_back(m, n, k, pass);
    const double rate = pass == Pass::kForward ? 100e12 : pass == Pass::kInputGradient ? 50e12 : 25e12;
    return {Seconds(2 * m * n * k / rate), m > extrapolated_above};
  }
  KernelCost Attention(const AttentionShape& shape, Pass pass) const override {
    attentions.push_back({shape, pass});
    return {Seconds(shape.flops().value() / 10e12 * (pass == Pass::kForward ? 1.0 : 2.5)), false};
  }
  KernelCost MemoryBound(Bytes bytes) const override { return {Seconds(bytes.value() / 1e12), false}; }
  const GpuSpec& gpu() const override { return gpu_; }
  std::string description() const override { return "fake"; }
  Json error_band() const override { return Json::EmptyObject(); }

  double extrapolated_above = 1e18;
  mutable std::vector<GemmCall> gemms;
  mutable std::vector<AttentionCall> attentions;

 private:
  GpuSpec gpu_;
};

inline ClusterSpec TestCluster() {
  NodeSpec node;
  node.gpus = 8;
  node.nics = 8;
  node.intra_bandwidth = BytesPerSecond(100e9);
  node.intra_latency = Seconds(1e-6);
  node.nic_bandwidth = BytesPerSecond(10e9);
  node.nic_latency = Seconds(5e-6);
  return {"test", "", {{.count = 4, .node = node}}};
}

inline ModelSpec ModelFrom(const std::string& text) {
  const Json json = ParseJson(text, "model.json");
  return ReadModel(JsonReader(json, "model.json"));
}

/// GPT layers: no gate, no grouped queries.
inline ModelSpec GptModel(int hidden, int layers, int heads, int vocab) {
  ModelSpec model;
  model.llm.name = "llm";
  model.llm.shape = {hidden, 4 * hidden, layers, heads, heads, false};
  model.llm.vocab = vocab;
  return model;
}

/// A whole module on one stage.
inline ModulePart WholeModule(const ModelSpec& model, int module, int ranks = 1) {
  return {module, 0, model.shape(module).layers, true, true, {.tp = ranks}};
}

/// Layers alone, without the ends of their module.
inline ModulePart LayersOnly(int module, int layers, int ranks = 1) {
  return {module, 0, layers, false, false, {.tp = ranks}};
}

inline constexpr double kMicro = 1e-6;

struct Priced {
  std::shared_ptr<FakeKernelCosts> kernels = std::make_shared<FakeKernelCosts>();
  CostModel cost;

  explicit Priced(ModelSpec model, SoftwareStack software = {}, ClusterSpec cluster = TestCluster())
      : cost(std::move(model), std::move(cluster), kernels, std::move(software)) {}
};

}  // namespace dflop
