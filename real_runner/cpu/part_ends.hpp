// What stands before and after the layers of a part: embeddings, projector, head, or the neighbouring stage.
//
// The calls of one microbatch come in the order CarveForward, Forward, CarveBackward, Backward, WeightGradient (where
// that is an operation of its own). Matrices are [tokens, hidden] unless said otherwise.
#pragma once

#include <memory>

#include "real_runner/cpu/activation_memory.hpp"
#include "real_runner/cpu/part_step.hpp"

namespace dflop::cpu {

/// When the gradients of an end's weights are computed.
enum class WeightsWhen { kNow, kLater };

/// Makes the input of the first layer.
class InputEnd {
 public:
  virtual ~InputEnd() = default;
  virtual void Prepare(const PartStep& step) = 0;
  virtual void CarveForward(int k, Carver& layers) = 0;
  virtual void Forward(int k) = 0;
  virtual const float* x(int k) = 0;

  virtual void CarveBackward(int k, Carver& carver) = 0;
  /// Where the first layer's backward writes.
  virtual float* dx(int k) = 0;
  virtual void Backward(int k, WeightsWhen weights) = 0;
  virtual void WeightGradient(int k) = 0;
};

/// Takes the output of the last layer.
class OutputEnd {
 public:
  virtual ~OutputEnd() = default;
  virtual void Prepare(const PartStep& step) = 0;
  /// `layers` holds what only the layers' backward needs, `kept` what the end's own does.
  virtual void CarveForward(int k, Carver& layers, Carver& kept, Carver& scratch) = 0;
  /// Where the last layer writes.
  virtual float* y(int k) = 0;
  virtual void Forward(int k) = 0;

  virtual void CarveBackward(int k, Carver& carver) = 0;
  /// Makes dy where a gradient flows through the layers.
  virtual void Backward(int k, WeightsWhen weights) = 0;
  virtual const float* dy(int k) = 0;
  virtual void WeightGradient(int k) = 0;
};

std::unique_ptr<InputEnd> MakePatchInput(const PartContext& context);
std::unique_ptr<InputEnd> MakeTokenInput(const PartContext& context);
/// From the stage before.
std::unique_ptr<InputEnd> MakeHiddenInput(const PartContext& context);

/// Final norm, join and projector of an encoder.
std::unique_ptr<OutputEnd> MakeProjectorOutput(const PartContext& context);
/// Final norm, head and cross entropy. Adds what its microbatches contribute to the step's loss to `loss`.
std::unique_ptr<OutputEnd> MakeHeadOutput(const PartContext& context, double& loss);
/// To the stage behind.
std::unique_ptr<OutputEnd> MakeHiddenOutput(const PartContext& context);

}  // namespace dflop::cpu
