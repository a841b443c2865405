// Every fifth shape in sorted order is held out, of each operation: the fit never sees it and is judged by it.
#include "models/calibration/reference_tables.hpp"

#include <filesystem>
#include <map>

#include "traces/import_costs.hpp"

namespace dflop {
namespace {

using Shape = std::vector<double>;

Shape ShapeOf(const CostRow& row) {
  Shape shape;
  for (const auto& [name, size] : row.shape) shape.push_back(size);
  return shape;
}

GpuSpec Spec(const std::string& name, double peak, double bandwidth, double memory) {
  return {name, "vendor data sheet, dense bf16", FlopsPerSecond(peak), BytesPerSecond(bandwidth), Bytes(memory)};
}

}  // namespace

const std::vector<ReferenceGpu>& ReferenceGpus() {
  static const std::vector<ReferenceGpu> kGpus = {
      {"a100-sxm-80gb", "a100_sxm", Spec("a100-sxm-80gb", 312e12, 2.039e12, 80e9)},
      {"h100-sxm", "h100_sxm", Spec("h100-sxm", 989e12, 3.35e12, 80e9)},
      {"h200-sxm", "h200_sxm", Spec("h200-sxm", 989e12, 4.8e12, 141e9)},
      {"b200-sxm", "b200_sxm", Spec("b200-sxm", 2250e12, 8e12, 192e9)}};
  return kGpus;
}

const std::vector<std::string>& CalibratedOperations() {
  static const std::vector<std::string> kOperations = {"gemm", "attention_causal", "attention_full"};
  return kOperations;
}

CostTrace LoadReferenceTrace(const std::string& folder, const ReferenceGpu& gpu) {
  const auto path_of = [&](const std::string& table) {
    return folder + "/aiconfigurator/" + table + "_bf16_" + gpu.device + ".csv";
  };
  std::vector<std::string> paths = {path_of("gemm")};
  for (const char* table : {"context_attention", "encoder_attention"}) {
    const std::string path = path_of(table);
    if (std::filesystem::exists(path)) paths.push_back(path);
  }
  return ImportAiconfigurator(paths);
}

SplitTrace HoldOutEveryFifthShape(const CostTrace& trace) {
  std::map<std::string, std::map<Shape, std::size_t>> shapes;
  for (const CostRow& row : trace.rows) shapes[row.op][ShapeOf(row)] = 0;
  for (auto& [op, order] : shapes) {
    std::size_t index = 0;
    for (auto& [shape, place] : order) place = index++;
  }
  SplitTrace split{trace, trace};
  split.training.rows.clear();
  split.held_out.rows.clear();
  for (const CostRow& row : trace.rows) {
    const bool held_out = shapes[row.op][ShapeOf(row)] % 5 == 4;
    (held_out ? split.held_out : split.training).rows.push_back(row);
  }
  return split;
}

}  // namespace dflop
