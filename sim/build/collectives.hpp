// Messages and collectives between GPUs, as flows with a closed-form time when nothing else uses the links.
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "models/cluster_spec.hpp"
#include "models/network/collective_law.hpp"
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

struct PricedCommunication {
  Communication communication;
  std::string_view algorithm;
};

/// A collective over groups whose first GPUs are `group_gpus` (consecutive groups of `group_size` ranks; rank i of
/// every group is one communicator; all run at once). Bytes as nccl-tests counts them, per communicator.
///
/// Flows are those of rings, as many rotated ones as an NVLink domain holds groups, so that every NIC of the domain
/// carries its share (all-to-all: of every pair; send: to the second group; broadcast: along the ring). Alone it takes
/// what the law of its nodes says: what bytes over rate does not explain is latency, and an algorithm that moves less
/// than a ring has smaller flows. Over nodes of several kinds the slowest kind's law counts.
PricedCommunication Collective(const ClusterSpec& cluster, CollectiveOp op, std::span<const int> group_gpus,
                               int group_size, Bytes bytes);

}  // namespace dflop
