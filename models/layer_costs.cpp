// The terms of one layer. Shapes are those of Megatron-LM's layer (arXiv 1909.08053, section 3); backward adds an
// input-gradient and a weight-gradient GEMM for every forward one.
#include "models/layer_costs.hpp"

#include <algorithm>

#include "models/packed_attention.hpp"
#include "models/windowed_attention.hpp"

namespace dflop {
namespace {

// Elements of 2 bytes that a memory-bound pass reads and writes per value, forward and backward. Norms read x and write
// y; their backward reads x and dy, writes dx, and reads both again for the weights' gradient: 2.5 × the forward
// (measured: 2.6–3.4 ×). A residual addition reads two and writes one, backward as well. Activations are fused with
// their bias or gate.
constexpr double kNormForward = 2, kNormBackward = 5;
constexpr double kResidual = 3;
constexpr double kActivationForward = 2, kActivationBackward = 3;            // per FFN value
constexpr double kGatedActivationForward = 3, kGatedActivationBackward = 5;  // gate, up → product
// Without fusion a gate's product and its activation are passes of their own: 2 + 3, backward 6 + 3.
constexpr double kUnfusedGateForward = 5, kUnfusedGateBackward = 9;
constexpr double kRotary = 2;
// Operator by operator, an fp32 value counted as two. Norm: to fp32 3, square 4, mean 2, product 4, back 3, weight 2;
// backward: weight and its gradient 4, to fp32 3, product and scale 8, square 6, sum of both 6, back 3. Rotary: to fp32
// 3, product 4, back 3, backward alike.
constexpr double kEagerNormForward = 18, kEagerNormBackward = 30, kEagerRotary = 10;
constexpr double kDropoutMaskBytes = 1;
// Where linear maps multiply 8 bits or fewer: 2 bytes read and a value written twice, as rows and as columns, of what
// no kernel before has cast: attention's output, and backward the gradients of QKV's, the output projection's and the
// down projection's outputs. Norms and activations cast what they write.
constexpr double kCastBytes = 4;

// Bytes per attention score of unfused attention. Scale, mask and softmax are one kernel (arXiv 2104.04473, section
// 4.2): it reads and writes the scores; backward reads probabilities and gradient and writes one. Dropout reads, writes
// and keeps a mask of a byte, backward alike.
constexpr double kSoftmaxForward = 4, kSoftmaxBackward = 6;
constexpr double kScoreDropout = 5;
// A batched GEMM is priced as one GEMM over its stacked rows. More rows than these no longer change a GEMM's
// efficiency, and measured tables end not far beyond.
constexpr double kMaxStackedRows = 16384;

// Kernels that an eager framework launches for a layer: four GEMMs, attention, two norms, residuals, activation,
// rotary, and as many casts, copies and reshapes; twice that backward. An assumption ("a few dozen"), used only where
// host_s_per_kernel is given.
constexpr int kForwardKernels = 24;
constexpr int kInputGradientKernels = 36;
constexpr int kWeightGradientKernels = 12;
constexpr int kAttentionCoreKernels = 4;

}  // namespace

OperationCost LayerCosts::Forward() const {
  OperationSum sum(place_);
  Gemms(sum, Pass::kForward);
  AttentionCore(sum, Pass::kForward);
  const double gated = place_.software.fused_activation ? kGatedActivationForward : kUnfusedGateForward;
  const double activation = shape_.gated_ffn ? gated : kActivationForward;
  sum.Move(MemoryBoundBytes(place_.software.fused_norms ? kNormForward : kEagerNormForward, activation));
  sum.Move(CastBytes(Pass::kForward));
  AllReduces(sum, Pass::kForward);
  if (kind_.traits.experts) Experts(sum, Pass::kForward);
  return sum.Finish(Kernels(kForwardKernels));
}

OperationCost LayerCosts::RecomputedAttention() const {
  OperationSum sum(place_);
  AttentionCore(sum, Pass::kForward);
  return sum.Finish(kAttentionCoreKernels);
}

OperationCost LayerCosts::InputGradient() const {
  OperationSum sum(place_);
  Gemms(sum, Pass::kInputGradient);
  AttentionCore(sum, Pass::kInputGradient);
  const double gated = place_.software.fused_activation ? kGatedActivationBackward : kUnfusedGateBackward;
  const double activation = shape_.gated_ffn ? gated : kActivationBackward;
  sum.Move(MemoryBoundBytes(place_.software.fused_norms ? kNormBackward : kEagerNormBackward, activation));
  sum.Move(CastBytes(Pass::kInputGradient));
  AllReduces(sum, Pass::kInputGradient);
  if (kind_.traits.experts) Experts(sum, Pass::kInputGradient);
  return sum.Finish(Kernels(kInputGradientKernels));
}

OperationCost LayerCosts::WeightGradient() const {
  OperationSum sum(place_);
  Gemms(sum, Pass::kWeightGradient);
  if (!place_.software.fused_accumulation) sum.Move(AccumulatedBytes());
  if (kind_.traits.experts) ExpertGemms(sum, Pass::kWeightGradient, false);
  return sum.Finish(Kernels(kWeightGradientKernels));
}

OperationCost LayerCosts::AdapterGradient() const {
  OperationSum sum(place_);
  AdapterGemms(sum, Pass::kWeightGradient);
  if (kind_.traits.experts) ExpertGemms(sum, Pass::kWeightGradient, true);
  return sum.Finish(Kernels(kWeightGradientKernels));
}

void LayerCosts::Gemms(OperationSum& sum, Pass pass) const {
  const double hidden = shape_.hidden;
  if (kind_.traits.crosses) {
    CrossProjections(sum, pass);
  } else if (shape_.latent.empty()) {
    sum.Linear(tokens_, rank_.qkv_width, hidden, pass);
  } else {
    LatentGemms(sum, pass);
  }
  sum.Linear(tokens_, hidden, rank_.attended_width, pass);
  if (ffn_.inner > 0) {
    sum.Linear(tokens_, ffn_.up, hidden, pass);
    sum.Linear(tokens_, hidden, ffn_.inner, pass);
  }
  if (!shape_.lora.empty()) AdapterGemms(sum, pass);
}

/// Down to the latents on every rank alike (with sequence parallelism for its tokens), up from them by heads. What is
/// replicated in Megatron-LM's multi-latent attention (`linear_q_down_proj`, `linear_kv_down_proj`) is so here.
void LayerCosts::LatentGemms(OperationSum& sum, Pass pass) const {
  const LatentAttention& latent = shape_.latent;
  const double held = tokens_ * place_.token_share();
  if (latent.q_rank > 0) {
    sum.Linear(held, latent.q_rank, shape_.hidden, pass);
    sum.Linear(tokens_, rank_.query_width, latent.q_rank, pass);
  } else {
    sum.Linear(tokens_, rank_.query_width, shape_.hidden, pass);
  }
  sum.Linear(held, latent.kv_rank + latent.rope_head_dim, shape_.hidden, pass);
  sum.Linear(tokens_, rank_.latent_kv_width, latent.kv_rank, pass);
}

/// Of the maps that make queries, keys and values.
double LayerCosts::QkvWeights() const {
  const double hidden = shape_.hidden;
  if (shape_.latent.empty()) return hidden * rank_.qkv_width;
  const LatentAttention& latent = shape_.latent;
  const double queries = latent.q_rank > 0 ? latent.q_rank * (hidden + rank_.query_width) : hidden * rank_.query_width;
  return queries + hidden * (latent.kv_rank + latent.rope_head_dim) + latent.kv_rank * rank_.latent_kv_width;
}

/// The microbatch's own gradients read, those of the ones before it read and written.
double LayerCosts::AccumulatedBytes() const {
  double weights = QkvWeights() + shape_.hidden * (rank_.attended_width + ffn_.up + ffn_.inner);
  if (kind_.traits.experts) weights += ExpertWeights();
  return weights * (kElementBytes + 2 * place_.software.gradient_bytes);
}

void LayerCosts::AdapterGemms(OperationSum& sum, Pass pass) const {
  AdapterGemms(sum, AttentionAdapters(shape_, rank_), tokens_, 1, pass);
  AdapterGemms(sum, FfnAdapters(shape_, ffn_.inner), tokens_, 1, pass);
}

void LayerCosts::AdapterGemms(OperationSum& sum, const std::vector<AdapterShape>& adapters, double rows, double times,
                              Pass pass) const {
  for (const AdapterShape& adapter : adapters) {
    const double whole = adapter.on_media && kind_.traits.crosses ? media_ : rows;
    const double m = adapter.on_share ? whole * place_.token_share() : whole;
    if (m <= 0) continue;
    sum.Gemm(m, shape_.lora.rank, adapter.inputs, pass, times);
    sum.Gemm(m, adapter.outputs, shape_.lora.rank, pass, times);
  }
}

/// After attention and after the FFN; in the backward before them. Latent attention gathers its latents, which are all
/// that its heads need, forward, and reduces their gradients backward. Routed experts add nothing up over the group;
/// where no shared expert does, tokens that were divided for them are gathered (models/expert_exchange.hpp).
void LayerCosts::AllReduces(OperationSum& sum, Pass pass) const {
  const double bytes = tokens_ * shape_.hidden * kElementBytes;
  if (shape_.latent.q_rank > 0) {
    const LatentAttention& latent = shape_.latent;
    const double latents = tokens_ * (latent.q_rank + latent.kv_rank + latent.rope_head_dim) * kElementBytes;
    pass == Pass::kForward ? sum.AllReduce(bytes, latents) : sum.AllReduce(latents, bytes);
  } else {
    sum.AllReduce(bytes);
  }
  if (media_ > 0) MediaCollectives(sum, pass);
  if (!kind_.traits.experts || shape_.experts.shared > 0) {
    sum.AllReduce(bytes);
  } else if (!place_.sequence_parallel) {
    sum.AllGather(bytes);
  }
}

double LayerCosts::RotaryWidth() const {
  if (!kind_.rotary) return 0;
  if (shape_.latent.empty()) return rank_.query_width + rank_.kv_width;
  return (rank_.heads + 1.0) * shape_.latent.rope_head_dim;  // one rotated key for all heads
}

double LayerCosts::MemoryBoundBytes(double norm, double activation) const {
  const double values = tokens_ * shape_.hidden * place_.token_share();
  const double masks = place_.software.dropout > 0 ? kDropoutMaskBytes : 0;
  const double rotary = place_.software.fused_norms ? kRotary : kEagerRotary;
  const double latents = tokens_ * place_.token_share() * (shape_.latent.q_rank + shape_.latent.kv_rank);
  return 2 * values * ((norm + kResidual) * kElementBytes + masks) + latents * norm * kElementBytes +
         tokens_ * (activation * ffn_.inner + rotary * RotaryWidth()) * kElementBytes;
}

double LayerCosts::CastBytes(Pass pass) const {
  if (place_.software.packed_values() == 1) return 0;
  const double hidden = shape_.hidden * place_.token_share();
  if (pass == Pass::kForward) return tokens_ * rank_.attended_width * kCastBytes;
  if (!kind_.traits.crosses) return tokens_ * (rank_.qkv_width + 2 * hidden) * kCastBytes;
  return (tokens_ * (rank_.query_width + 2 * hidden) + media_ * 2 * rank_.kv_width) * kCastBytes;
}

void LayerCosts::AttentionCore(OperationSum& sum, Pass pass) const {
  if (kind_.traits.crosses) return CrossAttention(sum, pass);
  if (place_.cp == 1) return AttentionOver(sum, batch_.groups, tokens_, OwnHeads(), pass, 1);
  if (place_.software.context_parallel == ContextParallel::kUlysses) return UlyssesAttention(sum, pass);
  RingAttention(sum, pass);
}

AttentionShape LayerCosts::OwnHeads() const {
  AttentionShape heads;
  heads.heads = rank_.heads;
  heads.kv_heads = rank_.kv_heads;
  heads.head_dim = rank_.head_dim;
  heads.causal = kind_.causal;
  return heads;
}

/// `share`: of the kernels' time, where a mask leaves that much.
void LayerCosts::AttentionOver(OperationSum& sum, const std::vector<SequenceBatch::Group>& groups, double tokens,
                               const AttentionShape& heads, Pass pass, double share) const {
  for (const SequenceBatch::Group& group : groups) {
    if (place_.software.attention == AttentionKind::kFlash) {
      FlashAttention(sum, group, tokens, heads, pass, share);
    } else {
      UnfusedAttention(sum, group, heads.heads, pass, share);
    }
  }
}

void LayerCosts::FlashAttention(OperationSum& sum, const SequenceBatch::Group& group, double tokens,
                                const AttentionShape& heads, Pass pass, double share) const {
  // A pack of at least the whole sequence that a part belongs to.
  const double pack = group.context > 0 ? std::max(tokens, group.context + group.length) : tokens;
  const auto add = [&](double length, double count) {
    const PackShare part = ShareOfPack(heads, pack, length, count);
    sum.Attention(part.shape, pass, part.share * share);
  };
  // Behind a context: the last rows of the whole triangle, by their share of its scores.
  const double length = group.context + group.length;
  if (!kind_.traits.windowed) {
    const double before = group.context / length;
    return add(length, group.count * (1 - before * before));
  }
  const double before = group.context > 0 ? WindowSquare(group.context, shape_.window, kind_.causal) : 0;
  const double rows = group.count * (1 - before / WindowSquare(length, shape_.window, kind_.causal));
  ForEachWindowTwin(length, shape_.window, kind_.causal, [&](double twin, double count) { add(twin, count * rows); });
}

// A rank's causal attention to its own tokens is that of one sequence as long as they are, whichever chunks they are.
// Of what comes round, chunks i and 2·cp − 1 − i see half on average, all ranks alike; the last of cp contiguous chunks
// sees it all. Backward, gradients of keys and values travel with them and have one hop more to get home.
// Through a window a rank sees no further than into its neighbours' chunks: the work is divided evenly, and keys and
// values of a window come by one hop.
void LayerCosts::RingAttention(OperationSum& sum, Pass pass) const {
  const double width = rank_.qkv_width - rank_.query_width;  // of keys and values
  const bool backward = pass != Pass::kForward;
  const auto looks_beyond = [&](const SequenceBatch::Group& group) { return group.length > shape_.window; };
  if (kind_.traits.windowed && std::any_of(batch_.groups.begin(), batch_.groups.end(), looks_beyond)) {
    AttentionOver(sum, batch_.groups, tokens_, OwnHeads(), pass, 1);
    double seen = 0;  // tokens of the neighbours' chunks, of all sequences
    for (const SequenceBatch::Group& group : batch_.groups) {
      seen += group.count * place_.cp * std::min<double>(group.length / place_.cp, shape_.window);
    }
    return sum.ContextHop(Bytes(seen * width * kElementBytes * (backward ? 2 : 1)));
  }
  std::vector<SequenceBatch::Group> chunks = batch_.groups;
  for (SequenceBatch::Group& chunk : chunks) chunk = {chunk.length / place_.cp, chunk.count * place_.cp};
  AttentionShape heads = OwnHeads();
  OperationSum own(place_), other(place_);
  AttentionOver(own, chunks, tokens_, heads, pass, 1);
  const bool halves = heads.causal && place_.software.context_parallel == ContextParallel::kZigzag;
  heads.causal = false;
  AttentionOver(other, chunks, tokens_, heads, pass, halves ? 0.5 : 1);
  const Bytes keys_values(tokens_ * width * kElementBytes);
  sum.Ring(own, other, keys_values * (backward ? 2 : 1), backward ? keys_values : Bytes(0));
}

void LayerCosts::UlyssesAttention(OperationSum& sum, Pass pass) const {
  std::vector<SequenceBatch::Group> whole = batch_.groups;
  for (SequenceBatch::Group& group : whole) group.count *= place_.cp;
  AttentionShape heads = OwnHeads();
  heads.heads /= place_.cp;
  heads.kv_heads = std::max(1, heads.kv_heads / place_.cp);
  AttentionOver(sum, whole, tokens_ * place_.cp, heads, pass, 1);
  sum.ContextExchange(UlyssesInput(tokens_, rank_.heads, rank_.kv_heads, rank_.head_dim, place_.cp));
  sum.ContextExchange(UlyssesOutput(tokens_, rank_.heads, rank_.head_dim));
}

/// Q·Kᵀ and P·V over whole squares (a mask saves nothing, be it causal or a window) or all that cross-attention sees,
/// and passes over the scores.
void LayerCosts::UnfusedAttention(OperationSum& sum, const SequenceBatch::Group& group, int heads, Pass pass,
                                  double share) const {
  const double all_rows = group.count * heads * group.length;
  const double columns = kind_.traits.crosses ? group.media : group.context + group.length;
  const double rows = std::min(all_rows, kMaxStackedRows);
  const double times = all_rows / rows * share;
  const double dropout = place_.software.dropout > 0 ? kScoreDropout : 0;
  const auto both = [&](Pass which) {
    sum.Gemm(rows, columns, rank_.head_dim, which, times);
    sum.Gemm(rows, rank_.head_dim, columns, which, times);
  };
  if (pass == Pass::kForward) {
    both(Pass::kForward);
    sum.Move(all_rows * columns * (kSoftmaxForward + dropout) * share);
  } else {  // both operands are activations, so the whole backward lies here
    both(Pass::kInputGradient);
    both(Pass::kWeightGradient);
    sum.Move(all_rows * columns * (kSoftmaxBackward + dropout) * share);
  }
}

}  // namespace dflop
