// The software that a published run trained with: a preset by the source's or framework's name, and what its row says
// besides.
#pragma once

#include <string>

#include "base/json.hpp"
#include "experiments/published_runs/published_row.hpp"

namespace dflop {

/// "megatron-2021", "megatron-core", "nemo", "megatron-deepspeed", "llm-foundry-fsdp", "torchtitan", "fms-fsdp",
/// "deepspeed-zero3", "internevo", "automodel", "vtrain" of models/data/software.json; "" for a framework that none of
/// them resembles.
std::string PresetOf(const PublishedRow& row);

/// A scenario's "software": the preset, with the row's words over its own; an empty object where neither is. `copies`
/// of the weights there are, dp · cp: a shard group of fewer is told.
Json SoftwareOf(const PublishedRow& row, const std::string& preset, int copies);

/// Megatron-Core, by itself or under NeMo.
bool IsMegatronCore(const std::string& preset);
/// Whether tensor parallelism divides the sequence too: Megatron-Core's recipes.
bool DividesSequence(const std::string& preset);
/// Whether a recipe that does not speak of recomputation has none: Megatron-Core's.
bool RecomputesOnlyWhereStated(const std::string& preset);

/// The scenario's word for what a row prints. PyTorch's "selective" runs whole layers again (fms-fsdp) or every second
/// operation of each (torchtitan), where Megatron-LM's runs attention's core: "full", of half the layers for the
/// latter.
std::string RecomputeOf(const PublishedRow& row, const std::string& preset);

}  // namespace dflop
