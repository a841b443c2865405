// How large a memory-bound operation is, given the bytes that its row names: the same answer for every backend.
//
// Bytes count each large tensor once: read what is read, write what is written. Norm weights, ids and per-row
// statistics are left out (below 0.1 % at the sizes that matter).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.hpp"
#include "real_runner/kernels/operations.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

/// Elements read and written for each value of the operation's output row (of u, where there are two inputs).
inline int ElementsMovedPerValue(const CostRow& row) {
  const bool backward = row.direction == "backward";
  if (row.op == "norm") return backward ? 3 : 2;        // x → y; dy, x → dx
  if (row.op == "activation") return backward ? 5 : 3;  // u, v → y; dy, u, v → du, dv
  if (row.op == "add") return 3;
  DFLOP_CHECK(row.op == "rope" || row.op == "softmax" || row.op == "embedding" || row.op == "copy",
              row.op + " is no operation with bytes");
  return 2;
}

/// Values of the operation nearest to the row's bytes; at least one.
inline std::int64_t ValuesFor(const CostRow& row, int element_bytes) {
  const double values = row.dimension("bytes") / (ElementsMovedPerValue(row) * element_bytes);
  return std::max<std::int64_t>(1, std::llround(values));
}

/// Rows of kRowWidth values nearest to the row's bytes; at least one.
inline std::int64_t RowsFor(const CostRow& row, int element_bytes) {
  const double values = row.dimension("bytes") / (ElementsMovedPerValue(row) * element_bytes);
  return std::max<std::int64_t>(1, std::llround(values / static_cast<double>(kRowWidth)));
}

}  // namespace dflop
