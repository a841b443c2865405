// What happened when, as a SHA-256: two runs with the same one have equal timelines, up to which of several equal
// replicas is which.
//
// The events of a step are those of MakeTimeline. An event belongs to a replica (ReplicasByContent: a whole pipeline,
// or with encoders on devices of their own an encoder's replica or an LLM's) when all stages that it names are of that
// replica and it is not Operation::of_all_replicas. What remains belongs to none: gradient reductions and parameter
// gathers, messages between encoders and LLM on other devices with what a hub gathers and scatters, exchanges of tiles
// between replicas. One digest is made of each replica's events, and one of what belongs to none where there is any:
// the first 128 bits of the SHA-256 over these bytes (encoding: sim/plan/content_bytes.hpp):
//
//   text "replica" or "between replicas"
//   a list of stages, as its count and of each stage
//     in a replica, in the order in which a microbatch passes them: its device, counted from the replica's first, and
//       its parts without degrees (AddParts)
//     between replicas: the parts without degrees, in the order of their bytes, each once of the whole layout
//   a list of the kinds that occur, as its count and their texts (ContentName) in alphabetical order
//   count of events, in ascending order of device (that of the stage which computes; communication has none and comes
//   first), start, kind, microbatch, end, stage and target (none first), each:
//     time of start, time of end, kind as its place in the list,
//     fields, all by default none: `m` microbatch; `s` stage, the one that computes or sends, and `t` stage that
//       receives, both as places in the list of stages
//
// So a digest knows neither operations' indices, GPUs nor replicas' numbers, and what belongs to none is told by layers
// and times: one event of a collective for all who take part, one event per message, which equal replicas repeat. A
// simulation that runs one of several equal replicas can tell the same. Equal digests form a class. The hash covers
//
//   text "dflop/timeline/1"
//   of every step in turn: count of classes, in ascending order, each: text of the digest in hexadecimal digits, count
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/sha256.hpp"
#include "sim/engine/engine.hpp"
#include "sim/graph/operation_graph.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

struct TimelineClass {
  std::string digest;  ///< 32 hexadecimal digits
  std::int64_t count = 0;
  auto operator<=>(const TimelineClass&) const = default;
};

class TimelineHash {
 public:
  explicit TimelineHash(const Layout& layout);
  /// Of one step on this layout, in ascending order.
  std::vector<TimelineClass> Classes(const OperationGraph& graph, const OperationTimes& times) const;
  /// The next step.
  void AddStep(const OperationGraph& graph, const OperationTimes& times);
  /// 64 hexadecimal digits; the object is spent afterwards.
  std::string Hex() { return hash_.Hex(); }

 private:
  /// Where a stage stands.
  struct Place {
    int replica = -1;  ///< index into replica_stages_
    int stage = -1;    ///< in the replica's list
    int device = -1;
    int between = -1;  ///< in the list of what belongs to no replica
  };

  std::vector<Place> places_;                ///< by stage of the layout
  std::vector<std::string> replica_stages_;  ///< [replica]: what its digest begins with
  std::vector<int> replica_groups_;          ///< [replica]: the device group of its first stage
  std::string stages_between_;               ///< the same of what belongs to none
  Sha256 hash_;
};

}  // namespace dflop
