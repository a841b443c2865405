// The layers that one stage holds of one module, forward and backward over a microbatch.
#pragma once

#include <utility>
#include <vector>

#include "real_runner/training/activation_memory.hpp"
#include "real_runner/training/transformer_layer.hpp"

namespace dflop::training {

struct StackMode {
  bool backward = true;    ///< a gradient flows through the layers, so activations are kept
  bool trains = true;      ///< weights want gradients
  bool recompute = false;  ///< keep only the input of every layer and run it again in the backward
};

template <typename Kernels>
class LayerStack {
 public:
  using Value = typename Kernels::Value;

  LayerStack(Kernels& kernels, const LayerShape& shape, StackMode mode, std::vector<LayerTensors<Value>> weights,
             std::vector<LayerTensors<float>> gradients)
      : kernels_(kernels), shape_(shape), mode_(mode), weights_(std::move(weights)), gradients_(std::move(gradients)) {}

  /// Tensors of one microbatch between the stack's own input and output. Where layers share tensors (scratch), there
  /// is one entry.
  struct Tape {
    std::vector<Value*> inputs;  ///< of the layers but the first
    std::vector<LayerActivations<Value>> activations;
    std::vector<LayerDeltas<Value>> deltas;
    std::vector<Value*> input_gradients;  ///< of the layers but the first
    Value* output_again = nullptr;        ///< what recomputing a layer's forward makes
  };

  /// `kept` lives until the backward (or the weight gradient) is done, `scratch` until the forward is.
  void CarveForward(const Pack& pack, Carver& kept, Carver& scratch, Tape& tape) const {
    tape = {};
    Carver& inputs = mode_.backward ? kept : scratch;
    for (std::size_t i = 1; i < weights_.size(); ++i) tape.inputs.push_back(Take(pack, shape_.hidden, inputs));
    if (mode_.backward && !mode_.recompute) {
      for (std::size_t i = 0; i < weights_.size(); ++i) tape.activations.push_back(CarveActivations(pack, kept));
    } else {
      tape.activations.push_back(CarveActivations(pack, scratch));
    }
  }

  /// Lives until the backward is done, or until the weight gradient where that comes later.
  void CarveBackward(const Pack& pack, bool weights_later, Carver& carver, Tape& tape) const {
    const std::size_t layers = weights_.size();
    const std::size_t own = weights_later && mode_.trains ? layers : 1;
    const auto take = [&](std::int64_t width) { return Take(pack, width, carver); };
    Value* act = take(shape_.ffn);
    Value* context = take(shape_.query_width());
    tape.deltas.clear();
    for (std::size_t i = 0; i < own; ++i) {
      Value* up = take(shape_.up_width());
      Value* middle = take(shape_.hidden);
      tape.deltas.push_back({act, up, middle, context, take(shape_.qkv_width())});
    }
    tape.input_gradients.clear();
    for (std::size_t i = 1; i < layers; ++i) {
      // Two in turn are enough where nothing is kept.
      const bool reuse = own == 1 && i > 2;
      tape.input_gradients.push_back(reuse ? tape.input_gradients[i - 3] : take(shape_.hidden));
    }
    if (!mode_.recompute) return;
    tape.activations.clear();
    for (std::size_t i = 0; i < own; ++i) tape.activations.push_back(CarveActivations(pack, carver));
    tape.output_again = take(shape_.hidden);
  }

  /// x, y, dx, dy [tokens, hidden]; x and dy are those of the calls before.
  void Forward(const Pack& pack, const Tape& tape, const Value* x, Value* y) const {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      const Value* input = i == 0 ? x : tape.inputs[i - 1];
      Value* output = i + 1 == weights_.size() ? y : tape.inputs[i];
      LayerForward(kernels_, shape_, pack, weights_[i], input, OwnOrShared(tape.activations, i), output);
    }
  }
  void Backward(const Pack& pack, const Tape& tape, const Value* x, const Value* dy, bool weights_later,
                Value* dx) const {
    const MatrixGradients matrices = mode_.trains && !weights_later ? MatrixGradients::kAdd : MatrixGradients::kLeave;
    for (std::size_t i = weights_.size(); i-- > 0;) {
      const Value* input = i == 0 ? x : tape.inputs[i - 1];
      const LayerActivations<Value>& activations = OwnOrShared(tape.activations, i);
      if (mode_.recompute) LayerForward(kernels_, shape_, pack, weights_[i], input, activations, tape.output_again);
      LayerBackward(kernels_, shape_, pack, weights_[i], input, activations,
                    i + 1 == weights_.size() ? dy : tape.input_gradients[i], OwnOrShared(tape.deltas, i),
                    i == 0 ? dx : tape.input_gradients[i - 1], gradients_[i], matrices);
    }
  }
  void WeightGradient(const Pack& pack, const Tape& tape, const Value* dy) const {
    if (!mode_.trains) return;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      LayerWeightGradients(kernels_, shape_, pack, OwnOrShared(tape.activations, i),
                           i + 1 == weights_.size() ? dy : tape.input_gradients[i], OwnOrShared(tape.deltas, i),
                           gradients_[i]);
    }
  }

 private:
  static Value* Take(const Pack& pack, std::int64_t width, Carver& carver) {
    return carver.Take<Value>(pack.tokens * width);
  }

  LayerActivations<Value> CarveActivations(const Pack& pack, Carver& carver) const {
    const auto take = [&](std::int64_t width) { return Take(pack, width, carver); };
    LayerActivations<Value> a{};
    a.normed1 = take(shape_.hidden);
    a.qkv = take(shape_.qkv_width());
    a.state = carver.Take<std::byte>(kernels_.StateBytes(shape_, pack));
    a.context = take(shape_.query_width());
    a.middle = take(shape_.hidden);
    a.normed2 = take(shape_.hidden);
    a.up = take(shape_.up_width());
    a.act = take(shape_.ffn);
    return a;
  }

  /// A layer's own entry, or the one that all share.
  template <typename T>
  static const T& OwnOrShared(const std::vector<T>& entries, std::size_t layer) {
    return entries.size() == 1 ? entries.front() : entries[layer];
  }

  Kernels& kernels_;
  LayerShape shape_;
  StackMode mode_;
  std::vector<LayerTensors<Value>> weights_;
  std::vector<LayerTensors<float>> gradients_;
};

}  // namespace dflop::training
