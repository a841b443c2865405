// Activations that a microbatch leaves on one rank until its backward (arXiv 2205.05198, sections 4.1–4.2).
//
// Bytes per token and layer; h hidden, f FFN, q and kv this rank's query and key/value widths, a its heads, s length:
//   norm inputs                 2·h + 2·h      whole on every rank, ÷ T with sequence parallelism
//   QKV and up inputs           2·h + 2·h      the same; wanted by weight gradients only
//   dropout masks               h + h          the same; with dropout only
//   Q, K, V                     2·(q + 2·kv)   divided by tensor parallelism, like all below
//   output projection's input   2·q            for its weight gradient and for flash attention's backward
//   activation's input          2·f            4·f with a gate
//   down projection's input     2·f            for its weight gradient only
//   scores (unfused attention)  2·a·s          and 3·a·s more with dropout: mask and dropped-out probabilities
//   latents (latent attention)  2·2·(rq + rkv) before and behind their norms; whole on every rank, ÷ T as norm inputs
// Experts, per row that they process (models/expert_exchange.hpp), e the width of one: 2·h, their input, and 2·e, the
// down projection's, for weight gradients only; 2·e (4·e with a gate), the activation's; and an fp32 probability per
// expert and held token. Buffers that rows leave from and arrive in, 2·h a row each, are gone when the layer is done.
// In a cross-attention layer keys and values, 2·2·kv, and scores are of the encoders' tokens that it sees; these
// themselves, 2·h each (÷ T with sequence parallelism), a stage keeps once for all its cross-attention layers, where
// weights of keys or values want gradients or are recomputed from.
// An adapter of rank r keeps the input of its map, which a frozen map does not, and 2·r of its own.
// With q = kv = h, f = 4·h, dropout and one rank that is 34·h + 5·a·s. Flash attention's 4 bytes of row statistics per
// head and token (0.1 %) are left out. Allowances (workspace, fragmentation) are added where stages are summed up.
#include <algorithm>

#include "models/adapters.hpp"
#include "models/cost_model.hpp"
#include "models/expert_exchange.hpp"
#include "models/gradient_flow.hpp"
#include "models/operation_sum.hpp"
#include "models/stage_ends.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

// The loss keeps its fp32 probabilities for the backward; the GEMM's own output goes when they are there.
constexpr double kKeptLogitBytes = 4;
constexpr double kProbabilityBytes = 4;
constexpr double kLogitBytes = kKeptLogitBytes + kElementBytes;

class Activations {
 public:
  Activations(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part, const SequenceBatch& batch)
      : model_(model),
        software_(software),
        part_(part),
        batch_(batch),
        shape_(model.shape(part.module)),
        rank_(shape_, part.mesh.tp),
        flow_(GradientsOf(model, part.module)),
        token_share_(part.mesh.sequence_parallel ? 1.0 / part.mesh.tp : 1.0),
        media_(shape_.has_cross_layers() ? batch.media_tokens() : 0) {}

  /// One value of every token's hidden state, in bytes, for tensors that only sequence parallelism divides.
  double Hidden(double bytes_per_value) const { return batch_.tokens * shape_.hidden * bytes_per_value * token_share_; }

  double LayerWithoutScores(LayerTraits traits) const {
    const bool flash = software_.attention == AttentionKind::kFlash;
    const double output_input = flow_.layers_train || flash || Adapted(AdapterTarget::kO) ? 1 : 0;
    const double masks = dropout() ? 2 : 0;
    const FfnWidths ffn(traits.experts ? static_cast<double>(shape_.experts.shared) * shape_.experts.ffn_hidden
                                       : static_cast<double>(shape_.ffn_hidden),
                        part_.mesh.tp, shape_.gated_ffn);
    const double weight_inputs = (KeepsAttentionInput(traits) ? 1 : 0) + (KeepsFfnInput() ? 1 : 0);
    const double whole = Hidden(2 * kElementBytes + weight_inputs * kElementBytes + masks);
    const double down_input = flow_.layers_train || Adapted(AdapterTarget::kDown) ? 1 : 0;
    const double of_sequence = traits.crosses ? rank_.query_width : rank_.qkv_width;
    const double divided = of_sequence + output_input * rank_.attended_width + ffn.up + down_input * ffn.inner;
    double bytes = whole + batch_.tokens * divided * kElementBytes + Latents() + Adapters(ffn.inner, traits);
    if (traits.crosses) bytes += media_ * 2 * rank_.kv_width * kElementBytes;
    if (traits.experts) bytes += Experts();
    return bytes;
  }

