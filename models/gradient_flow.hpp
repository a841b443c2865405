// Which gradients a module has to compute: what is frozen, and whether anything before it trains.
#pragma once

#include <algorithm>

#include "models/model_spec.hpp"

namespace dflop {

struct GradientFlow {
  bool layers_backward = true;  ///< a gradient flows through the layers
  bool layers_train = true;     ///< and their weights (and the module's embedding, norms, head) want one too
  bool adapters_train = false;  ///< low-rank ones beside weights that are frozen
  bool projector_train = false;
  bool projector_backward = false;  ///< a gradient enters the projector at all
  bool media_backward = false;      ///< of the LLM: and what its cross-attention layers see has one for that
};

inline GradientFlow EncoderGradients(const EncoderSpec& encoder) {
  GradientFlow flow;
  flow.layers_train = !encoder.frozen;
  flow.adapters_train = !encoder.shape.lora.empty();
  flow.layers_backward = flow.layers_train || flow.adapters_train;  // nothing stands before an encoder
  flow.projector_train = encoder.projector_layers > 0 && !encoder.projector_frozen;
  flow.projector_backward = flow.layers_backward || flow.projector_train;
  return flow;
}

inline GradientFlow GradientsOf(const ModelSpec& model, int module) {
  if (!model.is_llm(module)) return EncoderGradients(model.encoders[static_cast<std::size_t>(module)]);
  GradientFlow flow;
  flow.layers_train = !model.llm.frozen;
  flow.adapters_train = !model.llm.shape.lora.empty();
  flow.media_backward = std::any_of(model.encoders.begin(), model.encoders.end(), [](const EncoderSpec& encoder) {
    return EncoderGradients(encoder).projector_backward;
  });
  flow.layers_backward = flow.layers_train || flow.adapters_train || flow.media_backward;
  return flow;
}

}  // namespace dflop
