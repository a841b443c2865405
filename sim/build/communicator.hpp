// The messages of a training step: between stages, between encoders and LLM, and over replicas at the end.
#pragma once

#include <optional>
#include <vector>

#include "models/network/collective_law.hpp"
#include "sim/build/shard_groups.hpp"
#include "sim/graph/communication.hpp"
#include "sim/plan/batch_plan.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// What the replicas of a stage add up or gather at the step's end, cut into pieces that go one after the other.
///
/// Gradients become complete, and weights are wanted, in the order of the layers; bytes are taken as spread evenly over
/// the time of the pass. So the n-th piece of `bytes` needs the backward's first Σ bytes up to its own end.
class BucketedRing {
 public:
  struct Bucket {
    double begin = 0;  ///< as shares of all bytes
    double end = 1;
    double size = 1;  ///< the same for all but the last, bit for bit
  };

  /// Gradient reduction of one stage over its replicas: ring all-reduce, or reduce-scatter where the optimizer's state
  /// is divided. With overlap_gradients in buckets of software.bucket_bytes, of which the last gets the rest (PyTorch's
  /// DDP, arXiv 2006.15704, section 3.2; Megatron-LM's `ddp-bucket-size`), but not more than kMostBuckets; otherwise in
  /// one.
  static BucketedRing OfGradients(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas);
  /// All-gather of the updated bf16 weights after a distributed optimizer's step; with overlap_parameters in as many
  /// buckets.
  static BucketedRing OfParameters(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas);

  /// One at least; more only where something moves.
  const std::vector<Bucket>& buckets() const { return buckets_; }
  /// One after the other: over the copies, or inside their shard groups and then, of gradients, from group to group; at
  /// last what experts have, over the ranks that hold the same ones.
  /// Empty ones where there is nothing to move.
  std::vector<Communication> Of(const Bucket& bucket) const;

 private:
  BucketedRing(const CostModel& cost, const Layout& layout, const std::vector<int>& replicas, double bytes_per_byte,
               CollectiveOp op, bool in_buckets);

  ShardGroups groups_;
  std::optional<ExpertCopies> experts_;
  Bytes expert_bytes_{0};
  CollectiveOp op_;
  Bytes bytes_{0};
  std::vector<Bucket> buckets_;
};

inline constexpr int kMostBuckets = 1024;

/// Of gradients, in the stage that has most of those that are reduced: how small kMostBuckets let a bucket become,
/// where software.bucket_bytes is less than that. 0 where the limit does not bind.
Bytes LeastBucket(const CostModel& cost, const Layout& layout);

/// Which of the stages of an LLM's replica embeds the tokens; there is one.
int EmbeddingStage(const CostModel& cost, const Layout& layout, const std::vector<int>& stages);

/// All-reduce of the embedding's gradients between the LLM's first and last stage of one replica, which hold a copy
/// each when input and output embeddings are tied (Megatron-LM, arXiv 1909.08053). Nothing otherwise.
Communication TiedEmbeddingReduction(const CostModel& cost, const Layout& layout, int first_stage, int last_stage);

/// Replicas of a homogeneous layout that encode for each other: an all-to-all of projected tiles between the last
/// encoder stages and the first LLM stages (OrchMLLM, arXiv 2503.23830), backward the gradients.
class TileExchange {
 public:
  TileExchange(const CostModel& cost, const Layout& layout);
  Communication AllToAll(const StepWork& work, int microbatch, bool backward) const;
  /// What one replica keeps to itself of it: from its encoder to its own LLM.
  Communication Own(const StepWork& work, int microbatch, bool backward, int replica) const;

 private:
  Communication Along(const std::vector<std::vector<TileRoute>>& routes, bool backward) const;

  const CostModel& cost_;
  std::vector<DeviceGroup> encoders_;  ///< [replica]
  std::vector<DeviceGroup> llms_;      ///< [replica]
};

/// Encoders and LLM on devices of their own.
///
/// Hub (DFLOP, arXiv 2603.25120, section 4): rank 0 of the encoder gathers the replicas' outputs, then sends each LLM
/// replica its own, one after the other; a first rank that receives passes the tensor on to its group over NVLink.
/// Direct: every encoder replica sends every LLM replica its share at once. Backward mirrors both.
class Communicate {
 public:
  Communicate(const CostModel& cost, const Layout& layout);
  /// `bytes`: projected output of the whole union microbatch.
  Communication Gather(int encoder, Bytes bytes) const;
  Communication Scatter(int encoder, Bytes bytes) const;
  /// `bytes`: what this LLM replica wants of it.
  Communication Send(int encoder, int llm_replica, Bytes bytes) const;
  Communication Return(int encoder, int llm_replica, Bytes bytes) const;

 private:
  Communication Messages(std::vector<Flow> flows, bool within_group) const;
  Communication Direct(const std::vector<DeviceGroup>& outputs, DeviceGroup target, Bytes bytes) const;

  const CostModel& cost_;
  bool hub_;
  std::vector<std::vector<DeviceGroup>> outputs_;  ///< [encoder][replica]: groups of its last stage
  std::vector<DeviceGroup> llm_inputs_;            ///< [replica]: groups of the LLM's first stage
};

}  // namespace dflop
