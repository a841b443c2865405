// What stands before and after the layers of a part: embeddings, projector, head, or the neighbouring stage.
//
// The calls of one microbatch come in the order CarveForward, Forward, CarveBackward, Backward, WeightGradient (where
// that is an operation of its own). Matrices are [tokens, hidden] unless said otherwise.
#pragma once

#include "real_runner/training/activation_memory.hpp"
#include "real_runner/training/part_step.hpp"

namespace dflop::training {

/// When the gradients of an end's weights are computed.
enum class WeightsWhen { kNow, kLater };

/// Makes the input of the first layer.
template <typename Kernels>
class InputEnd {
 public:
  using Value = typename Kernels::Value;
  virtual ~InputEnd() = default;
  virtual void Prepare(const PartStep<Kernels>& step) = 0;
  virtual void CarveForward(int k, Carver& layers) = 0;
  virtual void Forward(int k) = 0;
  virtual const Value* x(int k) = 0;

  virtual void CarveBackward(int k, Carver& carver) = 0;
  /// Where the first layer's backward writes.
  virtual Value* dx(int k) = 0;
  virtual void Backward(int k, WeightsWhen weights) = 0;
  virtual void WeightGradient(int k) = 0;
};

/// Takes the output of the last layer.
template <typename Kernels>
class OutputEnd {
 public:
  using Value = typename Kernels::Value;
  virtual ~OutputEnd() = default;
  virtual void Prepare(const PartStep<Kernels>& step) = 0;
  /// `layers` holds what only the layers' backward needs, `kept` what the end's own does.
  virtual void CarveForward(int k, Carver& layers, Carver& kept, Carver& scratch) = 0;
  /// Where the last layer writes.
  virtual Value* y(int k) = 0;
  virtual void Forward(int k) = 0;

  virtual void CarveBackward(int k, Carver& carver) = 0;
  /// Makes dy where a gradient flows through the layers.
  virtual void Backward(int k, WeightsWhen weights) = 0;
  virtual const Value* dy(int k) = 0;
  virtual void WeightGradient(int k) = 0;
};

}  // namespace dflop::training
