// The layers that one stage holds of one module, forward and backward over a microbatch.
#pragma once

#include <utility>
#include <vector>

#include "real_runner/cpu/activation_memory.hpp"
#include "real_runner/cpu/transformer_layer.hpp"

namespace dflop::cpu {

struct StackMode {
  bool backward = true;    ///< a gradient flows through the layers, so activations are kept
  bool trains = true;      ///< weights want gradients
  bool recompute = false;  ///< keep only the input of every layer and run it again in the backward
};

class LayerStack {
 public:
  LayerStack(const LayerShape& shape, StackMode mode, std::vector<LayerWeights> weights,
             std::vector<LayerWeights> gradients)
      : shape_(shape), mode_(mode), weights_(std::move(weights)), gradients_(std::move(gradients)) {}

  /// Tensors of one microbatch between the stack's own input and output. Where layers share tensors (scratch), there
  /// is one entry.
  struct Tape {
    std::vector<float*> inputs;  ///< of the layers but the first
    std::vector<LayerActivations> activations;
    std::vector<LayerDeltas> deltas;
    std::vector<float*> input_gradients;  ///< of the layers but the first
    float* output_again = nullptr;        ///< what recomputing a layer's forward makes
  };

  /// `kept` lives until the backward (or the weight gradient) is done, `scratch` until the forward is.
  void CarveForward(const Pack& pack, Carver& kept, Carver& scratch, Tape& tape) const;
  /// Lives until the backward is done, or until the weight gradient where that comes later.
  void CarveBackward(const Pack& pack, bool weights_later, Carver& carver, Tape& tape) const;

  /// x, y, dx, dy [tokens, hidden]; x and dy are those of the calls before.
  void Forward(const Pack& pack, const Tape& tape, const float* x, float* y) const;
  void Backward(const Pack& pack, const Tape& tape, const float* x, const float* dy, bool weights_later,
                float* dx) const;
  void WeightGradient(const Pack& pack, const Tape& tape, const float* dy) const;

  const LayerShape& shape() const { return shape_; }
  const StackMode& mode() const { return mode_; }

 private:
  LayerActivations CarveActivations(const Pack& pack, Carver& carver) const;

  LayerShape shape_;
  StackMode mode_;
  std::vector<LayerWeights> weights_;
  std::vector<LayerWeights> gradients_;
};

}  // namespace dflop::cpu
