// Quantiles are single values, never interpolated: nth_element at the rank rounded down.
#include "models/cost_errors.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "models/packed_attention.hpp"

namespace dflop {
namespace {

AttentionShape HeadsOf(const CostRow& row) {
  return {.heads = static_cast<int>(row.dimension("heads")),
          .kv_heads = static_cast<int>(row.dimension("kv_heads")),
          .head_dim = static_cast<int>(row.dimension("head_dim")),
          .causal = row.op != "attention_full"};
}

KernelCost PredictAttention(const KernelCosts& costs, const CostRow& row) {
  AttentionShape shape = HeadsOf(row);
  if (IsPacked(row.op)) return PackedAttention(costs, shape, row.lengths, PassOf(row));
  shape.sequences = row.dimension("batch");
  shape.length = row.dimension("seq");
  return costs.Attention(shape, PassOf(row));
}

}  // namespace

Pass PassOf(const CostRow& row) {
  if (row.direction == "weight_gradient") return Pass::kWeightGradient;
  return row.direction == "forward" ? Pass::kForward : Pass::kInputGradient;
}

Bytes BytesInCostModel(const CostRow& row) {
  constexpr double kCountedPerValue = 2;
  return Bytes(row.dimension("bytes") * kCountedPerValue / ValueBytes(row.dtype));
}

bool Predictable(const CostRow& row) {
  return row.op == "gemm" || row.op.starts_with("attention") || IsMemoryBound(row.op);
}

KernelCost Predict(const KernelCosts& costs, const CostRow& row) {
  if (row.op == "gemm") {
    return costs.Gemm(row.dimension("m"), row.dimension("n"), row.dimension("k"), PassOf(row));
  }
  if (row.op.starts_with("attention")) return PredictAttention(costs, row);
  return costs.MemoryBound(BytesInCostModel(row));
}

std::vector<RowError> PredictionErrors(const KernelCosts& costs, const CostTrace& trace, const std::string& op,
                                       Seconds shortest) {
  std::vector<RowError> errors;
  for (std::size_t i = 0; i < trace.rows.size(); ++i) {
    const CostRow& row = trace.rows[i];
    if (row.op != op || row.median < shortest || !Predictable(row)) continue;
    const KernelCost cost = Predict(costs, row);
    errors.push_back({i, cost.time, cost.extrapolated, cost.time / row.median - 1});
  }
  return errors;
}

double Quantile(std::vector<double> values, double share) {
  DFLOP_CHECK(!values.empty(), "a quantile needs values");
  const auto rank = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[static_cast<std::size_t>(rank)];
}

ErrorSummary Summarise(const std::vector<RowError>& errors) {
  if (errors.empty()) return {};
  std::vector<double> plain;
  std::vector<double> absolute;
  for (const RowError& error : errors) {
    plain.push_back(error.relative);
    absolute.push_back(std::abs(error.relative));
  }
  return {errors.size(), Quantile(absolute, 0.5), Quantile(absolute, 0.9), Quantile(plain, 0.5)};
}

}  // namespace dflop
