// How long a collective takes: closed forms by algorithm and protocol, of which the quickest counts.
//
// The forms are those of NCCL's algorithms (ring, tree, in-switch reduction over NVLink and, where a network has it,
// between nodes, pairwise exchange) and protocols: LL sends a flag with every word (least latency, a small share of the
// rate), LL128 one with every line, and Simple whole chunks that are synchronised (most latency, the whole rate). Every
// one is linear in the bytes and falls in no rate's decrease, so the minimum never makes a slower link faster.
// Constants are fitted to measured collectives per kind of node; the clusters' data file says from what.
//
// Bytes are counted as nccl-tests does: the whole buffer of an all-gather or a reduce-scatter, what one rank sends in
// all of an all-to-all, one rank's buffer otherwise.
#pragma once

#include <string_view>

#include "base/json_reader.hpp"
#include "base/units.hpp"

namespace dflop {

enum class CollectiveOp { kAllReduce, kReduceScatter, kAllGather, kAllToAll, kSend, kBroadcast };

/// What a node's links and its software add to bytes over rate. Beside it, the node knows the rate that large messages
/// reach (intra_efficiency) and the latency of a hop over NVLink (intra_node_latency_s: that of an LL step). As
/// initialised it is the plain ring: steps × latency + bytes over rate.
struct CollectiveLaw {
  Seconds launch{0};            ///< of every collective or message
  Seconds ll128{0};             ///< of LL128, beyond the launch
  double ll128_efficiency = 1;  ///< share of the rate that LL128 reaches
  Seconds simple{0};            ///< of Simple, beyond the launch
  Seconds simple_step{-1};      ///< of a Simple step; negative: a hop
  BytesPerSecond copy{0};       ///< at which a rank moves its own share beside the network; 0: at once
  Seconds pair{-1};             ///< of a message or an exchange, beyond the launch; negative: a hop
  double pair_efficiency = 1;   ///< share of the rate that an exchange reaches
  Seconds nvls{0};              ///< of an in-switch reduction, beyond the launch
  double nvls_efficiency = 0;   ///< share of NVLink's nominal rate that it reaches; 0: the hardware has none
  bool fitted = false;          ///< chooses among protocols and trees; the plain ring does not
};

/// How soon a network between nodes reaches its rate, which is a property of its NICs' transport: as initialised it
/// does so as NVLink does. Over EFA a chunk waits for several round trips before it counts as arrived, and small ones
/// fill the NICs badly; results/network/between_nodes.md says what that was fitted to.
struct NicRamp {
  double simple_hops = 1;       ///< hops that a step of Simple takes, at least 1
  double ll128_efficiency = 1;  ///< share of the NICs' rate that LL128 reaches
};

/// A collective on a plain ring: what it would move and over how many steps.
struct RingWork {
  CollectiveOp op = CollectiveOp::kAllReduce;
  int ranks = 2;
  int domains = 1;  ///< NVLink domains that the ranks lie in
  Bytes bytes{0};
  Seconds nvlink{0};  ///< that the busiest NVLink takes for its bytes at its rate
  Seconds nic{0};     ///< likewise of what lies between domains; 0 in one domain
  BytesPerSecond nvlink_nominal{0};
  Seconds nvlink_hop{0};
  Seconds nic_hop{0};
  NicRamp nic_ramp{};
  bool in_switch = false;  ///< switches between the domains add up what passes them (SHARP)
};

struct CollectivePrice {
  Seconds time{0};
  std::string_view algorithm;  ///< "ring LL128", "NVLS", "tree Simple", "SHARP", …
  /// What moves over NVLink and between domains, as a share of the ring's bytes.
  double nvlink_share = 1;
  double nic_share = 1;
};

/// Nothing to do for fewer than two ranks.
CollectivePrice PriceCollective(const CollectiveLaw& law, const RingWork& work);

/// Steps of a ring, over NVLink and between domains together: 2(n − 1) of an all-reduce, n − 1 of half of one.
double RingSteps(CollectiveOp op, int ranks);
/// Bytes that a rank of a ring (or of an exchange) sends, as a share of `bytes`.
double SentShare(CollectiveOp op, int ranks);

/// "all-reduce", …
const char* NameOf(CollectiveOp op);
CollectiveOp ReadCollectiveOp(const JsonReader& json);

/// The key "collectives" of a node.
CollectiveLaw ReadCollectiveLaw(const JsonReader& json);
Json ToJson(const CollectiveLaw& law);

}  // namespace dflop
