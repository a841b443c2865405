// Collectives among GPUs at equal distances, in an NVLink domain or over several, known without looking at where they
// lie: what context and expert parallelism add to an operation.
#pragma once

#include "models/cluster_spec.hpp"
#include "models/network/collective_law.hpp"

namespace dflop {

/// `ranks` GPUs, `stride` apart; as many communicators lie side by side and run at the same time.
struct Span {
  int ranks = 1;
  int stride = 1;
};

/// `op` on nodes of this kind that lie as close together as they can; bytes as nccl-tests counts them, per
/// communicator. Between domains every NIC of a domain carries its share; a fabric's narrower links are not seen.
CollectivePrice SpanCollective(const NodeSpec& node, CollectiveOp op, Span span, Bytes bytes);

/// Every rank sends `bytes` to the next one of a ring, all at once: the slowest hop.
Seconds SpanHop(const NodeSpec& node, Span span, Bytes bytes);

}  // namespace dflop
