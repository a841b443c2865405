// A GPU without figures of its own takes those of the built-in one nearest in peak rate, as its table does.
#include "models/loaded_kernel_costs.hpp"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "models/model_data.hpp"

namespace dflop {
namespace {

constexpr char kLoadFile[] = "device_load.json";

/// Rates over those of the table's kernel, of heads up to a size.
struct AttentionRates {
  int head_dim = 0;
  double forward = 1;
  double backward = 1;
};

/// The built-in GPU whose entry counts: its own, or that of the one nearest in peak rate. A GPU that borrows a
/// built-in's name with another peak is another GPU, as its table is (gpu_kernel_costs.cpp).
std::string LoadNameOf(const GpuSpec& gpu, const JsonReader& all) {
  constexpr double kSamePeak = 1e-3;
  std::string nearest;
  double best = HUGE_VAL;
  for (const std::string& name : all.Keys()) {
    const Json word(name);
    const double ratio = ReadGpu(JsonReader(word, "GPU")).peak / gpu.peak;
    if (name == gpu.name && std::abs(ratio - 1) < kSamePeak) return name;
    if (std::abs(std::log(ratio)) < best) best = std::abs(std::log(ratio)), nearest = name;
  }
  return nearest;
}

JsonReader LoadOf(const GpuSpec& gpu, const Json& document) {
  const JsonReader all(document, "built-in " + std::string(kLoadFile));
  return all.At(LoadNameOf(gpu, all));
}

/// By rising head size; none where a GPU's software never had the kernel, which then runs the table's.
std::vector<AttentionRates> RatesOf(const JsonReader& load, AttentionKernel kernel) {
  std::vector<AttentionRates> rates;
  const auto entries = load.At("attention_kernels").Find(NameOf(kernel));
  if (!entries) return rates;
  for (const JsonReader& entry : entries->Elements()) {
    entry.AllowOnly({"head_dim", "forward", "backward"});
    rates.push_back({static_cast<int>(entry.At("head_dim").Int(1, 1024)), entry.At("forward").Number(0.01, 10),
                     entry.At("backward").Number(0.01, 10)});
  }
  return rates;
}

class LoadedKernelCosts final : public KernelCosts {
 public:
  LoadedKernelCosts(std::shared_ptr<const KernelCosts> costs, const SoftwareStack& software)
      : costs_(std::move(costs)) {
    const Json document = BuiltInJson(kLoadFile);
    const JsonReader load = LoadOf(costs_->gpu(), document);
    rates_ = RatesOf(load, software.attention_kernel);
    if (software.sustained_clocks) sustained_ = load.At("sustained_efficiency").Number(0.01, 1);
    if (software.attention_kernel != AttentionKernel::kTable) {
      remark_ += ", attention by " + NameOf(software.attention_kernel) + (rates_.empty() ? " at the table's rate" : "");
    }
    if (software.sustained_clocks) remark_ += ", sustained clocks";
  }

  KernelCost Gemm(double m, double n, double k, Pass pass) const override {
    return Sustained(costs_->Gemm(m, n, k, pass), Flops(2 * m * n * k));
  }

  KernelCost Attention(const AttentionShape& shape, Pass pass) const override {
    KernelCost cost = costs_->Attention(shape, pass);
    const bool forward = pass == Pass::kForward;
    const AttentionRates rates = RatesFor(shape.head_dim);
    cost.time *= 1 / (forward ? rates.forward : rates.backward);
    return Sustained(cost, shape.flops() * (forward ? 1 : kBackwardFlops));
  }

  KernelCost MemoryBound(Bytes bytes) const override { return costs_->MemoryBound(bytes); }
  const GpuSpec& gpu() const override { return costs_->gpu(); }
  std::string description() const override { return costs_->description() + remark_; }
  Json error_band() const override { return costs_->error_band(); }

 private:
  static constexpr double kBackwardFlops = 2.5;  ///< of fused attention, over its forward: five products for two

  AttentionRates RatesFor(int head_dim) const {
    for (const AttentionRates& rates : rates_) {
      if (rates.head_dim >= head_dim) return rates;
    }
    return rates_.empty() ? AttentionRates{} : rates_.back();
  }

  KernelCost Sustained(KernelCost cost, Flops flops) const {
    if (sustained_ <= 0 || cost.time <= Seconds(0)) return cost;
    const double efficiency = flops / (gpu().peak * cost.time);
    if (efficiency > sustained_) cost.time *= std::cbrt(efficiency / sustained_);
    return cost;
  }

  std::shared_ptr<const KernelCosts> costs_;
  std::vector<AttentionRates> rates_;
  double sustained_ = 0;  ///< 0: clocks as in the table
  std::string remark_;
};

}  // namespace

bool Multiplies(const GpuSpec& gpu, Precision precision) {
  if (precision == Precision::kBf16 || precision == Precision::kFp16) return true;
  const Json document = BuiltInJson(kLoadFile);
  for (const JsonReader& format : LoadOf(gpu, document).At("low_precision").Elements()) {
    if (format.String() == NameOf(precision)) return true;
  }
  return false;
}

bool HasRates(const GpuSpec& gpu, AttentionKernel kernel) {
  const Json document = BuiltInJson(kLoadFile);
  return !RatesOf(LoadOf(gpu, document), kernel).empty();
}

std::string LoadNameOf(const GpuSpec& gpu) {
  const Json document = BuiltInJson(kLoadFile);
  return LoadNameOf(gpu, JsonReader(document, kLoadFile));
}

std::vector<std::string> GpusThatMultiply(Precision precision) {
  std::vector<std::string> names;
  const Json document = BuiltInJson(kLoadFile);
  for (const std::string& name : JsonReader(document, kLoadFile).Keys()) {
    const Json word(name);
    if (Multiplies(ReadGpu(JsonReader(word, "GPU")), precision)) names.push_back(name);
  }
  return names;
}

std::shared_ptr<const KernelCosts> UnderLoad(std::shared_ptr<const KernelCosts> costs, const SoftwareStack& software) {
  DFLOP_CHECK(costs != nullptr, "costs of a device");
  if (software.attention_kernel == AttentionKernel::kTable && !software.sustained_clocks) return costs;
  return std::make_shared<LoadedKernelCosts>(std::move(costs), software);
}

}  // namespace dflop
