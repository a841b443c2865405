// The end of a step, once every device has run its microbatches.
#pragma once

#include "sim/build/graph_draft.hpp"

namespace dflop {

/// Gradient reduction over the replicas of each stage and between tied embeddings, then the optimizer step, and the
/// all-gather of a distributed optimizer. The draft holds all computations and the messages between them.
///
/// Who blocks in the send of his last gradient comes to all of that once the send is over, with one exception:
/// overlapped buckets are issued by the backward itself, on a stream of their own, so they go as their gradients exist,
/// as they do beside the sends of earlier microbatches. Tied embeddings are reduced by the program after the last
/// microbatch, overlapped or not (Megatron-LM's finalize_model_grads), and the optimizer steps after that.
void AddStepEnd(GraphDraft& draft);

}  // namespace dflop
