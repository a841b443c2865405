// A whole transformer layer at TP 1, one kernel after the other on tensors that feed each other: what the sum of single
// operations is compared with.
//
//   forward   n1 = norm(x, g1); qkv = n1·Wqkvᵀ; rotate q and k; o = attention(q, k, v); x2 = x + o·Woᵀ;
//             n2 = norm(x2, g2); up = n2·Wupᵀ; act = activation(up); y = x2 + act·Wdownᵀ
//   backward  the same from dy to dx, with the gradients of all weights added up in fp32
// qkv holds a token's q, k and v side by side, up its gate and value.
#include <array>
#include <cmath>

#include "real_runner/cuda/attention.hpp"
#include "real_runner/cuda/matmul.hpp"
#include "real_runner/cuda/operations.hpp"

namespace dflop::cuda {
namespace {

struct LayerShape {
  explicit LayerShape(const CostRow& row)
      : tokens(Size(row, "tokens")),
        seq(Size(row, "seq")),
        hidden(Size(row, "hidden")),
        ffn(Size(row, "ffn_hidden")),
        heads(Size(row, "heads")),
        kv_heads(Size(row, "kv_heads")),
        gated(Size(row, "gated") != 0),
        causal(Size(row, "causal") != 0) {
    if (hidden % heads != 0) throw Unsupported("a layer whose heads do not divide its width");
    if (tokens % seq != 0) throw Unsupported("a layer whose tokens are no whole sequences");
    dim = hidden / heads;
  }
  std::int64_t qkv() const { return hidden + 2 * kv_heads * dim; }
  std::int64_t up() const { return gated ? 2 * ffn : ffn; }
  bool rotary() const { return gated && causal; }
  AttentionShape Attention() const { return {tokens / seq, seq, heads, kv_heads, dim, causal, qkv(), qkv()}; }

  std::int64_t tokens, seq, hidden, ffn, heads, kv_heads;
  bool gated, causal;
  std::int64_t dim = 0;
};

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
  kProjected,
  kX2,
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
  kDN,
  kDNorm,
  kDX2,
  kDO,
  kDQkv
};

TensorSpec Weight(const char* name, std::int64_t out, std::int64_t in) {  // keeps the variance of what it multiplies
  return {.name = name, .shape = {out, in}, .scale = static_cast<float>(std::sqrt(3.0 / static_cast<double>(in)))};
}

TensorSpec Scratch(std::int64_t rows, std::int64_t width) {
  return {.name = "", .shape = {rows, width}, .role = Role::kScratch};
}

TensorSpec Gradient(const char* name, std::int64_t out, std::int64_t in, Role role = Role::kAccumulated) {
  return {.name = name, .shape = {out, in}, .role = role, .type = ElementType::kFloat};
}

std::vector<TensorSpec> Specs(const LayerShape& s, std::int64_t state_bytes, bool backward) {
  std::vector<TensorSpec> specs = {{.name = "x", .shape = {s.tokens, s.hidden}},
                                   {.name = "norm1", .shape = {s.hidden}, .scale = 0.5f, .shift = 1},
                                   Weight("qkv", s.qkv(), s.hidden),
                                   Weight("out", s.hidden, s.hidden),
                                   {.name = "norm2", .shape = {s.hidden}, .scale = 0.5f, .shift = 1},
                                   Weight("up", s.up(), s.hidden),
                                   Weight("down", s.hidden, s.ffn),
                                   Scratch(s.tokens, s.hidden),
                                   Scratch(s.tokens, s.qkv()),
                                   Scratch(s.tokens, s.hidden),
                                   Scratch(1, (state_bytes + 1) / 2),
                                   Scratch(s.tokens, s.hidden),
                                   Scratch(s.tokens, s.hidden),
                                   Scratch(s.tokens, s.hidden),
                                   Scratch(s.tokens, s.up()),
                                   Scratch(s.tokens, s.ffn),
                                   {.name = "y", .shape = {s.tokens, s.hidden}, .role = Role::kOutput}};
  if (!backward) return specs;
  specs.back().role = Role::kScratch;  // y: the backward pass neither reads nor shows it
  const std::vector<TensorSpec> more = {{.name = "dy", .shape = {s.tokens, s.hidden}},
                                        {.name = "dx", .shape = {s.tokens, s.hidden}, .role = Role::kOutput},
                                        Gradient("dnorm1", 1, s.hidden, Role::kOutput),
                                        Gradient("dqkv", s.qkv(), s.hidden),
                                        Gradient("dout", s.hidden, s.hidden),
                                        Gradient("dnorm2", 1, s.hidden, Role::kOutput),
                                        Gradient("dup", s.up(), s.hidden),
                                        Gradient("ddown", s.hidden, s.ffn),
                                        Scratch(s.tokens, s.ffn),
                                        Scratch(s.tokens, s.up()),
                                        Scratch(s.tokens, s.hidden),
                                        Scratch(s.tokens, s.hidden),
                                        Scratch(s.tokens, s.hidden),
                                        Scratch(s.tokens, s.hidden),
                                        Scratch(s.tokens, s.qkv())};
  specs.insert(specs.end(), more.begin(), more.end());
  return specs;
}

/// One of the layer's four products and, where wanted, its gradients.
class Linear {
 public:
  Linear(Device& device, std::int64_t tokens, std::int64_t out, std::int64_t in, bool backward)
      : forward_(device, ForwardShape(tokens, out, in)) {
    if (!backward) return;
    input_ = std::make_unique<Matmul>(device, InputGradientShape(tokens, out, in));
    weight_ = std::make_unique<Matmul>(device, WeightGradientShape(tokens, out, in));
  }
  void Forward(const void* x, const void* w, void* y) const { forward_.Launch({x, w, y}); }
  void Backward(const void* dy, const void* x, const void* w, void* dx, void* dw) const {
    input_->Launch({dy, w, dx});
    weight_->Launch({dy, x, dw}, true);
  }
  /// On operands of the right sizes, whatever they hold.
  void Tune(void* x, void* w, void* y, void* dw) {
    forward_.Tune([&](int) { return MatmulOperands{x, w, y}; });
    if (input_ == nullptr) return;
    input_->Tune([&](int) { return MatmulOperands{y, w, x}; });
    weight_->Tune([&](int) { return MatmulOperands{y, x, dw}; });
  }

