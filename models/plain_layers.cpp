// The keys that models/transformer_shape.cpp and models/model_spec.cpp write only where they are not as by default.
#include "models/plain_layers.hpp"

namespace dflop {

std::string KeyBeyondPlainLayers(const ModelSpec& model, int module) {
  const TransformerShape& shape = model.shape(module);
  if (shape.own_head_dim > 0) return "head_dim";
  if (shape.window > 0) return "window";
  if (!shape.experts.empty()) return "experts";
  if (!shape.latent.empty()) return "latent_attention";
  if (!shape.lora.empty()) return "lora";
  if (shape.has_cross_layers()) return "cross_attention_layers";
  if (!model.is_llm(module)) {
    const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(module)];
    if (encoder.class_token) return "class_token";
    if (!encoder.joined_layers.empty()) return "joined_layers";
  }
  return model.is_llm(module) && model.llm.multi_token_depth > 0 ? "multi_token" : "";
}

}  // namespace dflop
