// What the devices' memory allows a bucket to hold.
#pragma once

#include <vector>

#include "policies/batch_scheduler.hpp"

namespace dflop {

/// One cap per device kind that runs the LLM's buckets, at its tightest stage: activations of as many microbatches as
/// the stage's order keeps at once, each as large as the bucket, beside weights, gradients, optimizer state and
/// workspace. Stricter than the true peak (sim/metrics.hpp), where not all microbatches are as large as the largest.
/// An encoder with devices of its own has none: it divides the union of the buckets evenly.
std::vector<BucketCap> MemoryCaps(const BatchContext& context);

}  // namespace dflop