 private:
  Matmul forward_;
  std::unique_ptr<Matmul> input_, weight_;
};

class Layer {
 public:
  Layer(Device& device, const LayerShape& shape, bool backward)
      : device_(device),
        s_(shape),
        attention_(MakeAttention(device, shape.Attention(), backward)),
        qkv_(device, s_.tokens, s_.qkv(), s_.hidden, backward),
        out_(device, s_.tokens, s_.hidden, s_.hidden, backward),
        up_(device, s_.tokens, s_.up(), s_.hidden, backward),
        down_(device, s_.tokens, s_.hidden, s_.ffn, backward) {
    if (backward) {
      partial_ = DeviceBuffer(NormPartialRows(s_.tokens) * s_.hidden * static_cast<std::int64_t>(sizeof(float)));
    }
  }

  const Attention& attention() const { return *attention_; }

  /// Activations of any values do for that; in the backward layer's set they are made anew afterwards.
  void Tune(const Tensors& t, bool backward) {
    const auto gradient = [&](std::size_t i) { return backward ? t[i] : nullptr; };
    qkv_.Tune(t[kN1], t[kWqkv], t[kQkv], gradient(kDWqkv));
    out_.Tune(t[kO], t[kWo], t[kProjected], gradient(kDWo));
    up_.Tune(t[kN2], t[kWup], t[kUp], gradient(kDWup));
    down_.Tune(t[kAct], t[kWdown], t[kY], gradient(kDWdown));
  }

  void Forward(const Tensors& t) {
    NormForward(B(t, kX), B(t, kGain1), B(t, kN1), s_.tokens, s_.hidden, stream());
    qkv_.Forward(t[kN1], t[kWqkv], t[kQkv]);
    Rotate(B(t, kQkv), 1);
    attention_->Forward(AttentionOf(t));
    out_.Forward(t[kO], t[kWo], t[kProjected]);
    Add(B(t, kX), B(t, kProjected), B(t, kX2), values(), stream());
    NormForward(B(t, kX2), B(t, kGain2), B(t, kN2), s_.tokens, s_.hidden, stream());
    up_.Forward(t[kN2], t[kWup], t[kUp]);
    ActivationForward(B(t, kUp), Second(B(t, kUp)), B(t, kAct), ActivationOf(), stream());
    down_.Forward(t[kAct], t[kWdown], t[kProjected]);
    Add(B(t, kX2), B(t, kProjected), B(t, kY), values(), stream());
  }

