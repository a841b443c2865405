// Collectives inside one node, which last as long whatever else happens: the part of an operation that tensor
// parallelism adds.
#pragma once

#include "base/units.hpp"
#include "models/cluster_spec.hpp"

namespace dflop {

/// Ring all-gather inside such a node among `ranks` GPUs that hold 1/ranks of `bytes` each.
Seconds IntraNodeAllGather(const NodeSpec& node, int ranks, Bytes bytes);

/// All-reduce inside such a node among `ranks` GPUs, as tensor parallelism does twice a layer: a reduce-scatter and an
/// all-gather.
Seconds IntraNodeAllReduce(const NodeSpec& node, int ranks, Bytes bytes);

}  // namespace dflop
