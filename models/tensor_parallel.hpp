// One tensor-parallel rank's share of a transformer layer (Megatron-LM, arXiv 1909.08053): QKV, up and gate are cut by
// columns, output and down by rows; embedding and head by rows of the vocabulary.
#pragma once

#include <cstdint>

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

/// Whether every matrix of a module falls into equal whole parts: heads, FFN columns, and the projector's inner width,
/// which is the LLM's. (Heads divide the hidden width, so that follows.)
inline bool DividesAmong(const ModelSpec& model, int module, int ranks) {
  const TransformerShape& shape = model.shape(module);
  const bool layers = shape.heads % ranks == 0 && shape.ffn_hidden % ranks == 0;
  if (model.is_llm(module)) return layers;
  const bool inner = model.encoders[static_cast<std::size_t>(module)].projector_layers < 2;
  return layers && (inner || model.llm.shape.hidden % ranks == 0);
}

/// Rows of embedding and head over all ranks. Megatron-LM pads the vocabulary to a multiple of
/// --make-vocab-size-divisible-by × TP, so that each rank has as many whole rows (megatron/training/tokenizer,
/// `_vocab_size_with_padding`); the rows added are stored, multiplied and reduced like all others.
inline double PaddedVocabulary(int vocabulary, int multiple, int ranks) {
  const std::int64_t step = std::int64_t{multiple} * ranks;
  const std::int64_t steps = (vocabulary + step - 1) / step;
  return static_cast<double>(steps * step);
}

}  // namespace dflop
