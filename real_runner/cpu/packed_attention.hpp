// Attention over a pack: sequences of unequal lengths, one after the other in the rows of one buffer.
//
// The kernels of attention.hpp, one run of equal sequences after the other. On one core nothing is gained or lost by
// their unequal lengths but what each length costs by itself.
#pragma once

#include <cstdint>

#include "real_runner/cpu/attention.hpp"
#include "real_runner/training/layer_shape.hpp"

namespace dflop::cpu {

using training::Pack;

struct AttentionHeads {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool causal = true;
};

/// Writes o [tokens, heads·head_dim] and, for the backward, lse: [heads, length] of every sequence in turn.
void PackForward(const Pack& pack, const AttentionHeads& heads, const AttentionInputs& in, float* o, float* lse);

/// Writes dq, dk, dv (laid out as q, k, v are) from do, o and lse.
void PackBackward(const Pack& pack, const AttentionHeads& heads, const AttentionInputs& in, float* o, float* lse,
                  float* d_o, const AttentionInputs& gradients);

}  // namespace dflop::cpu
