// Time of one transformer layer on one microbatch and one tensor-parallel rank.
#pragma once

#include "models/operation_sum.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {

/// What a layer is besides its shape.
struct LayerKind {
  bool causal = false;  ///< LLM layers
  bool rotary = false;  ///< rotary position embedding on queries and keys
};

/// Prices an operation when it is asked for. What it is given must outlive it; the batch is not empty.
class LayerCosts {
 public:
  LayerCosts(const Place& place, const TransformerShape& shape, LayerKind kind, const SequenceBatch& batch)
      : place_(place), shape_(shape), rank_(shape, place.ranks), kind_(kind), batch_(batch), tokens_(batch.tokens) {}

  OperationCost Forward() const;
  OperationCost RecomputedAttention() const;  ///< the part of Forward that selective recompute runs again
  OperationCost InputGradient() const;
  OperationCost WeightGradient() const;

 private:
  void Gemms(OperationSum& sum, Pass pass) const;
  void AllReduces(OperationSum& sum) const;
  double MemoryBoundBytes(double norm, double activation) const;
  void AttentionCore(OperationSum& sum, Pass pass) const;
  AttentionShape OwnHeads() const;
  void AttentionOver(OperationSum& sum, const std::vector<SequenceBatch::Group>& groups, double tokens,
                     const AttentionShape& heads, Pass pass, double share) const;
  void RingAttention(OperationSum& sum, Pass pass) const;
  void UlyssesAttention(OperationSum& sum, Pass pass) const;
  void UnfusedAttention(OperationSum& sum, const SequenceBatch::Group& group, int heads, Pass pass, double share) const;

  const Place& place_;
  const TransformerShape& shape_;
  const RankShape rank_;
  const LayerKind kind_;
  const SequenceBatch& batch_;
  const double tokens_;
};

}  // namespace dflop