  double Scores(LayerTraits traits) const {
    if (software_.attention == AttentionKind::kFlash) return 0;
    const double bytes_per_score = dropout() ? 2 * kElementBytes + 1 : kElementBytes;
    double squares = 0;
    for (const SequenceBatch::Group& group : batch_.groups) {
      const double columns = traits.crosses ? group.media : group.context + group.length;
      squares += group.count * group.length * columns;
    }
    return squares * rank_.heads * bytes_per_score;
  }

  /// One layer, as it waits for its backward.
  double Layer(LayerTraits traits) const {
    if (!flow_.layers_backward) return 0;
    switch (software_.recompute) {
      case Recompute::kNone:
        return LayerWithoutScores(traits) + Scores(traits);
      case Recompute::kSelective:
        return LayerWithoutScores(traits);
      case Recompute::kFull:  // its input, of those that are recomputed
        return software_.recompute_share * Hidden(kElementBytes) +
               (1 - software_.recompute_share) * (LayerWithoutScores(traits) + Scores(traits));
    }
    return 0;
  }

  /// What cross-attention layers see, of all those of a part together.
  double Media(const LayerCounts& layers) const {
    bool crosses = false;
    ForEachVariant(layers, [&](LayerTraits traits, int) { crosses = crosses || traits.crosses; });
    const bool wanted = flow_.layers_train || Adapted(AdapterTarget::kK) || Adapted(AdapterTarget::kV) ||
                        software_.recompute == Recompute::kFull;
    return crosses && flow_.layers_backward && wanted ? media_ * shape_.hidden * kElementBytes * token_share_ : 0;
  }

  double Ends() const { return model_.is_llm(part_.module) ? LlmEnds() : EncoderEnds(); }

  /// What a layer needs while it runs and no longer.
  double Working(LayerTraits traits) const {
    const double buffers = traits.experts ? ExpertBuffers() : 0;
    if (!flow_.layers_backward || software_.recompute == Recompute::kFull) {
      return LayerWithoutScores(traits) + Scores(traits) + buffers;
    }
    return (software_.recompute == Recompute::kSelective ? Scores(traits) : 0) + buffers;
  }

  double Logits(double bytes_per_logit) const {
    if (!model_.is_llm(part_.module) || !part_.has_output) return 0;
    const int ranks = part_.mesh.tp;
    const double vocab = PaddedVocabulary(model_.llm.vocab, software_.vocabulary_multiple, ranks);
    return batch_.tokens * vocab / ranks * bytes_per_logit;
  }
  /// While the last of the losses runs, what the others keep included.
  double LogitsAtWork() const {
    return Logits(kLogitBytes) + (flow_.layers_backward ? model_.llm.multi_token_depth * Logits(kKeptLogitBytes) : 0);
  }
  /// Of every token predicted.
  double KeptLogits() const {
    return flow_.layers_backward ? (1 + model_.llm.multi_token_depth) * Logits(kKeptLogitBytes) : 0;
  }

 private:
  bool dropout() const { return software_.dropout > 0; }
  bool Adapted(AdapterTarget target) const { return shape_.lora.Has(target); }
  bool KeepsAttentionInput(LayerTraits traits) const {
    using enum AdapterTarget;
    if (traits.crosses) return flow_.layers_train || Adapted(kQ);
    return flow_.layers_train || Adapted(kQ) || Adapted(kK) || Adapted(kV) || Adapted(kQDown) || Adapted(kKvDown);
  }
  bool KeepsFfnInput() const {
    return flow_.layers_train || Adapted(AdapterTarget::kGate) || Adapted(AdapterTarget::kUp);
  }

  double Latents() const {
    const LatentAttention& latent = shape_.latent;
    if (latent.empty()) return 0;
    const double behind_norm = flow_.layers_train || Adapted(AdapterTarget::kQUp) || Adapted(AdapterTarget::kKvUp);
    return batch_.tokens * token_share_ * (latent.q_rank + latent.kv_rank) * (1 + behind_norm) * kElementBytes;
  }

  /// Of attention and one FFN.
  double Adapters(double inner, LayerTraits traits) const {
    if (shape_.lora.empty()) return 0;
    auto count = AttentionAdapters(shape_, rank_).size() + FfnAdapters(shape_, inner).size();
    const auto on_media =
        traits.crosses ? (Adapted(AdapterTarget::kK) ? 1U : 0U) + (Adapted(AdapterTarget::kV) ? 1U : 0U) : 0U;
    count -= on_media;
    return (batch_.tokens * static_cast<double>(count) + media_ * on_media) * shape_.lora.rank * kElementBytes;
  }

