// FLOPs of a part over all its ranks, as MFU counts them: GEMMs and attention only, causal attention half.
#pragma once

#include "models/cost_model.hpp"

namespace dflop {

struct FlopCount {
  Flops model{0};       ///< forward and backward
  Flops recomputed{0};  ///< what the recomputed forward adds
};

FlopCount CountFlops(const ModelSpec& model, Recompute recompute, const ModulePart& part, const SequenceBatch& batch);

}  // namespace dflop
