#include "real_runner/cpu/stage_parameters.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "models/gradient_flow.hpp"
#include "real_runner/cpu/random_fill.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

constexpr double kNormSpread = 0.1;

std::string LayerName(int module, int layer, const char* tensor) {
  return std::to_string(module) + "/" + std::to_string(layer) + "/" + tensor;
}

void AddLayer(const LayerShape& s, int module, int layer, bool trains, std::vector<ParameterShape>& shapes) {
  const auto add = [&](const char* tensor, std::int64_t rows, std::int64_t columns) {
    shapes.push_back({LayerName(module, layer, tensor), rows, columns, rows == 1, trains});
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

void Begin(const ParameterShape& shape, std::uint64_t seed, float* weight) {
  RandomStream random(seed, "weights/" + (shape.like.empty() ? shape.name : shape.like));
  const double deviation = shape.norm ? kNormSpread : 1 / std::sqrt(static_cast<double>(shape.columns));
  FillRandom(random, shape.norm ? 1 : 0, deviation, weight, shape.values());
}

}  // namespace

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

StageParameters::StageParameters(const ModelSpec& model, const std::vector<ModulePart>& parts, std::uint64_t seed) {
  std::size_t trained = 0;
  std::size_t frozen = 0;
  std::size_t widest_norm = 0;
  for (const ModulePart& part : parts) {
    for (const ParameterShape& shape : ParametersOf(model, part)) {
      (shape.trainable ? trained : frozen) += static_cast<std::size_t>(shape.values());
      if (shape.norm) widest_norm = std::max(widest_norm, static_cast<std::size_t>(shape.values()));
      all_.push_back({shape, nullptr, nullptr});
    }
  }
  for (auto* block : {&weights_, &gradients_, &first_moments_, &second_moments_}) block->resize(trained);
  frozen_.resize(frozen);
  unread_.resize(widest_norm);
  float* weight = weights_.data();
  float* gradient = gradients_.data();
  float* fixed = frozen_.data();
  for (Parameter& parameter : all_) {
    const std::int64_t values = parameter.shape.values();
    if (parameter.shape.trainable) {
      parameter.weight = std::exchange(weight, weight + values);
      parameter.gradient = std::exchange(gradient, gradient + values);
    } else {
      parameter.weight = std::exchange(fixed, fixed + values);
      parameter.gradient = parameter.shape.norm ? unread_.data() : nullptr;
    }
    Begin(parameter.shape, seed, parameter.weight);
  }
}

const Parameter* StageParameters::Find(const std::string& name) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Parameter& p) { return p.shape.name == name; });
  return found == all_.end() ? nullptr : &*found;
}

const Parameter& StageParameters::At(const std::string& name) const {
  const Parameter* parameter = Find(name);
  DFLOP_CHECK(parameter != nullptr, "the stage has no " + name);
  return *parameter;
}

LayerWeights StageParameters::LayerWeightsAt(int module, int layer) const {
  const auto at = [&](const char* tensor) { return At(LayerName(module, layer, tensor)).weight; };
  return {at("norm1"), at("qkv"), at("out"), at("norm2"), at("up"), at("down")};
}

LayerWeights StageParameters::LayerGradientsAt(int module, int layer) const {
  const auto at = [&](const char* tensor) { return At(LayerName(module, layer, tensor)).gradient; };
  return {at("norm1"), at("qkv"), at("out"), at("norm2"), at("up"), at("down")};
}

void StageParameters::ClearGradients() { std::fill(gradients_.begin(), gradients_.end(), 0.F); }

void StageParameters::StepOptimizer() {
  AdamW(weights_.data(), first_moments_.data(), second_moments_.data(), gradients_.data(), nullptr,
        static_cast<Count>(weights_.size()), ++steps_);
}

}  // namespace dflop::cpu
