// Measured kernel times: the format dflop/cost-trace/1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/units.hpp"

namespace dflop {

/// One measured kernel. Shapes by operation, every size ≥ 1:
///   "gemm"                                m, n, k                 C[m,n] = A[m,k]·B[k,n]
///   "attention_causal", "attention_full"  batch, seq, heads, kv_heads, head_dim
///   "norm", "activation", "rope", "add", "embedding", "softmax", "copy"   bytes moved through device memory
/// A gradient row carries the shape of its forward kernel; its direction says which product was timed.
struct CostRow {
  std::string op;
  std::string direction = "forward";  ///< forward | input_gradient | weight_gradient | backward
  std::string dtype = "bf16";
  std::vector<std::pair<std::string, double>> shape;  ///< dimension name → size, in the order above
  std::string kernel;                                 ///< implementation or collector, "" when unknown
  Seconds median{0};
  Seconds spread{0};  ///< 90th − 10th percentile; 0 when unknown
  int count = 0;      ///< repetitions; 0 when unknown

  double dimension(const std::string& name) const;  ///< aborts when absent: readers check first
};

struct CostTrace {
  std::string device;
  Json software = Json::EmptyObject();  ///< driver, libraries, frameworks and their versions
  Json method = Json::EmptyObject();    ///< warm_up, repeats, statistic, date, source
  std::vector<CostRow> rows;
};

/// Strict reader; InputError with file and pointer.
CostTrace ReadCostTrace(const std::string& path);
void WriteCostTrace(const std::string& path, const CostTrace& trace);

/// The dimensions that an operation's shape must have, in order; empty for an unknown operation.
std::vector<std::string> ShapeDimensions(const std::string& op);

/// The largest size that a dimension of a row may have; the smallest is 1.
double LargestSize(const std::string& dimension);

}  // namespace dflop
