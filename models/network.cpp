// Ring algorithms, by bandwidth and latency: (n − 1)/n of the bytes and n − 1 rounds.
#include "models/network.hpp"

namespace dflop {

Seconds IntraNodeAllGather(const NodeSpec& node, int ranks, Bytes bytes) {
  if (ranks < 2) return Seconds(0);
  const double rounds = ranks - 1.0;
  return bytes * (rounds / ranks) / node.intra_rate() + rounds * node.intra_latency;
}

Seconds IntraNodeAllReduce(const NodeSpec& node, int ranks, Bytes bytes) {
  return 2.0 * IntraNodeAllGather(node, ranks, bytes);
}

}  // namespace dflop
