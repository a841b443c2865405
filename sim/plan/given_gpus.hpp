// A layout's device groups on GPUs that somebody names, in place of the default numbering.
//
// Element k of the list is the number (in the cluster) of the GPU where GPU k of the default numbering lies: encoder
// ranks first, inside a module tensor-parallel ranks, then context-parallel ones, replicas, stages
// (PlacementOrder::kReplicas). So the identity is the default, and [8, 9, …, 15, 0, 1, …, 7] exchanges two nodes of 8.
//
// The ranks of a device group stay neighbours: GPUs inside an NVLink domain are alike, and what goes on inside a group
// is priced for consecutive ones. Groups of experts over several replicas are priced so too.
#pragma once

#include <span>
#include <string>

#include "sim/plan/layout.hpp"

namespace dflop {

/// What is wrong with a list; `what` is empty where nothing is.
struct GivenGpusFault {
  int element = -1;  ///< of the list; −1: the whole of it
  std::string what{};
};

/// `layout` stands in the default numbering. Wrong are: fewer or more elements than the layout uses GPUs, a GPU that
/// the cluster does not have or that is named twice, a tensor-parallel group across NVLink domains, a device group or a
/// group of experts whose GPUs do not follow each other, are of several kinds, or lie in more domains than they fill
/// and not as far into their domain as in the default numbering. What lies as there is right.
GivenGpusFault FindFault(const Layout& layout, std::span<const int> gpus, const ClusterSpec& cluster);

/// `gpus` has no fault.
Layout OnGpus(Layout layout, std::span<const int> gpus);

}  // namespace dflop
