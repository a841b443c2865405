// What the devices' memory allows a bucket to hold.
#pragma once

#include <vector>

#include "policies/api/batch_scheduler.hpp"

namespace dflop {

/// One cap per device kind that runs the LLM's buckets, at its tightest stage: the activations of a bucket beside those
/// of as many mean buckets as the stage's order keeps at the same time, weights, gradients, optimizer state and
/// workspace. An estimate of the true peak (sim/measure/metrics.hpp), which knows what the other buckets really hold.
/// An encoder with devices of its own has none: it divides the union of the buckets evenly.
std::vector<BucketCap> MemoryCaps(const BatchContext& context);

}  // namespace dflop
