// How long one kernel takes on one GPU: the question every prediction rests on, with two answers behind one interface —
// a measured trace, or the built-in fitted model of a GPU.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/units.hpp"
#include "models/cluster_spec.hpp"

namespace dflop {

struct CostTrace;

enum class Pass { kForward, kInputGradient, kWeightGradient };

/// A time and how far it can be trusted.
struct KernelCost {
  Seconds time{0};
  bool extrapolated = false;  ///< the shape lies outside what was measured
};

/// `sequences` equal sequences of `length` tokens. `sequences` may be fractional: a variable-length batch of T tokens
/// is priced per length as T/length sequences, so that small sequences in a full batch keep the batch's occupancy.
struct AttentionShape {
  double sequences = 1;
  double length = 0;
  int heads = 0;     ///< on this rank
  int kv_heads = 0;  ///< on this rank
  int head_dim = 0;
  bool causal = true;
  /// Forward multiply-adds counted as 2 FLOPs: 4·n·s²·heads·head_dim, halved when causal.
  Flops flops() const { return Flops((causal ? 2.0 : 4.0) * sequences * length * length * heads * head_dim); }
};

class KernelCosts {
 public:
  virtual ~KernelCosts() = default;
  /// C[m,n] = A[m,k]·B[k,n]; FLOPs 2·m·n·k. For gradients the caller gives the forward's m, n, k.
  virtual KernelCost Gemm(double m, double n, double k, Pass pass) const = 0;
  /// Fused attention. kForward or kInputGradient (the whole backward).
  virtual KernelCost Attention(const AttentionShape& shape, Pass pass) const = 0;
  /// Kernels that only move `bytes` through device memory, without launch time.
  virtual KernelCost MemoryBound(Bytes bytes) const = 0;

  virtual const GpuSpec& gpu() const = 0;
  /// What was used, e.g. "built-in a100-sxm-80gb, fitted to …" — printed with every result.
  virtual std::string description() const = 0;
  /// Median and 90th percentile of |relative error| on held-out measurements, per operation, as a JSON object.
  virtual Json error_band() const = 0;
};

/// The fitted model of a built-in GPU (models/data/gpu_costs/<name>.json, written by calibrate_gpu). For a GPU that is
/// given inline it takes the efficiency surface of the built-in GPU nearest in peak rate, scaled, all extrapolated.
std::shared_ptr<const KernelCosts> BuiltInKernelCosts(const GpuSpec& gpu);

/// Costs from a dflop/cost-trace/1 file, with the built-in model of `gpu` for operations that the trace lacks
/// (those count as extrapolated).
std::shared_ptr<const KernelCosts> TraceKernelCosts(const std::string& path, const GpuSpec& gpu);
/// The same of a trace that has been read already; `path` is what a result calls it.
std::shared_ptr<const KernelCosts> TraceKernelCosts(const CostTrace& trace, const std::string& path,
                                                    const GpuSpec& gpu);

/// The committed trace of a built-in GPU (traces/data/) where there is one, else its fitted model.
std::shared_ptr<const KernelCosts> DefaultKernelCosts(const GpuSpec& gpu);

}  // namespace dflop
