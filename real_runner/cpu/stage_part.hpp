// One module's part of a stage: what stands before its layers, the layers, and what stands behind them.
#pragma once

#include <memory>

#include "real_runner/cpu/layer_stack.hpp"
#include "real_runner/cpu/part_ends.hpp"

namespace dflop::cpu {

class StagePart {
 public:
  /// What its head contributes to the step's loss is added to `loss`.
  StagePart(const PartContext& context, double& loss);

  /// The mail's tiles must have their places.
  void Prepare(PartStep step);

  /// `kept` lives until the backward (or the weight gradient) is done, `scratch` until the forward is.
  void CarveForward(int k, Carver& kept, Carver& scratch);
  /// Lives until the backward is done, or until the weight gradient where that comes later.
  void CarveBackward(int k, WeightsWhen weights, Carver& carver);
  void Forward(int k);
  void Backward(int k, WeightsWhen weights);
  void WeightGradient(int k);

 private:
  bool Empty(int k) const { return step_.pack(k).tokens == 0; }
  /// Whether a gradient enters the part at all.
  bool HasBackward() const;
  LayerStack::Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  Pack PackOf(const PartStep& step, int k) const;

  PartContext context_;
  GradientFlow flow_;
  LayerStack stack_;
  std::unique_ptr<InputEnd> input_;
  std::unique_ptr<OutputEnd> output_;
  PartStep step_;
  std::vector<LayerStack::Tape> tapes_;
};

}  // namespace dflop::cpu
