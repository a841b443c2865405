// FLOPs of a part over all its ranks, as MFU counts them: GEMMs and attention only, causal attention half.
#pragma once

#include "models/cost_model.hpp"

namespace dflop {

struct FlopCount {
  Flops model{0};       ///< forward and backward
  Flops recomputed{0};  ///< what the recomputed forward adds
};

/// `layers` are CostModel::Layers(part). The padding of the vocabulary counts as work, as in Megatron-LM's own figure;
/// of experts those that a token is sent to count, whatever a capacity drops or pads, and the shared ones.
FlopCount CountFlops(const ModelSpec& model, const SoftwareStack& software, const ModulePart& part,
                     const LayerCounts& layers, const SequenceBatch& batch);

}  // namespace dflop
