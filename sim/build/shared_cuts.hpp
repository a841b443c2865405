// What the links of a fabric leave to a message when all messages of its kind are under way at once.
//
// The replay engine lets no message slow another one down. Where a fabric is narrower than the NICs, that would hide
// what makes it slow: all nodes send at once. So messages are priced with the static share of the narrowest link on
// their way. Every NIC is taken to send and to receive at its full rate, divided over its messages of a kind as their
// bytes are, and a flow to get the lesser of what its two ends give it; a link that would then carry σ times its rate
// gives every message 1/σ of what its NIC could send.
#pragma once

#include "models/cluster_spec.hpp"
#include "sim/graph/operation_graph.hpp"

namespace dflop {

/// Sets the durations of communications; those that no crowded link is on the way of keep theirs. Nothing changes on a
/// full fabric.
void ShareCuts(const ClusterSpec& cluster, OperationGraph& graph);

}  // namespace dflop
