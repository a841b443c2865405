// Messages and collectives between GPUs, as flows with a closed-form time when nothing else uses the links.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "models/cluster_spec.hpp"
#include "sim/graph/communication.hpp"

namespace dflop {

/// Time with the links otherwise idle: latency + the busiest link's bytes over its rate. Flows of one communication do
/// share links with each other.
Seconds UncontendedTime(const ClusterSpec& cluster, const Communication& communication);

/// The port that flows of equally many bytes keep busy longest, found without knowing how many bytes.
class BusiestPort {
 public:
  BusiestPort() = default;
  BusiestPort(const ClusterSpec& cluster, const std::vector<Flow>& flows);
  /// The same as UncontendedTime without latency, to the last bit.
  Seconds Time(Bytes bytes_per_flow) const;

 private:
  std::vector<std::pair<int, BytesPerSecond>> loads_;  ///< flows through a port, and its rate; each pair once
};

/// One message; `lanes` flows from consecutive GPUs to consecutive GPUs, `bytes` divided among them.
/// When the two groups differ in size the smaller one's ranks are dealt round the larger one.
Communication GroupTransfer(const ClusterSpec& cluster, int source_gpu, int source_size, int target_gpu,
                            int target_size, Bytes bytes);

/// Ring all-reduce of `bytes` per rank over `replicas` groups whose first GPUs are `group_gpus` (consecutive groups of
/// `group_size` ranks; rank i of every group forms one ring). NCCL-like: as many rotated rings as a node holds
/// replicas, so that every NIC of the node carries its share. 2(n−1)/n · bytes per rank, 2(n−1) latencies.
/// `reduce_scatter_only` halves both (distributed optimizer; the all-gather is a second call).
Communication RingAllReduce(const ClusterSpec& cluster, std::span<const int> group_gpus, int group_size, Bytes bytes,
                            bool reduce_scatter_only = false);

}  // namespace dflop
