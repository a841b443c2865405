// A layer is the difference of a profile of two and of one, so that what stands at the module's ends cancels.
#include "models/calibration/measured_layers.hpp"

#include <map>

#include "base/csv.hpp"

namespace dflop {
namespace {

constexpr double kMostMs = 1e6;
constexpr double kLargestSize = 1e7;

Seconds SumOfOperators(const CsvTable& table, std::size_t row) {
  double ms = 2 * table.Number(row, table.Column("add_ms"), 0, kMostMs);
  for (const char* column : {"input_layernorm_ms", "attn_pre_proj_ms", "attn_rope_ms", "attn_post_proj_ms",
                             "post_attention_layernorm_ms", "mlp_up_proj_ms", "mlp_act_ms", "mlp_down_proj_ms"}) {
    ms += table.Number(row, table.Column(column), 0, kMostMs);
  }
  return Seconds(1e-3 * ms);
}

/// A frozen text-only model of so many layers on a node whose collectives cost nothing.
ModuleProfile ProfileFrozen(TransformerShape shape, int layers, const GpuSpec& gpu, const ProfileGrid& grid) {
  shape.layers = layers;
  ModelSpec model;
  model.name = "measured layers";
  model.llm = {"llm", shape, 32000, false, true};
  ClusterSpec cluster;
  NodeSpec& node = cluster.only_node();
  node.gpu = gpu;
  node.intra_bandwidth = BytesPerSecond(1e30);
  node.nic_bandwidth = BytesPerSecond(1e30);
  return ProfileModel(CostModel(model, cluster, BuiltInKernelCosts(gpu), {}), grid).modules.front();
}

}  // namespace

std::vector<MeasuredLayer> ReadMeasuredLayers(const std::string& path) {
  const CsvTable table = ReadCsv(path);
  std::vector<MeasuredLayer> layers;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto number = [&](const char* column) {
      return static_cast<int>(table.Number(row, table.Column(column), 1, kLargestSize));
    };
    MeasuredLayer layer;
    layer.gpu = table.rows[row][table.Column("gpu")];
    layer.model = table.rows[row][table.Column("model")];
    layer.tp = number("tp");
    layer.shape = {number("hidden"), number("ffn_hidden"), 1, number("heads"), number("kv_heads"), true};
    layer.tokens = number("num_tokens");
    layer.time = SumOfOperators(table, row);
    layers.push_back(std::move(layer));
  }
  return layers;
}

ProfiledLayer::ProfiledLayer(const TransformerShape& shape, const GpuSpec& gpu, const ProfileGrid& grid)
    : one_(ProfileFrozen(shape, 1, gpu, grid)), two_(ProfileFrozen(shape, 2, gpu, grid)) {}

Seconds ProfiledLayer::Time(int tp, double tokens) const {
  return two_.LinearTime(*two_.Find(tp), tokens) - one_.LinearTime(*one_.Find(tp), tokens);
}

std::vector<LayerError> LayerErrors(const std::vector<MeasuredLayer>& layers, const std::string& gpu,
                                    const GpuSpec& spec, const ProfileGrid& grid) {
  const double from = ProfileGrid().tokens.front();
  std::map<std::string, ProfiledLayer> profiles;
  std::vector<LayerError> errors;
  for (const MeasuredLayer& layer : layers) {
    if (layer.gpu != gpu || layer.tokens < from) continue;
    const ProfiledLayer& profile = profiles.try_emplace(layer.model, layer.shape, spec, grid).first->second;
    errors.push_back({layer, profile.Time(layer.tp, layer.tokens) / layer.time - 1});
  }
  return errors;
}

}  // namespace dflop
