// Which tensors a stage's parts have, and what they begin with.
//
// Tensors are those that models/parameters.cpp counts, without the biases and with RMS norms for every family of layers
// (those are the kernels there are; < 0.5 % of the parameters of the models that have biases).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/cost_model.hpp"
#include "real_runner/training/layer_shape.hpp"

namespace dflop::training {

/// The shape of a layer of this module.
LayerShape LayerShapeOf(const ModelSpec& model, int module);

/// "<module>/<layer>/<tensor>" with tensor norm1, qkv, out, norm2, up, down as in LayerTensors, or "<module>/<tensor>":
///   encoder  patch [hidden, patch_values], positions [tokens_per_tile, hidden], norm [hidden],
///            projector1 [llm_hidden, projector_input_width], projector2 [llm_hidden, llm_hidden]
///   LLM      embedding [vocab, hidden], norm [hidden], head [vocab, hidden]; a tied head is the embedding itself where
///            both stand on one stage, otherwise a tensor of its own that begins with the same values.
struct ParameterShape {
  std::string name;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  bool norm = false;
  bool trainable = true;
  std::string like{};  ///< begins as the tensor of this name does
  std::int64_t values() const { return rows * columns; }
};
std::vector<ParameterShape> ParametersOf(const ModelSpec& model, const ModulePart& part);
std::string LayerTensorName(int module, int layer, const char* tensor);

/// Depends on the seed and on the tensor's name alone: norms 1 ± 0.1, matrices of variance 1/columns.
std::vector<float> FirstValues(const ParameterShape& shape, std::uint64_t seed);

}  // namespace dflop::training
