// The kernels that training a model asks for: found by pricing its parts and noting every question to KernelCosts.
#pragma once

#include <vector>

#include "models/kernel_costs.hpp"
#include "models/model_spec.hpp"

namespace dflop {

struct GemmShape {
  double m = 0, n = 0, k = 0;
  auto operator<=>(const GemmShape&) const = default;
};

/// Sizes of an attention kernel in the order of a row's shape.
struct AttentionSizes {
  bool causal = false;
  double batch = 0, seq = 0, heads = 0, kv_heads = 0, head_dim = 0;
  auto operator<=>(const AttentionSizes&) const = default;
};

/// A shape and its predicted share of the time of a step, summed over all the microbatches and degrees looked at.
template <typename Shape>
struct Weighted {
  Shape shape;
  double share = 0;
};

struct JobShapes {
  std::vector<Weighted<GemmShape>> gemms;  ///< largest share first
  std::vector<Weighted<AttentionSizes>> attentions;
};

/// Of all the models together. TP 1, 2, 4, 8 where they divide the query heads; 1, 2, … 32 tiles; 1,024 … 32,768 tokens
/// in sequences of 512, 2,048 and 8,192. Times are those of the built-in H100 model: they only rank the shapes.
JobShapes FindJobShapes(const std::vector<ModelSpec>& models);

}  // namespace dflop
