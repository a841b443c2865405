// What kinds of operations a step is made of, and what files call them.
#pragma once

#include "base/json_reader.hpp"

namespace dflop {

enum class OpKind {
  kForward,
  kBackward,        ///< input gradient, and the weight gradient too unless the order has kWeightGradient entries
  kWeightGradient,  ///< only schedules that split the backward
  kTransfer,        ///< stage to stage, or encoder to LLM
  kGradientReduction,
  kOptimizerStep,
  kParameterGather,  ///< all-gather of a distributed optimizer
};

const char* KindName(OpKind kind);  ///< "forward", "backward", …
OpKind ReadKind(const JsonReader& json);

}  // namespace dflop
