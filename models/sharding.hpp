// Which share of a part's training state each of its copies holds (ZeRO, arXiv 1910.02054, section 5), and in which
// pieces parameters travel where they are divided too (PyTorch's FSDP, arXiv 2304.11277, section 3).
#pragma once

#include <string>
#include <vector>

#include "models/cost_model.hpp"

namespace dflop {

/// Ranks that divide what `level` says among themselves, of `copies` ranks that hold the same layers. 1: each holds
/// all.
int ShardRanks(const SoftwareStack& software, Sharding level, int copies);

/// "" when groups of software.shard_group ranks divide so many copies, otherwise what is wrong and what works. `each`:
/// copies inside one device group, which belong to one shard group or to whole ones.
std::string WhyShardGroup(const SoftwareStack& software, bool llm, int copies, int each);

/// The part in units of so many layers in the order of its forward; the first one has its input, the last its output.
std::vector<ModulePart> UnitsOf(const ModulePart& part, int wrapped_layers);

}  // namespace dflop