  double Experts() const {
    const ExpertLoad load = LoadOfExperts(shape_.experts, part_.mesh, batch_.tokens);
    const FfnWidths ffn(shape_.experts.ffn_hidden, part_.mesh.etp, shape_.gated_ffn);
    double row = ffn.up;
    if (KeepsFfnInput()) row += shape_.hidden;
    if (flow_.layers_train || Adapted(AdapterTarget::kDown)) row += ffn.inner;
    row += static_cast<double>(FfnAdapters(shape_, ffn.inner).size()) * shape_.lora.rank;
    return load.rows() * row * kElementBytes + load.held_tokens * shape_.experts.count * kProbabilityBytes;
  }

  double ExpertBuffers() const {
    const ExpertLoad load = LoadOfExperts(shape_.experts, part_.mesh, batch_.tokens);
    return (load.sent_rows + load.rows()) * shape_.hidden * kElementBytes;
  }

  /// Embedding's dropout mask; inputs of the final norm and of the head; what the loss keeps.
  double LlmEnds() const {
    if (!flow_.layers_backward) return 0;
    double bytes = 0;
    if (part_.has_input && dropout()) bytes += Hidden(1);
    if (part_.has_output) bytes += Hidden(kElementBytes) * (flow_.layers_train ? 2 : 1);
    if (part_.has_output && model_.llm.multi_token_depth > 0) bytes += model_.llm.multi_token_depth * MultiToken();
    return bytes + KeptLogits();
  }

  /// One more predicted token, its layer apart: inputs of two norms, of the projection (both of them together), and of
  /// the final norm and the head.
  double MultiToken() const { return Hidden(kElementBytes) * (flow_.layers_train ? 6 : 3); }

  /// Patches; inputs of the final norm and of the projector's linear layers and activation.
  double EncoderEnds() const {
    const EncoderSpec& encoder = model_.encoders[static_cast<std::size_t>(part_.module)];
    double bytes = 0;
    if (part_.has_input && flow_.layers_train) bytes += batch_.tokens * encoder.patch_values() * kElementBytes;
    if (!part_.has_output) return bytes;
    if (flow_.layers_backward) bytes += Hidden(kElementBytes);
    const double projected = ProjectedTokens(encoder, batch_.tokens);
    const double inner = static_cast<double>(model_.llm.shape.hidden) / part_.mesh.tp;
    double values = 0;
    if (flow_.projector_train) values += encoder.projector_input_width();
    if (encoder.projector_layers == 2) {
      values += inner * ((flow_.projector_backward ? 1 : 0) + (flow_.projector_train ? 1 : 0));
    }
    return bytes + projected * values * kElementBytes;
  }

  const ModelSpec& model_;
  const SoftwareStack& software_;
  const ModulePart& part_;
  const SequenceBatch& batch_;
  const TransformerShape& shape_;
  const RankShape rank_;
  const GradientFlow flow_;
  const double token_share_;
  const double media_;  ///< tokens that cross-attention layers see
};

}  // namespace

Bytes CostModel::Activations(const ModulePart& part, const SequenceBatch& whole) const {
  const SequenceBatch batch = FullestShare(model_, software_, part, whole);
  const ModulePart divided = DividedFor(part, whole);
  const dflop::Activations activations(model_, software_, divided, batch);
  double layers = 0;
  ForEachVariant(Layers(part), [&](LayerTraits traits, int count) { layers += count * activations.Layer(traits); });
  return Bytes(layers + activations.Media(Layers(part)) + activations.Ends());
}

Bytes CostModel::Transient(const ModulePart& part, const SequenceBatch& whole) const {
  const SequenceBatch batch = FullestShare(model_, software_, part, whole);
  const ModulePart divided = DividedFor(part, whole);
  const dflop::Activations activations(model_, software_, divided, batch);
  // The loss is over, and what it kept is free, before the first layer is recomputed: the two never stand side by side.
  double working = 0;
  ForEachVariant(Layers(part),
                 [&](LayerTraits traits, int) { working = std::max(working, activations.Working(traits)); });
  return Bytes(std::max(working, activations.LogitsAtWork()) - activations.KeptLogits());
}

}  // namespace dflop
