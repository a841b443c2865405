// The homogeneous layouts of a cluster: one TP, PP and DP for everything, the encoder in the first stages, with the
// device group's TP or a smaller one of its own.
#pragma once

#include <vector>

#include "policies/layout_search/plan_simulator.hpp"

namespace dflop {

/// Sizes of a device group: powers of two up to a node, at most 8, that divide it and the cluster; ascending.
std::vector<int> GroupSizes(const ClusterSpec& cluster);

/// What a schedule wants on every device.
struct DeviceChunks {
  int each_way = 1;    ///< HomogeneousDegrees::chunks
  int directions = 1;  ///< HomogeneousDegrees::directions
};
DeviceChunks ChunksOf(const PipelineSchedule& schedule);

/// Every homogeneous layout that uses all GPUs, without the microbatch count: TP × PP × DP × encoder stages, first with
/// encoders of the group's TP, then colocated with every smaller divisor, also where the encoders' heads forbid the
/// group's own TP. With several chunks per device only pipelines of several devices, of two directions of an even
/// number. `context_parallel`: then all of it again for every power of two of context-parallel ranks.
std::vector<HomogeneousDegrees> UniformDegrees(const ModelSpec& model, const ClusterSpec& cluster,
                                               DeviceChunks chunks = {}, bool context_parallel = false);

}  // namespace dflop
