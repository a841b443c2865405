// The parameters of one stage: which tensors there are, what they begin with, their gradients and optimizer state.
//
// Tensors are those that models/parameters.cpp counts, without the biases and with RMS norms for every family of layers
// (those are the kernels there are; < 0.5 % of the parameters of the models that have biases).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/cost_model.hpp"
#include "real_runner/cpu/transformer_layer.hpp"

namespace dflop::cpu {

/// The shape of a layer of this module.
LayerShape LayerShapeOf(const ModelSpec& model, int module);

/// "<module>/<layer>/<tensor>" with tensor norm1, qkv, out, norm2, up, down as in LayerWeights, or "<module>/<tensor>":
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

struct Parameter {
  ParameterShape shape;
  float* weight;
  float* gradient;  ///< of a frozen matrix nullptr; of a frozen norm a place that nobody reads
};

class StageParameters {
 public:
  /// Weights depend on the seed and on their names alone: norms 1 ± 0.1, matrices of variance 1/columns.
  StageParameters(const ModelSpec& model, const std::vector<ModulePart>& parts, std::uint64_t seed);
  StageParameters(const StageParameters&) = delete;
  StageParameters& operator=(const StageParameters&) = delete;

  const std::vector<Parameter>& all() const { return all_; }
  /// nullptr where this stage has none.
  const Parameter* Find(const std::string& name) const;
  /// The stage must hold it.
  const Parameter& At(const std::string& name) const;
  LayerWeights LayerWeightsAt(int module, int layer) const;
  LayerWeights LayerGradientsAt(int module, int layer) const;

  /// Of everything that trains, tensor after tensor.
  std::span<float> gradients() { return gradients_; }
  void ClearGradients();
  /// AdamW over everything that trains.
  void StepOptimizer();

 private:
  std::vector<Parameter> all_;
  std::vector<float> weights_, gradients_, first_moments_, second_moments_;  ///< of what trains
  std::vector<float> frozen_;
  std::vector<float> unread_;
  int steps_ = 0;
};

}  // namespace dflop::cpu
