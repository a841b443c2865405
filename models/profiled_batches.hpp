// The microbatches that a profiler runs, and what it reads off the clock.
#pragma once

#include "models/cost_model.hpp"

namespace dflop {

/// Tokens without sequences: what is left of a microbatch when attention is skipped.
SequenceBatch WithoutAttention(double tokens);
SequenceBatch OneSequence(double tokens);

/// Forward and backward.
Seconds TimeOf(const PartCost& cost);

/// The same cost model for an eager framework whose launches are all hidden: a difference of two times that both wait
/// for the host would say nothing about the GPU. `cost` must outlive it.
CostModel WithoutHost(const CostModel& cost);

}  // namespace dflop
