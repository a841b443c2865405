// The operations that are measured, and the tensors of each: one description for every backend and for the reference.
//
// All tensors are row-major; T tokens, h hidden, d head_dim, a heads, g kv_heads. Sizes come from the row's shape.
//   gemm              forward          x [m,k], w [n,k] → y [m,n] = x·wᵀ
//                     input_gradient   dy [m,n], w [n,k] → dx [m,k] = dy·w
//                     weight_gradient  dy [m,n], x [m,k] → dw [n,k] = dyᵀ·x, accumulated in fp32
//   attention_causal, attention_full (batch, seq, heads, kv_heads, head_dim)
//                     forward          q [b,s,a,d], k [b,s,g,d], v [b,s,g,d] → o [b,s,a,d], scale 1/√d
//                     backward         those and do [b,s,a,d] → dq, dk, dv
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
//   optimizer         (parameters)     AdamW on fp32 master weights: w, m, v, gradient → w, m, v, low-precision copy
//   launch            ()               an empty kernel: host time per launch (on the CPU: a function call)
//   layer             (tokens, seq, hidden, ffn_hidden, heads, kv_heads, gated, causal)  a whole transformer layer at
//                     TP 1, forward | backward, made of the kernels above on tensors that feed each other
//   all_reduce, reduce_scatter, all_gather, all_to_all, send_recv (bytes, ranks)  over the GPUs of this machine
#pragma once

#include <cstdint>

namespace dflop {

inline constexpr std::int64_t kRowWidth = 4096;

}  // namespace dflop
