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
  return model.is_llm(module) && model.llm.multi_token_depth > 0 ? "multi_token" : "";
}

}  // namespace dflop
