// The model profile against whole layers measured by others: vidur's per-layer operator times, which no GPU model was
// fitted to.
#pragma once

#include <string>
#include <vector>

#include "base/units.hpp"
#include "models/cluster_spec.hpp"
#include "models/model_profile.hpp"

namespace dflop {

/// One rank's linear part of one layer, forward, fp16, without collectives.
struct MeasuredLayer {
  std::string gpu;  ///< "a100", "h100"
  std::string model;
  int tp = 1;
  TransformerShape shape;  ///< of the whole layer
  double tokens = 0;
  Seconds time{0};
};

/// vidur/llm_layer_nonattention_forward.csv: both norms, four projections, rotary embedding, activation, and the
/// residual addition twice, which was measured once.
std::vector<MeasuredLayer> ReadMeasuredLayers(const std::string& path);

/// The same from the profile's curves, between the points of their grid as the planners ask: the difference of a model
/// of two layers and one of a single one, so that its ends drop out; frozen, so that only the forward is left.
class ProfiledLayer {
 public:
  ProfiledLayer(const TransformerShape& shape, const GpuSpec& gpu, const ProfileGrid& grid = {});
  Seconds Time(int tp, double tokens) const;

 private:
  ModuleProfile one_;
  ModuleProfile two_;
};

struct LayerError {
  MeasuredLayer layer;
  double relative = 0;  ///< predicted / measured − 1
};

/// For every layer of a GPU from the first point of the planners' grid on; with another `grid` the error that its
/// interpolation makes.
std::vector<LayerError> LayerErrors(const std::vector<MeasuredLayer>& layers, const std::string& gpu,
                                    const GpuSpec& spec, const ProfileGrid& grid = {});

}  // namespace dflop
