// Gradients of a GEMM are looked up as the forward GEMM of their own shape, times a factor of the table; a GPU without
// a table borrows the one nearest in peak rate, and everything then counts as extrapolated.
#include "models/gpu_kernel_costs.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "models/model_data.hpp"

namespace dflop {
namespace {

constexpr char kFolder[] = "gpu_costs/";

/// Head sizes beyond the largest measured one run in kernels built for multiples of 64 (192, 256, …).
constexpr int kWideHeadStep = 64;

GpuCostTable LoadTable(const std::string& name) {
  const std::string path = kFolder + name + ".json";
  const Json document = BuiltInJson(path);
  return ReadGpuCostTable(JsonReader(document, "built-in " + path));
}

/// The table of the built-in GPU nearest in peak rate.
GpuCostTable NearestTable(FlopsPerSecond peak) {
  GpuCostTable nearest;
  double best = HUGE_VAL;
  for (const std::string& name : BuiltInGpuCostNames()) {
    GpuCostTable table = LoadTable(name);
    const double distance = std::abs(std::log(table.peak / peak));
    if (distance < best) best = distance, nearest = std::move(table);
  }
  return nearest;
}

}  // namespace

GpuKernelCosts::GpuKernelCosts(GpuSpec gpu, GpuCostTable table, bool native)
    : gpu_(std::move(gpu)), table_(std::move(table)), native_(native) {
  for (const bool causal : {true, false}) SurfaceFor(causal, 1);  // aborts now rather than in the middle of a run
}

std::array<double, 3> GpuKernelCosts::Raised(const EfficiencySurface& surface, std::array<double, 3> sizes) {
  const LogGrid::Axes& axes = surface.log_efficiency.axes();
  for (std::size_t d = 0; d < 3; ++d) sizes[d] = std::max(sizes[d], std::ldexp(1.0, axes[d].first));
  return sizes;
}

KernelCost GpuKernelCosts::Evaluate(const EfficiencySurface& surface, const std::array<double, 3>& sizes,
                                    Flops flops) const {
  const LogGrid::Point point = {std::log2(sizes[0]), std::log2(sizes[1]), std::log2(sizes[2])};
  const Seconds time = flops / (gpu_.peak * std::exp(surface.log_efficiency.At(point)));
  return {std::max(time, surface.floor), !native_ || !surface.log_efficiency.Contains(point)};
}

KernelCost GpuKernelCosts::Gemm(double m, double n, double k, Pass pass) const {
  if (m <= 0 || n <= 0 || k <= 0) return {};
  std::array<double, 3> sizes = {m, n, k};
  double factor = 1;
  if (pass == Pass::kInputGradient) {  // dX[m,k] = dY[m,n]·Wᵀ[n,k]
    sizes = {m, k, n};
    factor = table_.backward.input_gradient;
  } else if (pass == Pass::kWeightGradient) {  // dW[n,k] = dYᵀ[n,m]·X[m,k]
    sizes = {n, k, m};
    factor = table_.backward.weight_gradient;
  }
  const std::array<double, 3> raised = Raised(table_.gemm, sizes);
  KernelCost cost = Evaluate(table_.gemm, raised, Flops(2 * raised[0] * raised[1] * raised[2]));
  cost.time *= factor;
  cost.extrapolated = cost.extrapolated || raised != sizes;
  return cost;
}

KernelCost GpuKernelCosts::Attention(const AttentionShape& shape, Pass pass) const {
  DFLOP_CHECK(pass != Pass::kWeightGradient, "attention has no weights");
  if (shape.sequences <= 0 || shape.length <= 0 || shape.heads <= 0) return {};
  const AttentionSurface& surface = SurfaceFor(shape.causal, shape.head_dim);
  const int head_dim = shape.head_dim <= surface.head_dim
                           ? surface.head_dim
                           : (shape.head_dim + kWideHeadStep - 1) / kWideHeadStep * kWideHeadStep;
  const double group = std::clamp(static_cast<double>(shape.heads) / shape.kv_heads, 1.0, kSaturatedGroupRatio);
  const std::array<double, 3> sizes = {shape.sequences * shape.heads, shape.length, group};
  const std::array<double, 3> raised = Raised(surface.surface, sizes);
  const Flops flops((shape.causal ? 2.0 : 4.0) * raised[0] * raised[1] * raised[1] * head_dim);
  KernelCost cost = Evaluate(surface.surface, raised, flops);
  if (raised != sizes || !surface.measured || surface.head_dim != shape.head_dim) cost.extrapolated = true;
  if (pass == Pass::kInputGradient) cost.time *= table_.backward.attention;
  return cost;
}

KernelCost GpuKernelCosts::MemoryBound(Bytes bytes) const {
  return {bytes / (gpu_.memory_bandwidth * table_.memory_efficiency), !native_};
}

std::string GpuKernelCosts::description() const {
  if (native_) return "built-in " + table_.gpu + ", " + table_.source;
  return "built-in " + table_.gpu + " scaled to the rates of " + gpu_.name + ", all extrapolated; " + table_.source;
}

const AttentionSurface& GpuKernelCosts::SurfaceFor(bool causal, int head_dim) const {
  const AttentionSurface* largest = nullptr;
  for (const AttentionSurface& surface : table_.attention) {
    if (surface.causal != causal) continue;
    largest = &surface;
    if (surface.head_dim >= head_dim) return surface;
  }
  DFLOP_CHECK(largest != nullptr, "a GPU table has causal and full attention");
  return *largest;
}

std::vector<std::string> BuiltInGpuCostNames() {
  std::vector<std::string> names;
  const std::string folder = kFolder;
  for (const EmbeddedFile& file : ModelData()) {
    const std::string path(file.path);
    if (path.starts_with(folder)) names.push_back(path.substr(folder.size(), path.size() - folder.size() - 5));
  }
  return names;
}

std::shared_ptr<const KernelCosts> BuiltInKernelCosts(const GpuSpec& gpu) {
  constexpr double kSamePeak = 1e-3;  // a GPU that borrows a built-in's name with other rates is another GPU
  const std::vector<std::string> names = BuiltInGpuCostNames();
  if (std::find(names.begin(), names.end(), gpu.name) != names.end()) {
    GpuCostTable table = LoadTable(gpu.name);
    const bool native = std::abs(table.peak / gpu.peak - 1) < kSamePeak;
    if (native) return std::make_shared<GpuKernelCosts>(gpu, std::move(table), true);
  }
  return std::make_shared<GpuKernelCosts>(gpu, NearestTable(gpu.peak), false);
}

}  // namespace dflop
