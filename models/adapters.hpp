// Low-rank adapters (arXiv 2106.09685) of one layer: which linear maps it has, and what stands beside them on a rank.
//
// A map of `inputs` to `outputs` gets A, rank × inputs, and B, outputs × rank. Tensor parallelism cuts B where the map
// is cut by columns and A where it is cut by rows (then B·A·x adds up in the map's own reduction): the rank is never
// cut.
#pragma once

#include <vector>

#include "models/tensor_parallel.hpp"

namespace dflop {

struct AdapterShape {
  double inputs = 0;      ///< on this rank
  double outputs = 0;     ///< on this rank
  bool on_share = false;  ///< sees the tokens of sequence parallelism's share: the map is whole on every rank
  bool on_media = false;  ///< sees, in a cross-attention layer, the encoders' tokens
};

/// All maps of layers of this shape, attention's first.
std::vector<AdapterTarget> AdaptableMaps(const TransformerShape& shape);

/// Of attention, of those that shape.lora names.
std::vector<AdapterShape> AttentionAdapters(const TransformerShape& shape, const RankShape& rank);
/// Of an FFN (dense, shared or one expert) whose inner width on this rank is `inner`.
std::vector<AdapterShape> FfnAdapters(const TransformerShape& shape, double inner);

/// Σ (inputs + outputs): parameters per unit of rank.
double WidthOf(const std::vector<AdapterShape>& adapters);

}  // namespace dflop
