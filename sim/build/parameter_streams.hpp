// Parameters that are divided among the copies of a stage come and go unit by unit (PyTorch's FSDP, arXiv 2304.11277,
// section 3.3; ZeRO stage 3, arXiv 1910.02054, section 5.3).
#pragma once

#include "sim/build/graph_draft.hpp"

namespace dflop {

/// All-gathers of a unit's weights before each of its passes, and the reduce-scatter of its gradients behind its
/// backward, on one stream per device in the order in which a framework issues them: the gather of the unit that is
/// software.prefetch units ahead, then the computation, then its reduction. A gather waits for the memory of the unit
/// that many units before, computation for its gather, and all of it for every replica of the shard group, which
/// therefore run in step. Weights that are not resharded after the forward are gathered once for both passes.
///
/// The draft holds all computations. Afterwards draft.reduced says which operation completes a stage's gradients.
void AddParameterStreams(GraphDraft& draft);

}  // namespace dflop
