// The single kernels that a `layer` row is made of: measured one by one, their sum is held against the whole layer.
#pragma once

#include <vector>

#include "models/model_spec.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

/// The row of a whole layer at TP 1 on `tokens` tokens in sequences of `seq`; direction "forward" or "backward".
CostRow LayerRow(const TransformerShape& shape, bool causal, std::int64_t tokens, std::int64_t seq,
                 const std::string& direction, const std::string& dtype);

struct LayerPart {
  CostRow row;  ///< without times
  int times = 1;
};

/// Memory-bound parts are rows of as many bytes as the layer's kernel moves.
std::vector<LayerPart> LayerParts(const CostRow& layer);

/// Multiply-adds of a row counted as two FLOPs; 0 for kernels that only move memory.
double RowFlops(const CostRow& row);

}  // namespace dflop
