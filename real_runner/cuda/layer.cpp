// A whole transformer layer at TP 1, one kernel after the other on tensors that feed each other: what the sum of single
// operations is compared with. The layer itself is training's (real_runner/training/transformer_layer.hpp), over a pack
// of equal sequences.
#include <cmath>
#include <utility>

#include "real_runner/cuda/operations.hpp"
#include "real_runner/cuda/training_kernels.hpp"
#include "real_runner/training/transformer_layer.hpp"

namespace dflop::cuda {
namespace {

training::LayerShape ShapeOf(const CostRow& row) {
  const training::LayerShape shape{Size(row, "hidden"),   Size(row, "ffn_hidden"), Size(row, "heads"),
                                   Size(row, "kv_heads"), Size(row, "gated") != 0, Size(row, "causal") != 0};
  if (shape.hidden % shape.heads != 0) throw Unsupported("a layer whose heads do not divide its width");
  return shape;
}

training::Pack PackOf(const CostRow& row) {
  const std::int64_t tokens = Size(row, "tokens"), seq = Size(row, "seq");
  if (tokens % seq != 0) throw Unsupported("a layer whose tokens are no whole sequences");
  return training::Pack(std::vector<std::int64_t>(static_cast<std::size_t>(tokens / seq), seq));
}

// Tensors of a set, in this order; the backward ones only where they are needed.
enum : std::size_t {
  kX,
  kGain1,
  kWqkv,
  kWo,
  kGain2,
  kWup,
  kWdown,
  kN1,
  kQkv,
  kO,
  kState,
  kMiddle,
  kN2,
  kUp,
  kAct,
  kY,
  kForwardTensors,
  kDy = kForwardTensors,
  kDx,
  kDGain1,
  kDWqkv,
  kDWo,
  kDGain2,
  kDWup,
  kDWdown,
  kDAct,
  kDUp,
  kDMiddle,
  kDO,
  kDQkv
};

TensorSpec Weight(const char* name, std::int64_t out, std::int64_t in) {  // keeps the variance of what it multiplies
  return {.name = name, .shape = {out, in}, .scale = static_cast<float>(std::sqrt(3.0 / static_cast<double>(in)))};
}

TensorSpec Scratch(std::int64_t rows, std::int64_t width) {
  return {.name = "", .shape = {rows, width}, .role = Role::kScratch};
}

TensorSpec Gradient(const char* name, std::int64_t out, std::int64_t in) {
  return {.name = name, .shape = {out, in}, .role = Role::kAccumulated, .type = ElementType::kFloat};
}

std::vector<TensorSpec> Specs(const training::LayerShape& s, std::int64_t tokens, std::int64_t state_bytes,
                              bool backward) {
  std::vector<TensorSpec> specs = {{.name = "x", .shape = {tokens, s.hidden}},
                                   {.name = "norm1", .shape = {s.hidden}, .scale = 0.5f, .shift = 1},
                                   Weight("qkv", s.qkv_width(), s.hidden),
                                   Weight("out", s.hidden, s.hidden),
                                   {.name = "norm2", .shape = {s.hidden}, .scale = 0.5f, .shift = 1},
                                   Weight("up", s.up_width(), s.hidden),
                                   Weight("down", s.hidden, s.ffn),
                                   Scratch(tokens, s.hidden),
                                   Scratch(tokens, s.qkv_width()),
                                   Scratch(tokens, s.hidden),
                                   Scratch(1, (state_bytes + 1) / 2),
                                   Scratch(tokens, s.hidden),
                                   Scratch(tokens, s.hidden),
                                   Scratch(tokens, s.up_width()),
                                   Scratch(tokens, s.ffn),
                                   {.name = "y", .shape = {tokens, s.hidden}, .role = Role::kOutput}};
  if (!backward) return specs;
  specs.back().role = Role::kScratch;  // y: the backward pass neither reads nor shows it
  const std::vector<TensorSpec> more = {{.name = "dy", .shape = {tokens, s.hidden}},
                                        {.name = "dx", .shape = {tokens, s.hidden}, .role = Role::kOutput},
                                        Gradient("dnorm1", 1, s.hidden),
                                        Gradient("dqkv", s.qkv_width(), s.hidden),
                                        Gradient("dout", s.hidden, s.hidden),
                                        Gradient("dnorm2", 1, s.hidden),
                                        Gradient("dup", s.up_width(), s.hidden),
                                        Gradient("ddown", s.hidden, s.ffn),
                                        Scratch(tokens, s.ffn),
                                        Scratch(tokens, s.up_width()),
                                        Scratch(tokens, s.hidden),
                                        Scratch(tokens, s.hidden),
                                        Scratch(tokens, s.qkv_width())};
  specs.insert(specs.end(), more.begin(), more.end());
  return specs;
}

training::LayerTensors<Bf16> WeightsAt(const Tensors& t) {
  const auto at = [&](std::size_t i) { return static_cast<Bf16*>(t[i]); };
  return {at(kGain1), at(kWqkv), at(kWo), at(kGain2), at(kWup), at(kWdown)};
}

training::LayerTensors<float> GradientsAt(const Tensors& t) {
  const auto at = [&](std::size_t i) { return static_cast<float*>(t[i]); };
  return {at(kDGain1), at(kDWqkv), at(kDWo), at(kDGain2), at(kDWup), at(kDWdown)};
}

/// The layer of training (real_runner/training/transformer_layer.hpp) on tensors of a row.
class Layer {
 public:
  Layer(Device& device, const training::LayerShape& shape, training::Pack pack)
      : shape_(shape), pack_(std::move(pack)), cache_(device, true), kernels_(CurrentGpu(), device, cache_, {}) {}

