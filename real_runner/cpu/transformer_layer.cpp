#include "real_runner/cpu/transformer_layer.hpp"

#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

AttentionHeads HeadsOf(const LayerShape& s) { return {s.heads, s.kv_heads, s.head_dim(), s.causal}; }

AttentionInputs Split(const LayerShape& s, float* qkv) {
  return {qkv, qkv + s.query_width(), qkv + s.query_width() + s.kv_width(), s.qkv_width(), s.qkv_width()};
}

/// Queries and keys lie side by side, so they turn as one run of heads.
void RotateSequences(const LayerShape& s, const Pack& pack, float* qkv, float direction) {
  for (const std::int64_t length : pack.lengths) {
    Rotate(qkv, qkv, {length, s.heads + s.kv_heads, s.head_dim(), s.qkv_width(), direction});
    qkv += length * s.qkv_width();
  }
}

/// One of the layer's four matrices in the backward.
struct Linear {
  std::int64_t tokens, outputs, inputs;
  float* weight;
  float* gradient;
};

/// dInput = dOutput·W and, where wanted, dW (+)= dOutputᵀ·Input while dOutput is warm.
void LinearBackward(const Linear& linear, const float* d_output, const float* input, float* d_input,
                    MatrixGradients matrices) {
  const ConstMatrix gradient(d_output, linear.tokens, linear.outputs);
  Multiply(gradient, ConstMatrix(linear.weight, linear.outputs, linear.inputs),
           Matrix(d_input, linear.tokens, linear.inputs));
  if (matrices == MatrixGradients::kLeave) return;
  TransposedMultiply(gradient, ConstMatrix(input, linear.tokens, linear.inputs),
                     Matrix(linear.gradient, linear.outputs, linear.inputs), 1,
                     matrices == MatrixGradients::kAdd ? 1.F : 0.F);
}

}  // namespace

void LayerForward(const LayerShape& s, const Pack& pack, const LayerWeights& w, const float* x,
                  const LayerActivations& a, float* y) {
  const std::int64_t n = pack.tokens;
  const auto linear = [n](const float* from, std::int64_t inputs, const float* weight, float* to,
                          std::int64_t outputs) {
    MultiplyTransposed(ConstMatrix(from, n, inputs), ConstMatrix(weight, outputs, inputs), Matrix(to, n, outputs));
  };
  NormForward(x, w.norm1, a.normed1, n, s.hidden);
  linear(a.normed1, s.hidden, w.qkv, a.qkv, s.qkv_width());
  if (s.rotary()) RotateSequences(s, pack, a.qkv, 1);
  PackForward(pack, HeadsOf(s), Split(s, a.qkv), a.context, a.lse);
  linear(a.context, s.query_width(), w.out, a.middle, s.hidden);
  Add(x, a.middle, a.middle, n * s.hidden);
  NormForward(a.middle, w.norm2, a.normed2, n, s.hidden);
  linear(a.normed2, s.hidden, w.up, a.up, s.up_width());
  if (s.gated) {
    GatedSilu(a.up, a.up + s.ffn, a.act, n, s.ffn, s.up_width());
  } else {
    Silu(a.up, a.act, n * s.ffn);
  }
  linear(a.act, s.ffn, w.down, y, s.hidden);
  Add(a.middle, y, y, n * s.hidden);
}

void LayerBackward(const LayerShape& s, const Pack& pack, const LayerWeights& w, const float* x,
                   const LayerActivations& a, const float* dy, const LayerDeltas& d, float* dx, const LayerWeights& g,
                   MatrixGradients matrices) {
  const std::int64_t n = pack.tokens;
  // From dy to dmiddle: the FFN half and its residual.
  LinearBackward({n, s.hidden, s.ffn, w.down, g.down}, dy, a.act, d.act, matrices);
  if (s.gated) {
    GatedSiluBackward(d.act, a.up, a.up + s.ffn, d.up, d.up + s.ffn, n, s.ffn, s.up_width());
  } else {
    SiluBackward(d.act, a.up, d.up, n * s.ffn);
  }
  LinearBackward({n, s.up_width(), s.hidden, w.up, g.up}, d.up, a.normed2, d.middle, matrices);
  NormBackward(d.middle, a.middle, w.norm2, d.middle, g.norm2, n, s.hidden);
  Add(d.middle, dy, d.middle, n * s.hidden);
  // From dmiddle to dx: the attention half and its residual.
  LinearBackward({n, s.hidden, s.query_width(), w.out, g.out}, d.middle, a.context, d.context, matrices);
  PackBackward(pack, HeadsOf(s), Split(s, a.qkv), a.context, a.lse, d.context, Split(s, d.qkv));
  if (s.rotary()) RotateSequences(s, pack, d.qkv, -1);
  LinearBackward({n, s.qkv_width(), s.hidden, w.qkv, g.qkv}, d.qkv, a.normed1, dx, matrices);
  NormBackward(dx, x, w.norm1, dx, g.norm1, n, s.hidden);
  Add(dx, d.middle, dx, n * s.hidden);
}

void LayerWeightGradients(const LayerShape& s, const Pack& pack, const LayerActivations& a, const float* dy,
                          const LayerDeltas& d, const LayerWeights& g) {
  const auto add = [&](const float* d_output, std::int64_t outputs, const float* input, std::int64_t inputs,
                       float* gradient) {
    TransposedMultiply(ConstMatrix(d_output, pack.tokens, outputs), ConstMatrix(input, pack.tokens, inputs),
                       Matrix(gradient, outputs, inputs), 1, 1);
  };
  add(dy, s.hidden, a.act, s.ffn, g.down);
  add(d.up, s.up_width(), a.normed2, s.hidden, g.up);
  add(d.middle, s.hidden, a.context, s.query_width(), g.out);
  add(d.qkv, s.qkv_width(), a.normed1, s.hidden, g.qkv);
}

}  // namespace dflop::cpu
