// A name says module, layer and tensor, and seeds the first values; a tied head begins as the embedding does.
#include "real_runner/training/parameter_list.hpp"

#include <cmath>

#include "models/gradient_flow.hpp"
#include "real_runner/training/random_fill.hpp"

namespace dflop::training {
namespace {

constexpr double kNormSpread = 0.1;

void AddLayer(const LayerShape& s, int module, int layer, bool trains, std::vector<ParameterShape>& shapes) {
  const auto add = [&](const char* tensor, std::int64_t rows, std::int64_t columns) {
    shapes.push_back({LayerTensorName(module, layer, tensor), rows, columns, rows == 1, trains});
  };
  add("norm1", 1, s.hidden);
  add("qkv", s.qkv_width(), s.hidden);
  add("out", s.hidden, s.query_width());
  add("norm2", 1, s.hidden);
  add("up", s.up_width(), s.hidden);
  add("down", s.hidden, s.ffn);
}

void AddEncoderEnds(const ModelSpec& model, const ModulePart& part, std::vector<ParameterShape>& shapes) {
  const EncoderSpec& encoder = model.encoders[static_cast<std::size_t>(part.module)];
  const GradientFlow flow = EncoderGradients(encoder);
  const std::string prefix = std::to_string(part.module) + "/";
  const int hidden = encoder.shape.hidden;
  const int width = model.llm.shape.hidden;
  if (part.has_input) {
    shapes.push_back({prefix + "patch", hidden, encoder.patch_values(), false, flow.layers_train});
    shapes.push_back({prefix + "positions", encoder.tokens_per_tile(), hidden, false, flow.layers_train});
  }
  if (!part.has_output) return;
  shapes.push_back({prefix + "norm", 1, hidden, true, flow.layers_train});
  if (encoder.projector_layers > 0) {
    shapes.push_back({prefix + "projector1", width, encoder.projector_input_width(), false, flow.projector_train});
  }
  if (encoder.projector_layers > 1) {
    shapes.push_back({prefix + "projector2", width, width, false, flow.projector_train});
  }
}

void AddLlmEnds(const LlmSpec& llm, const ModulePart& part, std::vector<ParameterShape>& shapes) {
  const std::string prefix = std::to_string(part.module) + "/";
  const int hidden = llm.shape.hidden;
  if (part.has_input) shapes.push_back({prefix + "embedding", llm.vocab, hidden, false, !llm.frozen});
  if (!part.has_output) return;
  shapes.push_back({prefix + "norm", 1, hidden, true, !llm.frozen});
  if (llm.tied_embeddings && part.has_input) return;
  shapes.push_back({prefix + "head", llm.vocab, hidden, false, !llm.frozen,
                    llm.tied_embeddings ? prefix + "embedding" : std::string()});
}

}  // namespace

std::string LayerTensorName(int module, int layer, const char* tensor) {
  return std::to_string(module) + "/" + std::to_string(layer) + "/" + tensor;
}

std::vector<float> FirstValues(const ParameterShape& shape, std::uint64_t seed) {
  RandomStream random(seed, "weights/" + (shape.like.empty() ? shape.name : shape.like));
  const double deviation = shape.norm ? kNormSpread : 1 / std::sqrt(static_cast<double>(shape.columns));
  std::vector<float> values(static_cast<std::size_t>(shape.values()));
  FillRandom(random, shape.norm ? 1 : 0, deviation, values.data(), shape.values());
  return values;
}

LayerShape LayerShapeOf(const ModelSpec& model, int module) {
  const TransformerShape& shape = model.shape(module);
  return {shape.hidden, shape.ffn_hidden, shape.heads, shape.kv_heads, shape.gated_ffn, model.is_llm(module)};
}

std::vector<ParameterShape> ParametersOf(const ModelSpec& model, const ModulePart& part) {
  std::vector<ParameterShape> shapes;
  const LayerShape layer = LayerShapeOf(model, part.module);
  for (int i = 0; i < part.layers; ++i) {
    AddLayer(layer, part.module, part.first_layer + i, GradientsOf(model, part.module).layers_train, shapes);
  }
  if (model.is_llm(part.module)) {
    AddLlmEnds(model.llm, part, shapes);
  } else {
    AddEncoderEnds(model, part, shapes);
  }
  return shapes;
}

}  // namespace dflop::training
