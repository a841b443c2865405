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
// With q = kv = h, f = 4·h, dropout and one rank that is 34·h + 5·a·s. Flash attention's 4 bytes of row statistics per
// head and token (0.1 %) are left out. Allowances (workspace, fragmentation) are added where stages are summed up.
#include <algorithm>

#include "models/cost_model.hpp"
#include "models/gradient_flow.hpp"
#include "models/operation_sum.hpp"
#include "models/stage_ends.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

// The loss keeps its fp32 probabilities for the backward; the GEMM's own output goes when they are there.
constexpr double kKeptLogitBytes = 4;
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
        token_share_(part.mesh.sequence_parallel ? 1.0 / part.mesh.tp : 1.0) {}

  /// One value of every token's hidden state, in bytes, for tensors that only sequence parallelism divides.
  double Hidden(double bytes_per_value) const { return batch_.tokens * shape_.hidden * bytes_per_value * token_share_; }

  double LayerWithoutScores() const {
    const bool flash = software_.attention == AttentionKind::kFlash;
    const double weight_inputs = flow_.layers_train ? 1 : 0;
    const double output_input = flow_.layers_train || flash ? 1 : 0;
    const double masks = dropout() ? 2 : 0;
    const double whole = Hidden(2 * kElementBytes + weight_inputs * 2 * kElementBytes + masks);
    const double divided =
        rank_.qkv_width + output_input * rank_.query_width + rank_.up_width + weight_inputs * rank_.ffn_width;
    return whole + batch_.tokens * divided * kElementBytes;
  }

  double Scores() const {
    if (software_.attention == AttentionKind::kFlash) return 0;
    const double bytes_per_score = dropout() ? 2 * kElementBytes + 1 : kElementBytes;
    double squares = 0;
    for (const SequenceBatch::Group& group : batch_.groups) squares += group.count * group.length * group.length;
    return squares * rank_.heads * bytes_per_score;
  }

  /// One layer, as it waits for its backward.
  double Layer() const {
    if (!flow_.layers_backward) return 0;
    switch (software_.recompute) {
      case Recompute::kNone:
        return LayerWithoutScores() + Scores();
      case Recompute::kSelective:
        return LayerWithoutScores();
      case Recompute::kFull:
        return Hidden(kElementBytes);  // its input
    }
    return 0;
  }

  double Ends() const { return model_.is_llm(part_.module) ? LlmEnds() : EncoderEnds(); }

  /// What a layer needs while it runs and no longer.
  double Working() const {
    if (!flow_.layers_backward || software_.recompute == Recompute::kFull) return LayerWithoutScores() + Scores();
    return software_.recompute == Recompute::kSelective ? Scores() : 0;
  }

  double Logits(double bytes_per_logit) const {
    if (!model_.is_llm(part_.module) || !part_.has_output) return 0;
    const int ranks = part_.mesh.tp;
    const double vocab = PaddedVocabulary(model_.llm.vocab, software_.vocabulary_multiple, ranks);
    return batch_.tokens * vocab / ranks * bytes_per_logit;
  }
  double KeptLogits() const { return flow_.layers_backward ? Logits(kKeptLogitBytes) : 0; }

 private:
  bool dropout() const { return software_.dropout > 0; }

  /// Embedding's dropout mask; inputs of the final norm and of the head; what the loss keeps.
  double LlmEnds() const {
    if (!flow_.layers_backward) return 0;
    double bytes = 0;
    if (part_.has_input && dropout()) bytes += Hidden(1);
    if (part_.has_output) bytes += Hidden(kElementBytes) * (flow_.layers_train ? 2 : 1);
    return bytes + KeptLogits();
  }

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
};

}  // namespace

Bytes CostModel::Activations(const ModulePart& part, const SequenceBatch& whole) const {
  const SequenceBatch batch = BusiestShare(model_, software_, part, whole);
  const dflop::Activations activations(model_, software_, part, batch);
  return Bytes(part.layers * activations.Layer() + activations.Ends());
}

Bytes CostModel::Transient(const ModulePart& part, const SequenceBatch& whole) const {
  const SequenceBatch batch = BusiestShare(model_, software_, part, whole);
  const dflop::Activations activations(model_, software_, part, batch);
  // The loss is over, and what it kept is free, before the first layer is recomputed: the two never stand side by side.
  const double working = part.layers > 0 ? activations.Working() : 0;
  return Bytes(std::max(working, activations.Logits(kLogitBytes)) - activations.KeptLogits());
}

}  // namespace dflop
