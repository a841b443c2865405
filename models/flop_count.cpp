// For a GPT-like model with full recompute these terms add up to 96·B·s·l·h²·(1 + s/(12·h) + V/(16·l·h)): equation 3
// of arXiv 2104.04473 (section 5.1) but for causal attention, which is counted half here and whole there.
#include "models/flop_count.hpp"

#include "models/adapters.hpp"
#include "models/gradient_flow.hpp"
#include "models/stage_ends.hpp"
#include "models/tensor_parallel.hpp"
#include "models/windowed_attention.hpp"

namespace dflop {
namespace {

/// Forward FLOPs of a GEMM that runs over `tokens`, once for each pass that it is needed in.
double LinearFlops(double tokens, double weights, bool input_gradient, bool weight_gradient) {
  return 2 * tokens * weights * (1.0 + (input_gradient ? 1 : 0) + (weight_gradient ? 1 : 0));
}

const std::vector<SequenceBatch::Group>& UsefulGroups(const SequenceBatch& batch) {
  return batch.unpadded.empty() ? batch.groups : batch.unpadded;
}

/// Weights that a token meets in a layer: all of them but experts that it is not sent to.
double LayerWeights(const TransformerShape& shape, LayerTraits traits) {
  const RankShape whole(shape, 1);
  const LatentAttention& latent = shape.latent;
  double qkv = whole.qkv_width;
  double up_from_latents = 0;
  if (!latent.empty()) {
    qkv = (latent.q_rank > 0 ? latent.q_rank : whole.query_width) + latent.kv_rank + latent.rope_head_dim;
    up_from_latents = latent.q_rank * whole.query_width + latent.kv_rank * whole.latent_kv_width;
  }
  if (!traits.experts)
    return shape.hidden * (qkv + whole.attended_width + whole.up_width + whole.ffn_width) + up_from_latents;
  const ExpertSpec& experts = shape.experts;
  const FfnWidths met((experts.top_k + experts.shared) * static_cast<double>(experts.ffn_hidden), 1, shape.gated_ffn);
  return shape.hidden * (qkv + whole.attended_width + experts.count + met.up + met.inner) + up_from_latents;
}

/// The same of adapters.
double AdapterWeights(const TransformerShape& shape, LayerTraits traits) {
  if (shape.lora.empty()) return 0;
  const RankShape whole(shape, 1);
  const double attention = WidthOf(AttentionAdapters(shape, whole));
  if (!traits.experts) return shape.lora.rank * (attention + WidthOf(FfnAdapters(shape, whole.ffn_width)));
  const ExpertSpec& experts = shape.experts;
  const double shared = static_cast<double>(experts.shared) * experts.ffn_hidden;
  return shape.lora.rank * (attention + WidthOf(FfnAdapters(shape, shared)) +
                            experts.top_k * WidthOf(FfnAdapters(shape, experts.ffn_hidden)));
}

/// Those of both that meet an encoder's token, in a cross-attention layer, and no token of the sequence.
double MediaWeights(const TransformerShape& shape, LayerTraits traits) {
  return traits.crosses ? 2 * RankShape(shape, 1).kv_width * shape.hidden : 0;
}
double MediaAdapterWeights(const TransformerShape& shape, LayerTraits traits) {
  if (!traits.crosses) return 0;
  std::vector<AdapterShape> on_media = AttentionAdapters(shape, RankShape(shape, 1));
  std::erase_if(on_media, [](const AdapterShape& adapter) { return !adapter.on_media; });
  return shape.lora.rank * WidthOf(on_media);
}

/// Σ length² that counts as work, of windowed layers as many as give their scores; of cross-attention layers Σ length ·
/// tokens that are seen.
double UsefulSquares(const TransformerShape& shape, LayerTraits traits, bool causal, const SequenceBatch& batch) {
  if (!traits.windowed && !traits.crosses) return batch.useful_squares;
  double squares = 0;
  for (const SequenceBatch::Group& group : UsefulGroups(batch)) {
    if (traits.crosses) {
      squares += group.count * group.length * group.media;
      continue;
    }
    const double before = group.context > 0 ? WindowSquare(group.context, shape.window, causal) : 0;
    squares += group.count * (WindowSquare(group.context + group.length, shape.window, causal) - before);
  }
  return squares;
}

double UsefulMedia(const SequenceBatch& batch) {
  double media = 0;
  for (const SequenceBatch::Group& group : UsefulGroups(batch)) media += group.count * group.media;
  return media;
}

double EncoderEndFlops(const ModelSpec& model, const ModulePart& part, double tokens) {
  const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(part.module)];
  const GradientFlow flow = EncoderGradients(encoder);
  const double width = model.llm.shape.hidden;
  double flops = 0;
  if (part.has_input) {
    const double weights = static_cast<double>(encoder.patch_values()) * encoder.shape.hidden;
    flops += LinearFlops(tokens, weights, false, flow.layers_train);
  }
  if (!part.has_output) return flops;
  const double projected = ProjectedTokens(encoder, tokens);
  if (encoder.projector_layers >= 1) {
    const double weights = encoder.projector_input_width() * width;
    flops += LinearFlops(projected, weights, flow.layers_backward, flow.projector_train);
  }
  if (encoder.projector_layers == 2) {
    flops += LinearFlops(projected, width * width, flow.projector_backward, flow.projector_train);
  }
  return flops;
}

double LlmEndFlops(const LlmSpec& llm, const SoftwareStack& software, const GradientFlow& flow, const ModulePart& part,
                   double tokens) {
  if (!part.has_output) return 0;
  const double vocab = PaddedVocabulary(llm.vocab, software.vocabulary_multiple, part.mesh.tp);
  const double weights = vocab * llm.shape.hidden;
  const double head = LinearFlops(tokens, weights, flow.layers_backward, flow.layers_train);
  if (llm.multi_token_depth == 0) return head;
  const double projection = 2.0 * llm.shape.hidden * llm.shape.hidden;
  return head +
         llm.multi_token_depth * (head + LinearFlops(tokens, projection, flow.layers_backward, flow.layers_train));
}

}  // namespace

