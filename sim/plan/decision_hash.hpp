// What was decided, as a SHA-256: two runs with the same one put the same samples on the same devices in the same
// order.
//
// It covers the following bytes (encoding: sim/plan/content_bytes.hpp), and neither a name, a candidate, a time nor any
// order in which the program stores things:
//
//   text "dflop/decision/1"
//   count of replicas (ReplicasByContent), each:
//     count of stages, each: first GPU, number of GPUs, parts with their degrees (AddParts)
//   microbatches
//   fields: `communicator`, only where encoders have devices of their own: the text "hub" or "direct" and its fields:
//     `blocking`: 1, only where it does
//   count of device groups that hold a stage, by first GPU and number of GPUs, each:
//     first GPU, number of GPUs, count of operations, each:
//       text of its kind (ContentName), microbatch, fields: `chunk` (0 by default): which of the group's stages, these
//       in the order of the replicas and in them of the microbatches' way; `pair`, only of a pair's first half: the
//       bits of its share as an IEEE 754 double
//
// then of every step in turn:
//
//   the LLM's buckets: count of replicas in the order above, each: count of microbatches, each: a set of samples, which
//     is a count and the samples' indices in ascending order
//   fields: `deferred`: a set of samples, by default empty;
//     `encoder_buckets`, where the plan has them: count of encoders, each its buckets as above;
//     `context_ranks`, where the plan has them: of every replica in the order above, a count for each microbatch;
//     `orders`, where the step has orders of its own: of the device groups, as above
#pragma once

#include <string>
#include <vector>

#include "base/sha256.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/device_order.hpp"
#include "sim/plan/replica_content.hpp"

namespace dflop {

class DecisionHash {
 public:
  /// `orders[group]`, as BuildGraph takes them. The layout must outlive the hash.
  DecisionHash(const Layout& layout, const std::vector<DeviceOrder>& orders);
  /// A valid plan (WhyInvalid) of the next step; `own`: its orders where they are not those of the job.
  void AddStep(const BatchPlan& plan, const std::vector<DeviceOrder>& own = {});
  /// 64 hexadecimal digits; the object is spent afterwards.
  std::string Hex() { return hash_.Hex(); }

 private:
  void AddLayout(ContentBytes& content) const;
  void AddOrders(const std::vector<DeviceOrder>& orders);
  void AddBuckets(ContentBytes& content, const Buckets& buckets, int module) const;

  const Layout& layout_;
  std::vector<ReplicaContent> replicas_;
  Sha256 hash_;
};

}  // namespace dflop
