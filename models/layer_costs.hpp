// Time of one transformer layer on one microbatch and one tensor-parallel rank.
#pragma once

#include "models/adapters.hpp"
#include "models/expert_exchange.hpp"
#include "models/operation_sum.hpp"
#include "models/tensor_parallel.hpp"

namespace dflop {

/// What a layer is besides its shape.
struct LayerKind {
  bool causal = false;  ///< LLM layers
  bool rotary = false;  ///< rotary position embedding on queries and keys
  /// Of a cross-attention layer: what it sees wants a gradient.
  bool media_backward = false;
  LayerTraits traits{};
};

/// Prices an operation when it is asked for. What it is given must outlive it; the batch is not empty.
class LayerCosts {
 public:
  LayerCosts(const Place& place, const TransformerShape& shape, LayerKind kind, const SequenceBatch& batch)
      : place_(place),
        shape_(shape),
        rank_(shape, place.ranks),
        kind_(kind),
        ffn_(kind.traits.experts ? static_cast<double>(shape.experts.shared) * shape.experts.ffn_hidden
                                 : static_cast<double>(shape.ffn_hidden),
             place.ranks, shape.gated_ffn),
        batch_(batch),
        tokens_(batch.tokens),
        media_(kind.traits.crosses ? batch.media_tokens() : 0) {}

  OperationCost Forward() const;
  OperationCost RecomputedAttention() const;  ///< the part of Forward that selective recompute runs again
  OperationCost InputGradient() const;
  OperationCost WeightGradient() const;
  OperationCost AdapterGradient() const;  ///< the same where adapters alone train

 private:
  void Gemms(OperationSum& sum, Pass pass) const;
  void LatentGemms(OperationSum& sum, Pass pass) const;
  void AdapterGemms(OperationSum& sum, Pass pass) const;
  void AdapterGemms(OperationSum& sum, const std::vector<AdapterShape>& adapters, double rows, double times,
                    Pass pass) const;
  void AllReduces(OperationSum& sum, Pass pass) const;
  double MemoryBoundBytes(double norm, double activation) const;
  void AttentionCore(OperationSum& sum, Pass pass) const;
  double RotaryWidth() const;
  double AccumulatedBytes() const;
  double QkvWeights() const;
  double CastBytes(Pass pass) const;
  AttentionShape OwnHeads() const;
  void AttentionOver(OperationSum& sum, const std::vector<SequenceBatch::Group>& groups, double tokens,
                     const AttentionShape& heads, Pass pass, double share) const;
  void FlashAttention(OperationSum& sum, const SequenceBatch::Group& group, double tokens, const AttentionShape& heads,
                      Pass pass, double share) const;
  void RingAttention(OperationSum& sum, Pass pass) const;
  void UlyssesAttention(OperationSum& sum, Pass pass) const;
  void UnfusedAttention(OperationSum& sum, const SequenceBatch::Group& group, int heads, Pass pass, double share) const;

  // Of cross-attention layers (models/cross_attention.cpp).
  void CrossProjections(OperationSum& sum, Pass pass) const;
  void CrossAttention(OperationSum& sum, Pass pass) const;
  void MediaCollectives(OperationSum& sum, Pass pass) const;

  // Of layers with experts (models/expert_costs.cpp).
  Mesh ExpertMesh() const { return {.tp = place_.ranks, .ep = place_.ep, .etp = place_.etp}; }
  void Experts(OperationSum& sum, Pass pass) const;
  void ExpertGemms(OperationSum& sum, Pass pass, bool adapters_only) const;
  void OneExpert(OperationSum& sum, double rows, double times, Pass pass, bool adapters_only) const;
  double ExpertWeights() const;
  double ExpertBytes(bool forward) const;
  int Kernels(int of_dense_layer) const;

  const Place& place_;
  const TransformerShape& shape_;
  const RankShape rank_;
  const LayerKind kind_;
  const FfnWidths ffn_;  ///< dense, or of the shared experts
  const SequenceBatch& batch_;
  const double tokens_;
  const double media_;  ///< tokens that a cross-attention layer makes keys and values of
};

}  // namespace dflop
