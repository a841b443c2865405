// Of a ring over several domains each domain's ranks enter and leave through all of its NICs, by rotated rings; of an
// exchange every GPU sends to every other.
#include "models/network/span_collectives.hpp"

#include <algorithm>

#include "models/network/node_collectives.hpp"

namespace dflop {
namespace {

double NicsOfDomain(const NodeSpec& node) { return static_cast<double>(node.nics) * node.domain() / node.gpus; }

int RanksInDomain(const NodeSpec& node, Span span) {
  return std::min(span.ranks, std::max(1, node.domain() / span.stride));
}

}  // namespace

CollectivePrice SpanCollective(const NodeSpec& node, CollectiveOp op, Span span, Bytes bytes) {
  const int inside = RanksInDomain(node, span);
  if (inside == span.ranks) return NodeCollective(node, op, span.ranks, bytes);
  const int lanes = std::min(span.stride, node.domain());
  RingWork work;
  work.op = op;
  work.ranks = span.ranks;
  work.domains = (span.ranks + inside - 1) / inside;
  work.bytes = bytes;
  work.nvlink_nominal = node.intra_bandwidth;
  work.nvlink_hop = node.intra_latency;
  work.nic_hop = node.nic_latency;
  // Bytes of a communicator that stay in a domain, of each rank, and that leave it, of all its ranks there.
  Bytes stays = bytes * SentShare(op, span.ranks);
  Bytes leaves = stays;
  if (op == CollectiveOp::kAllToAll) {
    stays = bytes * (static_cast<double>(inside - 1) / span.ranks);
    leaves = bytes * (static_cast<double>(span.ranks - inside) / span.ranks * inside);
  }
  if (inside > 1) work.nvlink = stays / node.intra_rate();
  work.nic = leaves * lanes / (node.nic_rate() * NicsOfDomain(node));
  return PriceCollective(node.law, work);
}

Seconds SpanHop(const NodeSpec& node, Span span, Bytes bytes) {
  if (span.ranks < 2) return Seconds(0);
  if (RanksInDomain(node, span) == span.ranks) return node.message_latency() + bytes / node.intra_rate();
  const double sharing = std::max(1.0, std::min(span.stride, node.domain()) / NicsOfDomain(node));
  return node.law.launch + node.nic_latency + bytes * sharing / node.nic_rate();
}

}  // namespace dflop