  std::int64_t state_bytes() const { return kernels_.StateBytes(shape_, pack_); }
  std::string name() const { return "attention " + kernels_.AttentionName(shape_, pack_); }

  /// Makes and tunes what the launches on such tensors need.
  void Rehearse(const Tensors& t, bool backward) {
    kernels_.Rehearse(true);
    Forward(t);
    if (backward) Backward(t);
    kernels_.Rehearse(false);
  }
  void Forward(const Tensors& t) {
    training::LayerForward(kernels_, shape_, pack_, WeightsAt(t), At(t, kX), Activations(t), At(t, kY));
  }
  void Backward(const Tensors& t) {
    const training::LayerDeltas<Bf16> deltas{At(t, kDAct), At(t, kDUp), At(t, kDMiddle), At(t, kDO), At(t, kDQkv)};
    training::LayerBackward(kernels_, shape_, pack_, WeightsAt(t), At(t, kX), Activations(t), At(t, kDy), deltas,
                            At(t, kDx), GradientsAt(t), training::MatrixGradients::kAdd);
  }

 private:
  static int CurrentGpu() {
    int gpu = 0;
    DFLOP_CUDA_CHECK(cudaGetDevice(&gpu));
    return gpu;
  }
  static Bf16* At(const Tensors& t, std::size_t i) { return static_cast<Bf16*>(t[i]); }
  static training::LayerActivations<Bf16> Activations(const Tensors& t) {
    return {At(t, kN1), At(t, kQkv), t[kState], At(t, kO), At(t, kMiddle), At(t, kN2), At(t, kUp), At(t, kAct)};
  }

  training::LayerShape shape_;
  training::Pack pack_;
  KernelCache cache_;
  TrainingKernels kernels_;
};

}  // namespace

std::unique_ptr<CudaKernel> PrepareLayer(Device& device, const CostRow& row) {
  const training::LayerShape shape = ShapeOf(row);
  training::Pack pack = PackOf(row);
  const std::int64_t tokens = pack.tokens;
  const bool backward = row.direction == "backward";
  auto layer = std::make_shared<Layer>(device, shape, std::move(pack));
  auto kernel = std::make_unique<TensorKernel>(device, Specs(shape, tokens, layer->state_bytes(), backward));
  layer->Rehearse(kernel->Next(), backward);
  if (!backward) {
    kernel->Run([=](const Tensors& t) { layer->Forward(t); }, layer->name());
    return kernel;
  }
  kernel->ForEachSet([&](const Tensors& t) { layer->Forward(t); });
  kernel->Run([=](const Tensors& t) { layer->Backward(t); }, layer->name());
  return kernel;
}

}  // namespace dflop::cuda
