// How well kernel costs predict measured rows: used by the calibration, its test and `dflop trace compare`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/kernel_costs.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

/// Which pass a row's direction means; "backward" (attention) is the whole backward, kInputGradient.
Pass PassOf(const CostRow& row);

/// Bytes of a memory-bound row as the cost model counts them: two per value, whatever the row's dtype.
Bytes BytesInCostModel(const CostRow& row);

/// Whether the row is a kernel that KernelCosts knows; layers, launches, collectives, loss and optimizer are not.
bool Predictable(const CostRow& row);

/// What `costs` says about the kernel of a measured row, which must be predictable. A pack of unequal sequences is
/// priced as the simulator prices a microbatch (models/packed_attention.hpp).
KernelCost Predict(const KernelCosts& costs, const CostRow& row);

struct RowError {
  std::size_t row = 0;  ///< index in the trace
  Seconds predicted{0};
  bool extrapolated = false;
  double relative = 0;  ///< predicted / measured − 1
};

/// One entry for each row of `op` that lasts at least `shortest`, in the order of the trace.
std::vector<RowError> PredictionErrors(const KernelCosts& costs, const CostTrace& trace, const std::string& op,
                                       Seconds shortest);

struct ErrorSummary {
  std::size_t rows = 0;
  double median = 0;  ///< of |relative error|
  double p90 = 0;     ///< 90th percentile of |relative error|
  double bias = 0;    ///< median of the signed relative error
};
/// All zero when there are no rows.
ErrorSummary Summarise(const std::vector<RowError>& errors);

/// The value below which `share` of the values lie (nearest rank, downwards); `values` must not be empty.
double Quantile(std::vector<double> values, double share);

/// Kernels below this are ruled by launch and tail effects, which no table of efficiencies describes well.
inline constexpr Seconds kJudgedFrom{50e-6};

}  // namespace dflop
