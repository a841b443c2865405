// One tensor-parallel rank's share of a transformer layer (Megatron-LM, arXiv 1909.08053): QKV, up and gate are cut by
// columns, output and down by rows.
#pragma once

#include "models/model_spec.hpp"

namespace dflop {

struct RankShape {
  RankShape(const TransformerShape& shape, int ranks)
      : heads(shape.heads / ranks),
        // Key/value heads that do not divide are replicated: each rank has those that its query heads need.
        kv_heads((shape.kv_heads + ranks - 1) / ranks),
        head_dim(shape.head_dim()),
        query_width(static_cast<double>(heads) * head_dim),
        kv_width(static_cast<double>(kv_heads) * head_dim),
        qkv_width(query_width + 2 * kv_width),
        ffn_width(static_cast<double>(shape.ffn_hidden) / ranks),
        up_width(shape.gated_ffn ? 2 * ffn_width : ffn_width) {}

  int heads;
  int kv_heads;
  int head_dim;
  double query_width;
  double kv_width;
  double qkv_width;
  double ffn_width;
  double up_width;  ///< up and gate together: they are one GEMM
};

}  // namespace dflop
