// A whole transformer layer out of the kernels of this folder, over a pack of sequences: what the profiler measures as
// a `layer` row (real_runner/operations.hpp) and what the worker trains with.
//
// All matrices are row-major. Weights: norm1, norm2 [hidden]; qkv [qkv_width, hidden]; out [hidden, query_width];
// up [up_width, hidden] (gate below up where gated); down [hidden, ffn].
#pragma once

#include "real_runner/cpu/packed_attention.hpp"

namespace dflop::cpu {

struct LayerShape {
  std::int64_t hidden = 0;
  std::int64_t ffn = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  bool gated = false;   ///< silu(u)·v instead of silu(u)
  bool causal = false;  ///< with `gated`: rotary positions too

  std::int64_t head_dim() const { return hidden / heads; }
  std::int64_t query_width() const { return heads * head_dim(); }
  std::int64_t kv_width() const { return kv_heads * head_dim(); }
  std::int64_t qkv_width() const { return query_width() + 2 * kv_width(); }
  std::int64_t up_width() const { return gated ? 2 * ffn : ffn; }
  bool rotary() const { return gated && causal; }
};

/// The weights, or their gradients.
struct LayerWeights {
  float* norm1;
  float* qkv;
  float* out;
  float* norm2;
  float* up;
  float* down;
};

/// What the forward leaves for the backward, [tokens, width] but lse [heads, tokens] per sequence.
struct LayerActivations {
  float* normed1;  ///< hidden
  float* qkv;      ///< qkv_width, turned by position where rotary
  float* lse;
  float* context;  ///< query_width
  float* middle;   ///< hidden: after attention and its residual
  float* normed2;  ///< hidden
  float* up;       ///< up_width
  float* act;      ///< ffn
};

/// Gradients of activations. The weights' gradients need up, middle and qkv (and the layer's dy); the rest is scratch.
struct LayerDeltas {
  float* act;      ///< ffn
  float* up;       ///< up_width
  float* middle;   ///< hidden
  float* context;  ///< query_width
  float* qkv;      ///< qkv_width
};

/// x, y [tokens, hidden].
void LayerForward(const LayerShape& shape, const Pack& pack, const LayerWeights& weights, const float* x,
                  const LayerActivations& activations, float* y);

/// What a backward does about the gradients of the weight matrices. Those of the norms come with the input's gradient
/// and are added to in any case.
enum class MatrixGradients {
  kOverwrite,
  kAdd,
  kLeave,  ///< LayerWeightGradients comes later, or they are frozen
};

/// dx, dy [tokens, hidden].
void LayerBackward(const LayerShape& shape, const Pack& pack, const LayerWeights& weights, const float* x,
                   const LayerActivations& activations, const float* dy, const LayerDeltas& deltas, float* dx,
                   const LayerWeights& gradients, MatrixGradients matrices);

/// Adds the gradients of the matrices after a backward that left them.
void LayerWeightGradients(const LayerShape& shape, const Pack& pack, const LayerActivations& activations,
                          const float* dy, const LayerDeltas& deltas, const LayerWeights& gradients);

}  // namespace dflop::cpu
