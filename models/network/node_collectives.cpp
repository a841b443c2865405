// What a ring would move in one domain is known without looking at GPUs.
#include "models/network/node_collectives.hpp"

namespace dflop {

CollectivePrice NodeCollective(const NodeSpec& node, CollectiveOp op, int ranks, Bytes bytes) {
  if (ranks < 2) return {};
  if (node.measured) {
    if (const auto time = node.measured->Time(op, ranks, ranks, bytes)) return {.time = *time, .algorithm = "measured"};
  }
  RingWork work;
  work.op = op;
  work.ranks = ranks;
  work.bytes = bytes;
  work.nvlink = bytes * SentShare(op, ranks) / node.intra_rate();
  work.nvlink_nominal = node.intra_bandwidth;
  work.nvlink_hop = node.intra_latency;
  return PriceCollective(node.law, work);
}

Seconds IntraNodeAllGather(const NodeSpec& node, int ranks, Bytes bytes) {
  return NodeCollective(node, CollectiveOp::kAllGather, ranks, bytes).time;
}

Seconds IntraNodeReduceScatter(const NodeSpec& node, int ranks, Bytes bytes) {
  return NodeCollective(node, CollectiveOp::kReduceScatter, ranks, bytes).time;
}

Seconds IntraNodeAllReduce(const NodeSpec& node, int ranks, Bytes bytes) {
  return NodeCollective(node, CollectiveOp::kAllReduce, ranks, bytes).time;
}

}  // namespace dflop
