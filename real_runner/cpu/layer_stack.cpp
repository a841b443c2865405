#include "real_runner/cpu/layer_stack.hpp"

namespace dflop::cpu {
namespace {

/// A layer's own entry, or the one that all share.
template <typename T>
const T& OwnOrShared(const std::vector<T>& entries, std::size_t layer) {
  return entries.size() == 1 ? entries.front() : entries[layer];
}

}  // namespace

LayerActivations LayerStack::CarveActivations(const Pack& pack, Carver& carver) const {
  const auto take = [&](std::int64_t width) { return carver.Take(pack.tokens * width); };
  LayerActivations a{};
  a.normed1 = take(shape_.hidden);
  a.qkv = take(shape_.qkv_width());
  a.lse = take(shape_.heads);
  a.context = take(shape_.query_width());
  a.middle = take(shape_.hidden);
  a.normed2 = take(shape_.hidden);
  a.up = take(shape_.up_width());
  a.act = take(shape_.ffn);
  return a;
}

void LayerStack::CarveForward(const Pack& pack, Carver& kept, Carver& scratch, Tape& tape) const {
  tape = {};
  Carver& inputs = mode_.backward ? kept : scratch;
  for (std::size_t i = 1; i < weights_.size(); ++i) tape.inputs.push_back(inputs.Take(pack.tokens * shape_.hidden));
  if (mode_.backward && !mode_.recompute) {
    for (std::size_t i = 0; i < weights_.size(); ++i) tape.activations.push_back(CarveActivations(pack, kept));
  } else {
    tape.activations.push_back(CarveActivations(pack, scratch));
  }
}

void LayerStack::CarveBackward(const Pack& pack, bool weights_later, Carver& carver, Tape& tape) const {
  const std::size_t layers = weights_.size();
  const std::size_t own = weights_later && mode_.trains ? layers : 1;
  const auto take = [&](std::int64_t width) { return carver.Take(pack.tokens * width); };
  float* act = take(shape_.ffn);
  float* context = take(shape_.query_width());
  tape.deltas.clear();
  for (std::size_t i = 0; i < own; ++i) {
    float* up = take(shape_.up_width());
    float* middle = take(shape_.hidden);
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

void LayerStack::Forward(const Pack& pack, const Tape& tape, const float* x, float* y) const {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const float* input = i == 0 ? x : tape.inputs[i - 1];
    float* output = i + 1 == weights_.size() ? y : tape.inputs[i];
    LayerForward(shape_, pack, weights_[i], input, OwnOrShared(tape.activations, i), output);
  }
}

void LayerStack::Backward(const Pack& pack, const Tape& tape, const float* x, const float* dy, bool weights_later,
                          float* dx) const {
  const MatrixGradients matrices = mode_.trains && !weights_later ? MatrixGradients::kAdd : MatrixGradients::kLeave;
  for (std::size_t i = weights_.size(); i-- > 0;) {
    const float* input = i == 0 ? x : tape.inputs[i - 1];
    const LayerActivations& activations = OwnOrShared(tape.activations, i);
    if (mode_.recompute) LayerForward(shape_, pack, weights_[i], input, activations, tape.output_again);
    LayerBackward(shape_, pack, weights_[i], input, activations,
                  i + 1 == weights_.size() ? dy : tape.input_gradients[i], OwnOrShared(tape.deltas, i),
                  i == 0 ? dx : tape.input_gradients[i - 1], gradients_[i], matrices);
  }
}

void LayerStack::WeightGradient(const Pack& pack, const Tape& tape, const float* dy) const {
  if (!mode_.trains) return;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    LayerWeightGradients(shape_, pack, OwnOrShared(tape.activations, i),
                         i + 1 == weights_.size() ? dy : tape.input_gradients[i], OwnOrShared(tape.deltas, i),
                         gradients_[i]);
  }
}

}  // namespace dflop::cpu
