// What a part of the only GPU is worth, alone and among busy neighbours: `cuda_partitions` prints a table in Markdown.
//
// The last column is the slowdown that stages on parts of one GPU do to each other by sharing its cache and its
// memory's bandwidth. Costs for a validation are measured among busy neighbours (`real_runner profile --ranks`).
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "real_runner/cuda/median_launch.hpp"
#include "real_runner/kernels/row_shapes.hpp"

namespace dflop {
namespace {

constexpr double kMiB = 1 << 20;

std::vector<CostRow> Rows() {
  const auto row = [](const char* op, const char* direction, const std::vector<double>& sizes) {
    return MakeRow(op, direction, "bf16", sizes);
  };
  return {row("gemm", "forward", {2048, 4096, 4096}),
          row("gemm", "weight_gradient", {2048, 4096, 4096}),
          row("attention_causal", "forward", {1, 4096, 32, 8, 128}),
          row("attention_causal", "backward", {1, 4096, 32, 8, 128}),
          row("norm", "forward", {64 * kMiB}),
          row("activation", "backward", {64 * kMiB}),
          row("copy", "forward", {256 * kMiB}),
          row("optimizer", "forward", {kMiB * 16}),
          row("layer", "forward", {2048, 2048, 2048, 8192, 16, 8, 1, 1}),
          row("layer", "backward", {2048, 2048, 2048, 8192, 16, 8, 1, 1})};
}

/// Seconds of every row; −1 where it cannot be had.
std::vector<double> Measure(const BackendOptions& options) {
  const std::unique_ptr<Backend> backend = MakeCudaBackend(options);
  std::vector<double> seconds;
  for (const CostRow& row : Rows()) {
    try {
      seconds.push_back(TimeMedian(*backend, row).seconds);
    } catch (const Unsupported&) {
      seconds.push_back(-1);
    }
  }
  return seconds;
}

void Print(int parts, const std::vector<double>& whole) {
  const std::vector<double> alone = Measure({parts, false});
  const std::vector<double> busy = Measure({parts, true});
  const std::vector<CostRow> rows = Rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (whole[i] < 0 || alone[i] < 0 || busy[i] < 0) continue;
    std::printf("| %d | %s %s | %s | %.1f | %.1f | %.2f | %.1f | %.2f |\n", parts, rows[i].op.c_str(),
                rows[i].direction.c_str(), ShapeJson(rows[i]).Dump().c_str(), whole[i] * 1e6, alone[i] * 1e6,
                alone[i] / whole[i], busy[i] * 1e6, busy[i] / alone[i]);
  }
  std::fflush(stdout);
}

int Run() {
  if (MakeCudaBackend()->Describe().devices > 1) {
    std::printf("parts are for a single GPU; here each rank has its own\n");
    return 0;
  }
  const std::vector<double> whole = Measure({});
  std::printf("| parts | kernel | shape | whole GPU µs | part alone µs | × | among busy parts µs | slowdown |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const int parts : {2, 4}) Print(parts, whole);
  return 0;
}

}  // namespace
}  // namespace dflop

int main() {
  try {
    return dflop::Run();
  } catch (const dflop::InputError& error) {
    std::fprintf(stderr, "cuda_partitions: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_partitions: %s\n", error.what());
    return 1;
  }
}
