// The degrees of a published run, as far as its row states them and as they follow from each other.
#pragma once

#include <string>

#include "base/json.hpp"
#include "experiments/published_runs/published_row.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct PublishedLayout {
  HomogeneousDegrees degrees;  ///< with its microbatches
  std::string assumed;         ///< what the row leaves open and how it was taken; "" where nothing is
  std::string refused;         ///< why the degrees fit neither the GPUs nor the batch; "" where they do
};

/// Needs gpus, tp, pp, micro_batch, global_batch and layers. Replicas follow from the GPUs: dp = gpus / (tp · cp · pp);
/// a context degree that is not stated is 1. `dp` of the row may also count the context ranks, as tables of FSDP do.
/// Stages get even numbers of layers, except where the preset's pipeline divides them otherwise:
/// - "megatron-deepspeed": each the rounded-up share and the last one the rest; where notes give both embeddings a slot
///   of their own, the first and last stage hold one layer less than the others.
/// - "megatron-core": where layers do not divide but two more would, embedding and loss count as a layer each.
PublishedLayout LayoutOf(const PublishedRow& row, const std::string& preset);

/// A policy's "layout": {"name": "fixed", "uniform": …, "samples_per_microbatch": …}.
Json FixedLayoutJson(const HomogeneousDegrees& degrees, int samples_per_microbatch);

/// A policy's "pipeline".
Json PipelineJson(const HomogeneousDegrees& degrees);

}  // namespace dflop
