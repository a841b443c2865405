// The fitted kernel costs of one GPU: the format dflop/gpu-costs/1 of models/data/gpu_costs/, written by calibrate_gpu.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"
#include "models/log_grid.hpp"

namespace dflop {

/// Natural log of achieved FLOP/s over peak, and the shortest time that was ever measured.
struct EfficiencySurface {
  LogGrid log_efficiency;
  Seconds floor{0};
};

/// Attention efficiency over (batch·heads, sequence length, query heads per key/value head) for one head size.
struct AttentionSurface {
  bool causal = true;
  int head_dim = 0;
  bool measured = true;  ///< false: derived from other surfaces as `source` says, so every use is an extrapolation
  std::string source;
  EfficiencySurface surface;
};

/// Times of the backward kernels over the forward table; see the calibration report.
struct BackwardFactors {
  double input_gradient = 1;   ///< over the table at (m, k, n)
  double weight_gradient = 1;  ///< over the table at (n, k, m), accumulating into fp32
  double attention = 1;        ///< whole fused backward over the forward
  std::string source;
};

struct GpuCostTable {
  std::string gpu;
  FlopsPerSecond peak{0};  ///< the peak that the efficiencies are relative to
  std::string source;
  EfficiencySurface gemm;                   ///< over (m, n, k)
  std::vector<AttentionSurface> attention;  ///< by kind, then by rising head size
  double memory_efficiency = 0.8;           ///< share of nominal bandwidth that streaming kernels reach
  std::string memory_source;
  BackwardFactors backward;
  Json error_band = Json::EmptyObject();  ///< op → {rows, median, p90, bias} on held-out rows

  const AttentionSurface* FindAttention(bool causal, int head_dim) const;
};

/// Largest query-per-key/value-head ratio that still changes the time in the tables; larger ones count as this.
inline constexpr double kSaturatedGroupRatio = 8;

GpuCostTable ReadGpuCostTable(const JsonReader& json);
/// Efficiencies are rounded to four significant digits.
Json ToJson(const GpuCostTable& table);

}  // namespace dflop
