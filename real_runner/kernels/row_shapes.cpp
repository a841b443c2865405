// Sizes are rounded as a trace holds them, so that what is planned and what is measured have one key.
#include "real_runner/kernels/row_shapes.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace dflop {

CostRow MakeRow(const std::string& op, const std::string& direction, const std::string& dtype,
                const std::vector<double>& sizes) {
  const std::vector<std::string> dimensions = ShapeDimensions(op);
  DFLOP_CHECK(dimensions.size() == sizes.size(), "a shape of " + op + " has as many sizes as dimensions");
  CostRow row;
  row.op = op;
  row.direction = direction;
  row.dtype = dtype;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bool flag = dimensions[i] == "gated" || dimensions[i] == "causal";
    row.shape.emplace_back(dimensions[i], std::max(flag ? 0.0 : 1.0, std::round(sizes[i])));
  }
  return row;
}

CostRow GemmRow(double m, double n, double k, const std::string& direction, const std::string& dtype) {
  return MakeRow("gemm", direction, dtype, {m, n, k});
}

CostRow AttentionRow(bool causal, const std::vector<double>& sizes, const std::string& direction,
                     const std::string& dtype) {
  return MakeRow(causal ? "attention_causal" : "attention_full", direction, dtype, sizes);
}

CostRow PackedAttentionRow(const std::vector<std::int64_t>& lengths, double heads, double kv_heads, double head_dim,
                           const std::string& direction, const std::string& dtype) {
  CostRow row = MakeRow("attention_packed", direction, dtype, {heads, kv_heads, head_dim});
  row.lengths = lengths;
  return row;
}

CostRow MemoryRow(const std::string& op, double bytes, const std::string& direction, const std::string& dtype) {
  return MakeRow(op, direction, dtype, {bytes});
}

std::string RowKey(const CostRow& row) {
  std::string key = row.op + "/" + row.direction + "/" + row.dtype + "/";
  for (const auto& [name, size] : row.shape) {
    key += (key.back() == '/' ? "" : ",") + name + "=" + std::to_string(static_cast<std::int64_t>(size));
  }
  for (std::size_t i = 0; i < row.lengths.size(); ++i) {
    key += (i == 0 ? ",lengths=" : "+") + std::to_string(row.lengths[i]);
  }
  return key;
}

}  // namespace dflop
