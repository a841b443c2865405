// For a GPT-like model with full recompute these terms add up to 96·B·s·l·h²·(1 + s/(12·h) + V/(16·l·h)): equation 3
// of arXiv 2104.04473 (section 5.1) but for causal attention, which is counted half here and whole there.
#include "models/flop_count.hpp"

#include "models/gradient_flow.hpp"
#include "models/stage_ends.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

/// Forward FLOPs of a GEMM that runs over `tokens`, once for each pass that it is needed in.
double LinearFlops(double tokens, double weights, bool input_gradient, bool weight_gradient) {
  return 2 * tokens * weights * (1.0 + (input_gradient ? 1 : 0) + (weight_gradient ? 1 : 0));
}

double LayerWeights(const TransformerShape& shape) {
  const RankShape whole(shape, 1);
  return shape.hidden * (whole.qkv_width + whole.query_width + whole.up_width + whole.ffn_width);
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
  return LinearFlops(tokens, weights, flow.layers_backward, flow.layers_train);
}

}  // namespace

FlopCount CountFlops(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                     const SequenceBatch& batch) {
  const TransformerShape& shape = model.shape(part.module);
  const GradientFlow flow = GradientsOf(model, part.module);
  const bool is_llm = model.is_llm(part.module);
  const double tokens = batch.useful_tokens;
  const double weights = LayerWeights(shape);
  const double core = (is_llm ? 2.0 : 4.0) * batch.useful_squares * shape.hidden;
  const double layer =
      LinearFlops(tokens, weights, flow.layers_backward, flow.layers_train) + core * (flow.layers_backward ? 3 : 1);
  const double ends =
      is_llm ? LlmEndFlops(model.llm, software, flow, part, tokens) : EncoderEndFlops(model, part, tokens);
  FlopCount count;
  count.model = Flops(part.layers * layer + ends);
  if (!flow.layers_backward || software.recompute == Recompute::kNone) return count;
  const double linear = software.recompute == Recompute::kFull ? LinearFlops(tokens, weights, false, false) : 0;
  count.recomputed = Flops(part.layers * (linear + core));
  return count;
}

}  // namespace dflop
