// The operations that are measured, and the tensors of each: one description for every backend and for the reference.
//
// All tensors are row-major; T tokens, h hidden, d head_dim, a heads, g kv_heads. Sizes come from the row's shape.
//   gemm              forward          x [m,k], w [n,k] → y [m,n] = x·wᵀ
//                     input_gradient   dy [m,n], w [n,k] → dx [m,k] = dy·w
//                     weight_gradient  dy [m,n], x [m,k] → dw [n,k] = dyᵀ·x, accumulated in fp32
//   attention_causal, attention_full (batch, seq, heads, kv_heads, head_dim)
//                     forward          q [b,s,a,d], k [b,s,g,d], v [b,s,g,d] → o [b,s,a,d], scale 1/√d
//                     backward         those and do [b,s,a,d] → dq, dk, dv
//   attention_packed  causal, T = Σ lengths, the sequences one after the other: q [T,a,d], k [T,g,d], v [T,g,d] → o;
//                     backward as above
//   Memory-bound operations have "bytes" (what they move); they work on rows of kRowWidth values:
//   norm              forward          x [r,w], g [w] → y = x/rms(x)·g, ε = 1e-5
//                     backward         dy, x, g → dx, dg
//   activation        forward          u [n], v [n] → y = silu(u)·v      backward  dy, u, v → du, dv
//   rope              forward          x [r,w] → rotated pairs (i, i+w/2) by position r, base 10,000
//   add               forward          a [n], b [n] → y = a + b
//   softmax           forward          x [r,w] → y
//   embedding         forward          table [V,w], ids [r] → y [r,w]
//   copy              forward          x [n] → y
//   loss              (tokens, vocab)  forward and backward in one: logits [T,V], targets [T] → losses [T], dlogits
//                     [T,V], the gradient of Σ losses: softmax − one-hot
//   optimizer         (parameters)     AdamW on fp32 master weights: w, m, v, gradient (all [n]) → w_new, m_new,
//                     v_new, low: the new weights in the backend's dtype; the first three in place of the old ones
//   launch            ()               an empty kernel: host time per launch (on the CPU: a function call)
//   layer             (tokens, seq, hidden, ffn_hidden, heads, kv_heads, gated, causal)  a whole transformer layer at
//                     TP 1, forward | backward, made of the kernels above on tensors that feed each other:
//                     x → x + attention(norm(x)) → … + ffn(norm(…)); rotary where gated and causal; activation
//                     silu(u)·v where gated, else silu(u)
//   RunOnce() gives inputs, then outputs, under these names.
//   all_reduce, reduce_scatter, all_gather, all_to_all, send_recv (bytes, ranks)  over the GPUs of this machine
#pragma once

#include <cstdint>

namespace dflop {

inline constexpr std::int64_t kRowWidth = 4096;
inline constexpr double kNormEpsilon = 1e-5;
inline constexpr double kRotaryBase = 10'000;

/// Fixed settings of the optimizer row: decoupled weight decay, bias correction of this step.
struct AdamSettings {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  int step = 10;
};
inline constexpr AdamSettings kAdam;

}  // namespace dflop
