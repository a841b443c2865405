// What this card can do at best, and how near our kernels come: `cuda_ceilings` prints a table in Markdown.
//
// Two ceilings: the bandwidth of a large copy (bytes read plus bytes written) and the rate of the fastest large matrix
// product. Memory-bound kernels are held against the first, products and attention against the second.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "real_runner/cuda/median_launch.hpp"
#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

constexpr double kGiB = 1 << 30;
constexpr double kOptimizerBytes = 30;  // a parameter: four fp32 reads, three fp32 writes, one bf16 write

class Ceilings {
 public:
  explicit Ceilings(Backend& backend) : backend_(backend) {}

  void Run() {
    std::printf("| kernel | shape | median | rate | of ceiling | implementation |\n|---|---|---|---|---|---|\n");
    for (const double bytes : {kGiB / 4, kGiB, 4 * kGiB}) Memory(Row("copy", "forward", {bytes}), bytes);
    for (const double size : {4096.0, 8192.0, 16384.0}) Product(Row("gemm", "forward", {size, size, size}), true);
    for (const char* direction : {"input_gradient", "weight_gradient"}) {
      Product(Row("gemm", direction, {8192, 8192, 8192}), false);
    }
    for (const char* op : {"add", "norm", "activation", "rope", "softmax", "embedding"}) {
      Memory(Row(op, "forward", {kGiB}), kGiB);
    }
    for (const char* op : {"norm", "activation"}) Memory(Row(op, "backward", {kGiB}), kGiB);
    Memory(Row("optimizer", "forward", {1 << 25}), kOptimizerBytes * (1 << 25));
    for (const char* direction : {"forward", "backward"}) {
      Product(Row("attention_causal", direction, {2, 4096, 32, 8, 128}), false);
      Product(Row("attention_causal", direction, {1, 16384, 32, 8, 128}), false);
      Product(Row("attention_full", direction, {16, 1024, 16, 16, 64}), false);
    }
    if (const auto seconds = Median(Row("launch", "forward", {}))) {
      std::printf("| launch | | %.2f µs of host time | | | |\n", *seconds * 1e6);
    }
    std::printf("\ncopy ceiling %.0f GB/s, matrix ceiling %.1f TFLOP/s\n", copy_ * 1e-9, matrix_ * 1e-12);
  }

 private:
  static CostRow Row(const std::string& op, const std::string& direction, const std::vector<double>& sizes) {
    return MakeRow(op, direction, "bf16", sizes);
  }

  /// Nothing where the backend refuses, which is printed.
  std::optional<double> Median(const CostRow& row) {
    try {
      const MedianLaunch median = TimeMedian(backend_, row);
      implementation_ = median.implementation;
      return median.seconds;
    } catch (const Unsupported& refused) {
      std::printf("| %s %s | %s | skipped: %s | | | |\n", row.op.c_str(), row.direction.c_str(),
                  ShapeJson(row).Dump().c_str(), refused.what());
      return std::nullopt;
    }
  }

  void Print(const CostRow& row, double seconds, const std::string& rate, double share) const {
    std::printf("| %s %s | %s | %.1f µs | %s | %.0f %% | %s |\n", row.op.c_str(), row.direction.c_str(),
                ShapeJson(row).Dump().c_str(), seconds * 1e6, rate.c_str(), 100 * share, implementation_.c_str());
    std::fflush(stdout);
  }

  void Memory(const CostRow& row, double bytes) {
    const auto seconds = Median(row);
    if (!seconds) return;
    const double rate = bytes / *seconds;
    if (row.op == "copy") copy_ = std::max(copy_, rate);
    Print(row, *seconds, std::to_string(std::lround(rate * 1e-9)) + " GB/s", copy_ > 0 ? rate / copy_ : 0);
  }

  void Product(const CostRow& row, bool ceiling) {
    const auto seconds = Median(row);
    if (!seconds) return;
    const double rate = RowFlops(row) / *seconds;
    if (ceiling) matrix_ = std::max(matrix_, rate);
    Print(row, *seconds, std::to_string(std::lround(rate * 1e-12)) + " TFLOP/s", matrix_ > 0 ? rate / matrix_ : 0);
  }

  Backend& backend_;
  double copy_ = 0, matrix_ = 0;
  std::string implementation_;
};

}  // namespace
}  // namespace dflop

int main() {
  try {
    const std::unique_ptr<dflop::Backend> backend = dflop::MakeCudaBackend();
    const dflop::DeviceInfo device = backend->Describe();
    std::printf("%s, %s\n\n", device.name.c_str(), device.software.Dump().c_str());
    dflop::Ceilings(*backend).Run();
    return 0;
  } catch (const dflop::InputError& error) {
    std::fprintf(stderr, "cuda_ceilings: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_ceilings: %s\n", error.what());
    return 1;
  }
}