  void Backward(const Tensors& t) {
    auto* const partial = static_cast<float*>(partial_.data());
    down_.Backward(t[kDy], t[kAct], t[kWdown], t[kDAct], t[kDWdown]);
    ActivationBackward(B(t, kDAct), B(t, kUp), Second(B(t, kUp)), B(t, kDUp), Second(B(t, kDUp)), ActivationOf(),
                       stream());
    up_.Backward(t[kDUp], t[kN2], t[kWup], t[kDN], t[kDWup]);
    NormBackward(B(t, kDN), B(t, kX2), B(t, kGain2), B(t, kDNorm), F(t, kDGain2), partial, s_.tokens, s_.hidden,
                 stream());
    Add(B(t, kDy), B(t, kDNorm), B(t, kDX2), values(), stream());
    out_.Backward(t[kDX2], t[kO], t[kWo], t[kDO], t[kDWo]);
    attention_->Backward(AttentionOf(t, true));
    Rotate(B(t, kDQkv), -1);
    qkv_.Backward(t[kDQkv], t[kN1], t[kWqkv], t[kDN], t[kDWqkv]);
    NormBackward(B(t, kDN), B(t, kX), B(t, kGain1), B(t, kDNorm), F(t, kDGain1), partial, s_.tokens, s_.hidden,
                 stream());
    Add(B(t, kDX2), B(t, kDNorm), B(t, kDx), values(), stream());
  }

 private:
  static Bf16* B(const Tensors& t, std::size_t i) { return static_cast<Bf16*>(t[i]); }
  static float* F(const Tensors& t, std::size_t i) { return static_cast<float*>(t[i]); }
  cudaStream_t stream() const { return device_.stream(); }
  std::int64_t values() const { return s_.tokens * s_.hidden; }
  ActivationShape ActivationOf() const { return {s_.tokens, s_.ffn, s_.up()}; }
  /// The value beside the gate.
  Bf16* Second(Bf16* up) const { return s_.gated ? up + s_.ffn : nullptr; }

  /// q and k lie side by side and are rotated as one row of heads + kv_heads heads.
  void Rotate(Bf16* qkv, int direction) {
    if (!s_.rotary()) return;
    const RopeShape shape{s_.tokens, s_.seq, static_cast<int>(s_.heads + s_.kv_heads), static_cast<int>(s_.dim),
                          s_.qkv()};
    Rope(qkv, qkv, shape, direction, stream());
  }

  AttentionTensors AttentionOf(const Tensors& t, bool backward = false) const {
    const std::int64_t k = s_.hidden, v = k + s_.kv_heads * s_.dim;
    Bf16* const qkv = B(t, kQkv);
    AttentionTensors tensors{qkv, qkv + k, qkv + v, B(t, kO), t[kState]};
    if (!backward) return tensors;
    Bf16* const slopes = B(t, kDQkv);
    tensors.d_o = B(t, kDO);
    tensors.dq = slopes;
    tensors.dk = slopes + k;
    tensors.dv = slopes + v;
    return tensors;
  }

  Device& device_;
  const LayerShape s_;
  std::unique_ptr<Attention> attention_;
  Linear qkv_, out_, up_, down_;
  DeviceBuffer partial_;
};

}  // namespace

std::unique_ptr<CudaKernel> PrepareLayer(Device& device, const CostRow& row) {
  const LayerShape shape(row);
  const bool backward = row.direction == "backward";
  auto layer = std::make_shared<Layer>(device, shape, backward);
  auto kernel = std::make_unique<TensorKernel>(device, Specs(shape, layer->attention().state_bytes(), backward));
  // Tuning writes over activations; the forward pass that follows makes them again from x, which it leaves alone.
  layer->Tune(kernel->Next(), backward);
  const std::string name = "attention " + layer->attention().name();
  if (!backward) {
    kernel->Run([=](const Tensors& t) { layer->Forward(t); }, name);
    return kernel;
  }
  kernel->ForEachSet([&](const Tensors& t) { layer->Forward(t); });
  kernel->Run([=](const Tensors& t) { layer->Backward(t); }, name);
  return kernel;
}

}  // namespace dflop::cuda
