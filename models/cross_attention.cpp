// What a cross-attention layer runs in place of self-attention (Llama 3, arXiv 2407.21783, section 7): queries of the
// sequence, keys and values of the encoders' tokens, no mask. Tensor parallelism cuts all four maps as in any layer.
//
// The encoders' tokens are a tensor that every rank of a tensor-parallel group has whole; with sequence parallelism
// each has its share of them, as of the hidden states, and gathers them layer by layer.
#include <algorithm>

#include "models/layer_costs.hpp"
#include "models/packed_attention.hpp"

namespace dflop {
namespace {

constexpr double kTile = 128;  ///< keys that a block of a fused kernel holds at once

}  // namespace

std::string WhyCrossContext(const ModelSpec& model, int module, int cp) {
  if (cp == 1 || !model.shape(module).has_cross_layers()) return "";
  return "context parallelism over " + std::to_string(cp) + " ranks divides the sequences of " +
         model.module_name(module) +
         ", whose cross-attention layers see all of the encoders' tokens: how ranks share these is not priced; take cp "
         "1";
}

void LayerCosts::CrossProjections(OperationSum& sum, Pass pass) const {
  sum.Linear(tokens_, rank_.query_width, shape_.hidden, pass);
  const bool wanted = pass != Pass::kInputGradient || kind_.media_backward;
  if (media_ > 0 && wanted) sum.Linear(media_, 2 * rank_.kv_width, shape_.hidden, pass);
}

/// A sequence of s tokens that sees m others has no twin among measured kernels, which are square: it is priced as s /
/// m sequences of m tokens without a mask, which have as many scores, as many queries and as many keys per query. Like
/// the lengths of a pack (models/packed_attention.hpp) all of them share one launch, of a whole such sequence at least.
/// Kernels work in tiles of queries and keys: what sees fewer is priced as if it saw a tile.
void LayerCosts::CrossAttention(OperationSum& sum, Pass pass) const {
  DFLOP_CHECK(place_.cp == 1, "context parallelism does not divide what cross-attention sees");
  for (const SequenceBatch::Group& group : batch_.groups) {
    if (group.media <= 0) continue;
    if (place_.software.attention != AttentionKind::kFlash) {
      UnfusedAttention(sum, group, rank_.heads, pass, 1);
      continue;
    }
    const double seen = std::max(group.media, kTile);
    const double sequences = group.count * group.length / seen;
    const PackShare twin = ShareOfPack(OwnHeads(), std::max(tokens_, seen), seen, sequences);
    sum.Attention(twin.shape, pass, twin.share);
  }
}

/// Forward each rank needs all of the encoders' tokens, backward their gradients of all ranks' heads add up; with
/// sequence parallelism they are gathered for the weights' gradients once more.
void LayerCosts::MediaCollectives(OperationSum& sum, Pass pass) const {
  const double bytes = media_ * shape_.hidden * kElementBytes;
  if (pass != Pass::kForward && kind_.media_backward) {
    sum.AllReduce(bytes);
  } else if (place_.sequence_parallel) {
    sum.AllGather(bytes);
  }
}

}  // namespace dflop
