// What the profiler asks of a device: prepare one kernel on one shape, run it, time it, show its numbers.
//
// Backends: `cpu` (OpenBLAS, in this program) and `cuda` (a plug-in opened at run time, so that everything else builds
// and starts without toolkit or driver). A kernel is named as a row of dflop/cost-trace/1 names it
// (traces/cost_trace.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "traces/cost_trace.hpp"

namespace dflop {

/// Why a kernel cannot be had here: an operation the device lacks, a shape larger than its memory. Listed, never fatal.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A tensor on the host, in the kernel's own order of dimensions; what the device holds, converted to float.
struct HostTensor {
  std::string name;  ///< as the operation's description in real_runner/kernels/operations.hpp calls it
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// One kernel on one shape with its buffers: several sets of inputs, together larger than the device's cache, filled
/// with random numbers and used in turn.
class PreparedKernel {
 public:
  virtual ~PreparedKernel() = default;
  /// Starts the kernel on the next set of inputs; may return before it ends.
  virtual void Launch() = 0;
  /// Which implementation runs, e.g. "cublasLt algo 71", "cudnn sdpa", "unfused", "openblas 0.3.21".
  virtual std::string implementation() const = 0;
  /// Inputs and outputs of set 0 after a launch on it, for the comparison with a float64 reference.
  virtual std::vector<HostTensor> RunOnce() = 0;
};

/// One timed launch. `disturbed`: the thread was preempted while it ran (CPU time well below wall time).
struct TimedLaunch {
  double seconds = 0;
  bool disturbed = false;
};

struct DeviceInfo {
  std::string name;                     ///< as the driver or /proc/cpuinfo says
  Json software = Json::EmptyObject();  ///< driver, runtime and library versions, clocks and power where readable
  double memory_bytes = 0;
  double cache_bytes = 0;  ///< last-level cache: rotating inputs must exceed it
  int devices = 0;         ///< for collectives between the devices of this machine; 0 = the backend has none
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;   ///< "cpu", "cuda"
  virtual std::string dtype() const = 0;  ///< of its tensors: "fp32" on the CPU, "bf16" on a GPU
  virtual DeviceInfo Describe() = 0;
  /// The kernel of this row's op, direction and shape (its times are ignored). Throws Unsupported.
  virtual std::unique_ptr<PreparedKernel> Prepare(const CostRow& row) = 0;
  /// Launches `repeats` times, each timed on the device by itself.
  virtual std::vector<TimedLaunch> Time(PreparedKernel& kernel, int repeats) = 0;
};

std::unique_ptr<Backend> MakeCpuBackend();

/// As what a GPU is measured: alone, or as what one of several ranks has of the only GPU of this machine, an equal part
/// of it. Where there is a GPU for each, a rank has it whole.
struct BackendOptions {
  int ranks = 1;
  bool busy_neighbours = true;  ///< whether the other parts compute meanwhile, as they do in a step
};

/// Opens the plug-in `libdflop_cuda.so` beside this program. Throws InputError with what is missing: the plug-in (built
/// without toolkit), a driver, a device, multiprocessors for so many ranks.
std::unique_ptr<Backend> MakeCudaBackend(const BackendOptions& options = {});

/// What the plug-in exports, with C linkage and under this name: returns a Backend owned by the caller, or nullptr and
/// the reason in `why` (a buffer of `size` bytes).
using MakeBackendFunction = Backend* (*)(const BackendOptions& options, char* why, int size);
inline constexpr char kMakeBackendSymbol[] = "dflop_make_cuda_backend";

}  // namespace dflop
