// One tensor-parallel rank's share of a transformer layer (Megatron-LM, arXiv 1909.08053): QKV, up and gate are cut by
// columns, output and down by rows; embedding and head by rows of the vocabulary.
#pragma once

#include <cstdint>

#include "models/model_spec.hpp"

namespace dflop {

/// The middle of an FFN on one rank: columns of its first matrix are cut, rows of its last.
struct FfnWidths {
  FfnWidths(double whole, int ranks, bool gated) : inner(whole / ranks), up(gated ? 2 * inner : inner) {}

  double inner;
  double up;  ///< up and gate together: they are one GEMM
};

struct RankShape {
  RankShape(const TransformerShape& shape, int ranks)
      : heads(shape.heads / ranks),
        // Key/value heads that do not divide are replicated: each rank has those that its query heads need.
        kv_heads((shape.kv_heads + ranks - 1) / ranks),
        head_dim(shape.head_dim()),
        query_width(static_cast<double>(heads) * head_dim),
        kv_width(static_cast<double>(kv_heads) * head_dim),
        qkv_width(query_width + 2 * kv_width),
        attended_width(query_width),
        ffn_width(static_cast<double>(shape.ffn_hidden) / ranks),
        up_width(shape.gated_ffn ? 2 * ffn_width : ffn_width) {
    if (!shape.latent.empty()) SetLatent(shape.latent);
  }

  int heads;
  int kv_heads;
  int head_dim;  ///< of the attention kernel
  double query_width;
  double kv_width;
  double qkv_width;            ///< of Q, K and V as attention takes them
  double attended_width;       ///< of what attention gives to the output projection
  double latent_kv_width = 0;  ///< what latent attention makes of a latent: keys without position, and values
  double ffn_width;
  double up_width;  ///< up and gate together: they are one GEMM

  /// Width that counts in Q·Kᵀ and P·V together, halved: FLOPs of attention are 4·s²·this (whole).
  double score_width() const { return (query_width + attended_width) / 2; }

 private:
  /// Every head has keys of its own, of which the rotated part is one for all. Q·Kᵀ and P·V differ in width, so the
  /// kernel is asked for the mean of the two.
  void SetLatent(const LatentAttention& latent) {
    head_dim = (latent.key_dim() + latent.v_head_dim + 1) / 2;
    query_width = static_cast<double>(heads) * latent.key_dim();
    kv_width = 0;
    attended_width = static_cast<double>(heads) * latent.v_head_dim;
    latent_kv_width = static_cast<double>(heads) * (latent.nope_head_dim + latent.v_head_dim);
    qkv_width = 2 * query_width + attended_width;
  }
};

/// The first width of a module that so many ranks cannot cut into equal whole parts, with its name: FFN columns where
/// layers have them, those of shared experts, and the projector's inner width, which is the LLM's (a single linear
/// layer is cut along its input). Width 0: all can be cut, heads apart.
struct UncutWidth {
  int width = 0;
  const char* name = "";
};
inline UncutWidth FindUncutWidth(const ModelSpec& model, int module, int ranks) {
  const TransformerShape& shape = model.shape(module);
  const ExpertSpec& experts = shape.experts;
  const bool dense = experts.empty() || experts.every > 1 || experts.first_dense > 0;
  if (dense && shape.ffn_hidden % ranks != 0) return {shape.ffn_hidden, "FFN width"};
  const int shared = experts.shared * experts.ffn_hidden;
  if (shared % ranks != 0) return {shared, "shared experts' width"};
  if (model.is_llm(module)) return {};
  const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(module)];
  if (encoder.projector_layers == 0) return {};
  const int projector = encoder.projector_layers == 1 ? encoder.projector_input_width() : model.llm.shape.hidden;
  if (projector % ranks != 0) return {projector, "projector width"};
  return {};
}

/// Whether every matrix of a module falls into equal whole parts.
inline bool DividesAmong(const ModelSpec& model, int module, int ranks) {
  return model.shape(module).heads % ranks == 0 && FindUncutWidth(model, module, ranks).width == 0;
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
