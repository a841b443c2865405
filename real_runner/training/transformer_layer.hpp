// A whole transformer layer out of a device's kernels, over a pack of sequences: what the profiler measures as a
// `layer` row (real_runner/kernels/operations.hpp) and what the worker trains with, on every backend.
//
// Weights: norm1, norm2 [hidden]; qkv [qkv_width, hidden], queries, keys and values one below the other;
// out [hidden, query_width]; up [up_width, hidden] (gate above value where gated); down [hidden, ffn].
#pragma once

#include "real_runner/training/layer_shape.hpp"

namespace dflop::training {

/// The weights, or (as floats) their gradients.
template <typename T>
struct LayerTensors {
  T* norm1;
  T* qkv;
  T* out;
  T* norm2;
  T* up;
  T* down;
};

/// What the forward leaves for the backward, [tokens, width].
template <typename Value>
struct LayerActivations {
  Value* normed1;  ///< hidden
  Value* qkv;      ///< qkv_width, turned by position where rotary
  void* state;     ///< attention's own
  Value* context;  ///< query_width
  Value* middle;   ///< hidden: after attention and its residual
  Value* normed2;  ///< hidden
  Value* up;       ///< up_width
  Value* act;      ///< ffn
};

/// Gradients of activations. The weights' gradients need up, middle and qkv (and the layer's dy); the rest is scratch.
template <typename Value>
struct LayerDeltas {
  Value* act;      ///< ffn
  Value* up;       ///< up_width
  Value* middle;   ///< hidden
  Value* context;  ///< query_width
  Value* qkv;      ///< qkv_width
};

/// x, y [tokens, hidden].
template <typename Kernels>
void LayerForward(Kernels& kernels, const LayerShape& s, const Pack& pack,
                  const LayerTensors<typename Kernels::Value>& w, const typename Kernels::Value* x,
                  const LayerActivations<typename Kernels::Value>& a, typename Kernels::Value* y) {
  const std::int64_t n = pack.tokens;
  kernels.Norm(x, w.norm1, a.normed1, n, s.hidden);
  kernels.Linear(a.normed1, w.qkv, a.qkv, n, s.qkv_width(), s.hidden);
  if (s.rotary()) kernels.Rotate(s, pack, a.qkv, 1);
  kernels.AttentionForward(s, pack, a.qkv, a.context, a.state);
  kernels.Linear(a.context, w.out, a.middle, n, s.hidden, s.query_width());
  kernels.Add(x, a.middle, a.middle, n * s.hidden);
  kernels.Norm(a.middle, w.norm2, a.normed2, n, s.hidden);
  kernels.Linear(a.normed2, w.up, a.up, n, s.up_width(), s.hidden);
  kernels.Activation(s, a.up, a.act, n);
  kernels.Linear(a.act, w.down, y, n, s.hidden, s.ffn);
  kernels.Add(a.middle, y, y, n * s.hidden);
}

/// What a backward does about the gradients of the weight matrices. Those of the norms come with the input's gradient
/// and are added to in any case.
enum class MatrixGradients {
  kOverwrite,
  kAdd,
  kLeave,  ///< LayerWeightGradients comes later, or they are frozen
};

/// dx, dy [tokens, hidden]; dx must not be dy.
template <typename Kernels>
void LayerBackward(Kernels& kernels, const LayerShape& s, const Pack& pack,
                   const LayerTensors<typename Kernels::Value>& w, const typename Kernels::Value* x,
                   const LayerActivations<typename Kernels::Value>& a, const typename Kernels::Value* dy,
                   const LayerDeltas<typename Kernels::Value>& d, typename Kernels::Value* dx,
                   const LayerTensors<float>& g, MatrixGradients matrices) {
  using Value = typename Kernels::Value;
  const std::int64_t n = pack.tokens;
  // The gradient of a matrix while that of its output is warm.
  const auto linear = [&](const Value* d_output, const Value* input, const Value* weight, Value* d_input,
                          float* gradient, std::int64_t outputs, std::int64_t inputs) {
    kernels.LinearInput(d_output, weight, d_input, n, outputs, inputs);
    if (matrices == MatrixGradients::kLeave) return;
    kernels.LinearWeight(d_output, input, gradient, n, outputs, inputs, matrices == MatrixGradients::kAdd);
  };
  // From dy to d.middle: the feed-forward half and its residual.
  linear(dy, a.act, w.down, d.act, g.down, s.hidden, s.ffn);
  kernels.ActivationBackward(s, d.act, a.up, d.up, n);
  linear(d.up, a.normed2, w.up, d.middle, g.up, s.up_width(), s.hidden);
  kernels.NormBackward(d.middle, a.middle, w.norm2, d.middle, g.norm2, n, s.hidden);
  kernels.Add(d.middle, dy, d.middle, n * s.hidden);
  // From d.middle to dx: the attention half and its residual.
  linear(d.middle, a.context, w.out, d.context, g.out, s.hidden, s.query_width());
  kernels.AttentionBackward(s, pack, a.qkv, a.context, a.state, d.context, d.qkv);
  if (s.rotary()) kernels.Rotate(s, pack, d.qkv, -1);
  linear(d.qkv, a.normed1, w.qkv, dx, g.qkv, s.qkv_width(), s.hidden);
  kernels.NormBackward(dx, x, w.norm1, dx, g.norm1, n, s.hidden);
  kernels.Add(dx, d.middle, dx, n * s.hidden);
}

/// Adds the gradients of the matrices after a backward that left them.
template <typename Kernels>
void LayerWeightGradients(Kernels& kernels, const LayerShape& s, const Pack& pack,
                          const LayerActivations<typename Kernels::Value>& a, const typename Kernels::Value* dy,
                          const LayerDeltas<typename Kernels::Value>& d, const LayerTensors<float>& g) {
  const std::int64_t n = pack.tokens;
  kernels.LinearWeight(dy, a.act, g.down, n, s.hidden, s.ffn, true);
  kernels.LinearWeight(d.up, a.normed2, g.up, n, s.up_width(), s.hidden, true);
  kernels.LinearWeight(d.middle, a.context, g.out, n, s.hidden, s.query_width(), true);
  kernels.LinearWeight(d.qkv, a.normed1, g.qkv, n, s.qkv_width(), s.hidden, true);
}

}  // namespace dflop::training
