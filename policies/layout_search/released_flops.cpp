// Three passes are six operations a multiplication, so 6 and its multiples stand before most terms.
#include "policies/layout_search/released_flops.hpp"

namespace dflop {
namespace {

constexpr double kRecomputed = 4.0 / 3.0;
constexpr double kTera = 1e12;

/// Multiplications of a tile's values with the patch embedding, per hidden unit; its script knows images only.
double EmbeddedValues(const EncoderSpec& encoder) {
  if (encoder.modality == Modality::kVision) return 3.0 * encoder.tile_px * encoder.tile_px;
  return static_cast<double>(encoder.patch_values()) * encoder.tokens_per_tile();
}

}  // namespace

double ReleasedEncoderTflop(const EncoderSpec& encoder, double tiles, int layers, int llm_hidden) {
  const double tokens = encoder.tokens_per_tile();
  const double hidden = encoder.shape.hidden;
  const double attention = 3 * (8 * hidden * hidden * tokens + 4 * tokens * tokens * hidden);
  const double mlp = 12 * tokens * hidden * encoder.shape.ffn_hidden;
  const double embedding = 6 * tiles * hidden * EmbeddedValues(encoder);
  const double projector = 6 * tiles * tokens * llm_hidden * (hidden + llm_hidden) * kRecomputed;
  return (tiles * layers * (attention + mlp) + embedding + projector) * kRecomputed / kTera;
}

double ReleasedLlmTflop(const LlmSpec& llm, double tokens, int layers) {
  const double hidden = llm.shape.hidden;
  const int group = llm.shape.heads / llm.shape.kv_heads;
  const double attention =
      6.0 * layers * tokens * hidden * hidden * (2.0 * group / llm.shape.heads + 1 + tokens / hidden + 1);
  const double mlp = 18.0 * layers * tokens * hidden * llm.shape.ffn_hidden;
  const double vocabulary = 6 * tokens * hidden * llm.vocab;
  return (attention + mlp + vocabulary) * kRecomputed / kTera;
}

double ReleasedAttentionTflop(const LlmSpec& llm, double tokens, int layers) {
  return 6 * tokens * tokens * llm.shape.hidden * layers * kRecomputed / kTera;
}

}  // namespace dflop
