// Collectives among ranks that may lie in several NVLink domains, where no one knows on which GPUs: the part of an
// operation that context and expert parallelism add.
#pragma once

#include "models/network/node_collectives.hpp"

namespace dflop {

/// How many of a group's ranks lie together.
struct Span {
  int ranks = 1;
  int per_domain = 1;  ///< of NVLink
  int per_node = 1;
};

/// `ranks` GPUs, each `stride` behind the one before, from the first of a domain on.
Span SpanOf(const NodeSpec& node, int ranks, int stride);

/// By the node's law; bytes as nccl-tests counts them. Between domains all GPUs are at work at once, each for a group
/// of its own, so GPUs that share a NIC share its rate. Inside one domain it is NodeCollective.
CollectivePrice SpanCollective(const NodeSpec& node, CollectiveOp op, const Span& span, Bytes bytes);

/// Each of `ranks` GPUs, `stride` apart, sends `bytes` to the next one of a ring, and so do those between them in rings
/// of their own, all at once: the slowest hop.
Seconds SpanHop(const NodeSpec& node, int ranks, int stride, Bytes bytes);

}  // namespace dflop
