// What the busiest links carry follows from the flows that sim/build/collectives.cpp lays out: all pairs of an
// all-to-all; of a ring as many rotated rings as a domain has ranks, each leaving it through another NIC.
#include "models/network/span_collectives.hpp"

#include <algorithm>

namespace dflop {
namespace {

/// Shares of `bytes` that one GPU sends over NVLink, over PCIe, and over its NIC.
struct SentParts {
  double nvlink = 0;
  double pcie = 0;
  double nic = 0;
};

SentParts PartsOf(CollectiveOp op, const Span& span) {
  const double ranks = span.ranks;
  if (op == CollectiveOp::kAllToAll) {
    return {(span.per_domain - 1) / ranks, (ranks - span.per_domain) / ranks,
            std::max(0.0, ranks - span.per_node) / ranks};
  }
  const double share = SentShare(op, span.ranks);
  const double out = share / span.per_domain;
  return {share - out, out, span.ranks > span.per_node ? out : 0};
}

}  // namespace

Span SpanOf(const NodeSpec& node, int ranks, int stride) {
  const auto within = [&](int gpus) { return std::clamp(gpus / stride, 1, ranks); };
  return {ranks, within(node.domain()), within(std::max(node.gpus, node.domain()))};
}

CollectivePrice SpanCollective(const NodeSpec& node, CollectiveOp op, const Span& span, Bytes bytes) {
  if (span.ranks <= span.per_domain) return NodeCollective(node, op, span.ranks, bytes);
  if (node.measured) {
    const auto time = node.measured->Time(op, span.ranks, span.per_domain, bytes);
    if (time) return {.time = *time, .algorithm = "measured"};
  }
  const SentParts sent = PartsOf(op, span);
  const double gpus_per_nic = std::max(1.0, static_cast<double>(node.gpus) / node.nics);
  RingWork work;
  work.op = op;
  work.ranks = span.ranks;
  work.domains = (span.ranks + span.per_domain - 1) / span.per_domain;
  work.bytes = bytes;
  work.nvlink = bytes * sent.nvlink / node.intra_rate();
  work.nic = bytes * sent.nic * gpus_per_nic / node.nic_rate();
  if (node.pcie_bandwidth > BytesPerSecond(0)) {
    work.nic = std::max(work.nic, bytes * sent.pcie / node.pcie_bandwidth);
  }
  work.nvlink_nominal = node.intra_bandwidth;
  work.nvlink_hop = node.intra_latency;
  work.nic_hop = span.ranks > span.per_node ? node.nic_latency : node.intra_latency;
  if (span.ranks > span.per_node) work.nic_ramp = node.nic_ramp;
  return PriceCollective(node.law, work);
}

Seconds SpanHop(const NodeSpec& node, int ranks, int stride, Bytes bytes) {
  if (ranks < 2) return Seconds(0);
  const Span span = SpanOf(node, ranks, stride);
  if (span.per_domain == ranks) return node.message_latency() + bytes / node.intra_rate();
  // The last of a ring's ranks in a domain sends out, with those beside it.
  const double nics = static_cast<double>(node.nics) * std::max(node.domain(), node.gpus) / node.gpus;
  const double sharing = std::max(1.0, std::min(stride, node.domain()) / nics);
  return node.law.launch + node.nic_latency + bytes * sharing / node.nic_rate();
}

}  // namespace dflop
