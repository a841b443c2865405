// What kinds of operations a step is made of, and what files call them.
#pragma once

#include "base/json_reader.hpp"

namespace dflop {

enum class OpKind {
  kForward,
  kBackward,        ///< gradients of input and weights in one
  kBackwardInput,   ///< of the input alone, and
  kBackwardWeight,  ///< of the weights, later: a schedule that splits the backward runs both
  kTransfer,        ///< stage to stage, or encoder to LLM
  kGradientReduction,
  kOptimizerStep,
  kParameterGather,  ///< all-gather of a distributed optimizer
};

/// What a device's order is made of.
inline bool IsComputation(OpKind kind) { return kind <= OpKind::kBackwardWeight; }
/// After which the stage before may go on.
inline bool GivesInputGradient(OpKind kind) { return kind == OpKind::kBackward || kind == OpKind::kBackwardInput; }
/// After which a microbatch's gradients of the stage's weights are there, and nobody needs its activations any more.
inline bool GivesWeightGradient(OpKind kind) { return kind == OpKind::kBackward || kind == OpKind::kBackwardWeight; }

const char* KindName(OpKind kind);  ///< "forward", "backward", …
OpKind ReadKind(const JsonReader& json);

}  // namespace dflop
