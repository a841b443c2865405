// Measured kernel times: the format dflop/cost-trace/1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "base/units.hpp"

namespace dflop {

/// One measured kernel. Shapes by operation, every size ≥ 1:
///   "gemm"                                m, n, k                 C[m,n] = A[m,k]·B[k,n]
///   "attention_causal", "attention_full"  batch, seq, heads, kv_heads, head_dim
///   "attention_packed"  heads, kv_heads, head_dim, and `lengths`: causal attention over one pack of unequal sequences,
///                one after the other without padding, each seeing only itself
///   "norm", "activation", "rope", "add", "embedding", "softmax", "copy"   bytes moved through device memory
///   "loss"       tokens, vocab            cross entropy, forward and backward in one
///   "optimizer"  parameters               one AdamW step
///   "launch"     nothing                  an empty kernel: host time per launch
///   "layer"      tokens, seq, hidden, ffn_hidden, heads, kv_heads, gated, causal   a whole transformer layer on one
///                device; tokens come in sequences of seq; gated and causal are 0 or 1
///   "all_reduce", "reduce_scatter", "all_gather", "all_to_all", "send_recv"   bytes (of one rank's buffer), ranks
/// A gradient row carries the shape of its forward kernel; its direction says which product was timed.
struct CostRow {
  std::string op;
  std::string direction = "forward";  ///< forward | input_gradient | weight_gradient | backward
  std::string dtype = "bf16";
  std::vector<std::pair<std::string, double>> shape;  ///< dimension name → size, in the order above
  std::vector<std::int64_t> lengths{};                ///< of a pack's sequences, in their order; else empty
  std::string kernel{};                               ///< implementation or collector, "" when unknown
  Seconds median{0};
  Seconds spread{0};  ///< 90th − 10th percentile; 0 when unknown
  int count = 0;      ///< repetitions; 0 when unknown

  double dimension(const std::string& name) const;  ///< aborts when absent: readers check first
};

struct CostTrace {
  std::string device;
  Json software = Json::EmptyObject();  ///< driver, libraries, frameworks and their versions
  /// warm_up, repeats, statistic, date, source; "skipped": [{op, direction, shape, reason}] what could not be measured
  Json method = Json::EmptyObject();
  std::vector<CostRow> rows;
};

/// Strict readers; InputError with file and pointer.
CostTrace ReadCostTrace(const std::string& path);
CostTrace ReadCostTrace(const JsonReader& json);
void WriteCostTrace(const std::string& path, const CostTrace& trace);

/// The dimensions that an operation's shape must have, in order; empty for "launch" and for an unknown operation.
std::vector<std::string> ShapeDimensions(const std::string& op);

/// The largest size that a dimension of a row may have; the smallest is 1.
double LargestSize(const std::string& dimension);

/// Whether rows of this operation have `lengths`.
bool IsPacked(const std::string& op);

/// Kernels of which only the bytes that they move through device memory count.
bool IsMemoryBound(const std::string& op);

/// Bytes of one value of a row's dtype.
double ValueBytes(const std::string& dtype);

/// The row's shape as JSON, e.g. {"m": 16, "n": 128, "k": 256}; of a pack {…, "lengths": [700, 123]}.
Json ShapeJson(const CostRow& row);

}  // namespace dflop
