// Collectives inside one NVLink domain, which last as long whatever else happens: the part of an operation that tensor
// parallelism adds.
#pragma once

#include "models/cluster_spec.hpp"
#include "models/network/collective_law.hpp"

namespace dflop {

/// `op` among `ranks` GPUs of such a node's NVLink domain, by the node's law; bytes as nccl-tests counts them.
CollectivePrice NodeCollective(const NodeSpec& node, CollectiveOp op, int ranks, Bytes bytes);

/// All-gather among `ranks` GPUs that hold 1/ranks of `bytes` each.
Seconds IntraNodeAllGather(const NodeSpec& node, int ranks, Bytes bytes);
Seconds IntraNodeReduceScatter(const NodeSpec& node, int ranks, Bytes bytes);

/// All-reduce among `ranks` GPUs, as tensor parallelism does twice a layer.
Seconds IntraNodeAllReduce(const NodeSpec& node, int ranks, Bytes bytes);

}  // namespace dflop
