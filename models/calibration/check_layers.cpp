// check_layers REFERENCE_DATA_FOLDER: how far the model profile's curves are from layers that vidur measured, as the
// table in results/profile/README.md.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "base/error.hpp"
#include "models/calibration/exit_status.hpp"
#include "models/calibration/measured_layers.hpp"
#include "models/calibration/reference_tables.hpp"
#include "models/cost_errors.hpp"

namespace dflop {
namespace {

void PrintRow(const std::string& head, const std::vector<double>& errors) {
  std::vector<double> sizes = errors;
  for (double& error : sizes) error = std::abs(error);
  std::printf("| %s | %zu | %.1f %% | %.1f %% | %.1f %% |\n", head.c_str(), errors.size(), 100 * Quantile(sizes, 0.5),
              100 * Quantile(sizes, 0.9), 100 * Quantile(errors, 0.5));
}

/// A grid with a point at every measured size leaves nothing to interpolate.
ProfileGrid EverySize(const std::vector<MeasuredLayer>& layers) {
  ProfileGrid grid;
  std::set<double> sizes(grid.tokens.begin(), grid.tokens.end());
  for (const MeasuredLayer& layer : layers) sizes.insert(layer.tokens);
  grid.tokens.assign(sizes.lower_bound(grid.tokens.front()), sizes.end());
  return grid;
}

void Check(const std::string& folder) {
  const auto layers = ReadMeasuredLayers(folder + "/vidur/llm_layer_nonattention_forward.csv");
  std::printf("| GPU | model | TP | rows | median | 90th percentile | bias |\n|---|---|---|---|---|---|---|\n");
  for (const ReferenceGpu& gpu : ReferenceGpus()) {
    const std::string device = gpu.device.substr(0, gpu.device.find('_'));
    std::map<std::string, std::vector<double>> groups;
    for (const LayerError& error : LayerErrors(layers, device, gpu.spec)) {
      const std::string tp = std::to_string(error.layer.tp);
      groups[gpu.name + " | " + error.layer.model + " | " + tp].push_back(error.relative);
      groups[gpu.name + " | all | " + tp].push_back(error.relative);
      groups[gpu.name + " | all | all"].push_back(error.relative);
    }
    for (const LayerError& error : LayerErrors(layers, device, gpu.spec, EverySize(layers))) {
      groups[gpu.name + " | all, priced at every size | all"].push_back(error.relative);
    }
    for (const auto& [head, errors] : groups) PrintRow(head, errors);
  }
}

}  // namespace
}  // namespace dflop

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: check_layers REFERENCE_DATA_FOLDER\n");
    return 2;
  }
  return dflop::ExitStatusOf([&] {
    dflop::Check(argv[1]);
    return 0;
  });
}
