// Rows of a cost trace that are still to be measured: op, direction, dtype and shape.
#pragma once

#include <string>
#include <vector>

#include "traces/cost_trace.hpp"

namespace dflop {

/// Sizes in the order of ShapeDimensions(op), rounded to whole numbers; all but flags are at least 1.
CostRow MakeRow(const std::string& op, const std::string& direction, const std::string& dtype,
                const std::vector<double>& sizes);
CostRow GemmRow(double m, double n, double k, const std::string& direction, const std::string& dtype);
/// `sizes`: batch, seq, heads, kv_heads, head_dim.
CostRow AttentionRow(bool causal, const std::vector<double>& sizes, const std::string& direction,
                     const std::string& dtype);
/// Causal, over a pack of sequences of these lengths.
CostRow PackedAttentionRow(const std::vector<std::int64_t>& lengths, double heads, double kv_heads, double head_dim,
                           const std::string& direction, const std::string& dtype);
CostRow MemoryRow(const std::string& op, double bytes, const std::string& direction, const std::string& dtype);

/// "gemm/forward/fp32/m=16,n=128,k=256": one name for one kernel on one shape.
std::string RowKey(const CostRow& row);

}  // namespace dflop
