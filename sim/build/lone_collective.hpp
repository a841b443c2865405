// One collective with the cluster to itself, as a benchmark of collectives runs it.
#pragma once

#include <string>

#include "models/network/collective_law.hpp"
#include "sim/build/collectives.hpp"

namespace dflop {

struct LoneCollective {
  CollectiveOp op = CollectiveOp::kAllReduce;
  int ranks = 2;
  int ranks_per_node = 2;  ///< the first GPUs of each node
  Bytes bytes{0};          ///< as nccl-tests counts them
};

struct LoneTime {
  Seconds time{0};
  std::string algorithm;
  /// What nccl-tests calls bus bandwidth: bytes over time, by the share of them that a rank sends.
  BytesPerSecond bus{0};
};

/// GPUs that it needs of the cluster, counted from the first.
int GpusOf(const ClusterSpec& cluster, const LoneCollective& collective);

/// The cluster has as many GPUs as it needs. Exchanges are spelled out pair by pair: up to kMostExchanging ranks.
LoneTime TimeOf(const ClusterSpec& cluster, const LoneCollective& collective);
inline constexpr int kMostExchanging = 1024;

}  // namespace dflop
