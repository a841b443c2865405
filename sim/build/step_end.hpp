// The end of a step, once every device has run its microbatches.
#pragma once

#include "sim/build/graph_draft.hpp"

namespace dflop {

/// Gradient reduction over the replicas of each stage and between tied embeddings, then the optimizer step, and the
/// all-gather of a distributed optimizer. The draft holds all computations.
void AddStepEnd(GraphDraft& draft);

}  // namespace dflop
