// Which costs a scenario gets that names none: a measured trace where the repository has one, else the fitted model.
#include <algorithm>
#include <cmath>

#include "models/trace_kernel_costs.hpp"
#include "traces/committed_traces.hpp"

namespace dflop {
namespace {

/// Whether this is the built-in GPU of its name, and not another that borrows the name.
bool IsBuiltIn(const GpuSpec& gpu) {
  constexpr double kSame = 1e-3;
  const std::vector<std::string> names = BuiltInGpuNames();
  if (std::find(names.begin(), names.end(), gpu.name) == names.end()) return false;
  const Json name(gpu.name);
  const GpuSpec built_in = ReadGpu(JsonReader(name, "gpu"));
  return std::abs(built_in.peak / gpu.peak - 1) < kSame &&
         std::abs(built_in.memory_bandwidth / gpu.memory_bandwidth - 1) < kSame;
}

}  // namespace

std::shared_ptr<const KernelCosts> DefaultKernelCosts(const GpuSpec& gpu) {
  std::shared_ptr<const KernelCosts> fitted = BuiltInKernelCosts(gpu);
  const std::optional<CostTrace> trace = IsBuiltIn(gpu) ? CommittedTrace(gpu.name) : std::nullopt;
  if (!trace) return fitted;
  return std::make_shared<MeasuredKernelCosts>(*trace, "traces/data/" + gpu.name + ".json", fitted);
}

}  // namespace dflop