FlopCount CountFlops(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                     const LayerCounts& layers, const SequenceBatch& batch) {
  const TransformerShape& shape = model.shape(part.module);
  const GradientFlow flow = GradientsOf(model, part.module);
  const bool is_llm = model.is_llm(part.module);
  const double tokens = batch.useful_tokens;
  const double media = UsefulMedia(batch);
  const double score_width = RankShape(shape, 1).score_width();
  double all = 0;
  double recomputed = 0;
  ForEachVariant(layers, [&](LayerTraits traits, int count) {
    const double seen_weights = MediaWeights(shape, traits);
    const double seen_adapters = MediaAdapterWeights(shape, traits);
    const double weights = LayerWeights(shape, traits) - seen_weights;
    const double adapters = AdapterWeights(shape, traits) - seen_adapters;
    const bool causal = is_llm && !traits.crosses;
    const double core = (causal ? 2.0 : 4.0) * UsefulSquares(shape, traits, causal, batch) * score_width;
    const double layer = LinearFlops(tokens, weights, flow.layers_backward, flow.layers_train) +
                         LinearFlops(tokens, adapters, flow.layers_backward, flow.adapters_train) +
                         core * (flow.layers_backward ? 3 : 1);
    const double seen = LinearFlops(media, seen_weights, flow.media_backward, flow.layers_train) +
                        LinearFlops(media, seen_adapters, flow.media_backward, flow.adapters_train);
    all += count * (layer + seen);
    const bool full = software.recompute == Recompute::kFull;
    const double linear = full ? LinearFlops(tokens, weights + adapters, false, false) +
                                     LinearFlops(media, seen_weights + seen_adapters, false, false)
                               : 0;
    recomputed += count * (full ? software.recompute_share : 1) * (linear + core);
  });
  const double ends =
      is_llm ? LlmEndFlops(model.llm, software, flow, part, tokens) : EncoderEndFlops(model, part, tokens);
  FlopCount count;
  count.model = Flops(all + ends);
  if (flow.layers_backward && software.recompute != Recompute::kNone) count.recomputed = Flops(recomputed);
  return count;
}

}  // namespace dflop
