// Attention in tiles with a running softmax, so that the scores never leave the cache (FlashAttention, arXiv
// 2205.14135 and, for the backward, 2307.08691): matrix products by OpenBLAS, one head at a time.
#pragma once

#include <cstdint>
#include <vector>

namespace dflop::cpu {

struct AttentionSizes {
  std::int64_t batch = 1;
  std::int64_t seq = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool causal = false;
};

/// Queries, keys and values may lie in one buffer: a token's row of each starts `stride` values after the last one's.
struct AttentionInputs {
  float* q;
  float* k;
  float* v;
  std::int64_t q_stride;
  std::int64_t kv_stride;
};

/// Writes o [tokens, heads·head_dim] and, for the backward, log Σ exp of every row of scores: lse [batch, heads, seq].
void AttentionForward(const AttentionSizes& sizes, const AttentionInputs& in, float* o, float* lse);

/// Writes dq, dk, dv (laid out as q, k, v are) from do, o and lse.
void AttentionBackward(const AttentionSizes& sizes, const AttentionInputs& in, float* o, float* lse, float* d_o,
                       const AttentionInputs& gradients);

}  // namespace dflop::cpu
