// The replicas of a layout by what they are: whatever numbers its stages, groups and replicas happen to have.
#pragma once

#include <vector>

#include "sim/plan/content_bytes.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// A chain of ChainsOf, found also where the layout stores its stages in another order.
struct ReplicaContent {
  int module = 0;            ///< the encoder's in a separate layout, the LLM's otherwise
  int replica = 0;           ///< its number in the layout, which a batch plan counts by
  std::vector<int> stages;   ///< indices into Layout::stages, in the order in which a microbatch passes them
  std::vector<int> devices;  ///< of each stage: counted in the order in which a microbatch first meets them
};

/// By module, then by the GPUs that their stages begin at.
std::vector<ReplicaContent> ReplicasByContent(const Layout& layout);

/// The number of a stage's parts, then these by module and first layer: module, first layer, layers and the fields
/// `input`, `output` (1 where it has them). With `degrees` also the fields `context_parallel`, `data_split`,
/// `expert_parallel`, `expert_tensor_parallel`, `shard` and `tensor_parallel` (1 by default), `sequence_parallel` (0).
void AddParts(ContentBytes& content, const Stage& stage, bool degrees);

}  // namespace dflop
