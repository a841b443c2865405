// Maps by name; widths as models/tensor_parallel.hpp cuts them.
#include "models/adapters.hpp"

namespace dflop {

std::vector<AdapterTarget> AdaptableMaps(const TransformerShape& shape) {
  using enum AdapterTarget;
  std::vector<AdapterTarget> maps;
  if (shape.latent.empty()) {
    maps = {kQ, kK, kV, kO};
  } else if (shape.latent.q_rank > 0) {
    maps = {kQDown, kQUp, kKvDown, kKvUp, kO};
  } else {
    maps = {kQ, kKvDown, kKvUp, kO};
  }
  if (shape.gated_ffn) maps.push_back(kGate);
  maps.insert(maps.end(), {kUp, kDown});
  return maps;
}

std::vector<AdapterShape> AttentionAdapters(const TransformerShape& shape, const RankShape& rank) {
  std::vector<AdapterShape> adapters;
  const auto add = [&](AdapterTarget target, double inputs, double outputs, bool on_share = false) {
    const bool on_media = target == AdapterTarget::kK || target == AdapterTarget::kV;
    if (shape.lora.Has(target)) adapters.push_back({inputs, outputs, on_share, on_media});
  };
  const LatentAttention& latent = shape.latent;
  add(AdapterTarget::kQ, shape.hidden, rank.query_width);
  add(AdapterTarget::kK, shape.hidden, rank.kv_width);
  add(AdapterTarget::kV, shape.hidden, rank.kv_width);
  add(AdapterTarget::kQDown, shape.hidden, latent.q_rank, true);
  add(AdapterTarget::kQUp, latent.q_rank, rank.query_width);
  add(AdapterTarget::kKvDown, shape.hidden, latent.kv_rank + latent.rope_head_dim, true);
  add(AdapterTarget::kKvUp, latent.kv_rank, rank.latent_kv_width);
  add(AdapterTarget::kO, rank.attended_width, shape.hidden);
  return adapters;
}

std::vector<AdapterShape> FfnAdapters(const TransformerShape& shape, double inner) {
  std::vector<AdapterShape> adapters;
  if (inner <= 0) return adapters;
  for (const AdapterTarget target : {AdapterTarget::kGate, AdapterTarget::kUp}) {
    if (shape.lora.Has(target)) adapters.push_back({static_cast<double>(shape.hidden), inner});
  }
  if (shape.lora.Has(AdapterTarget::kDown)) adapters.push_back({inner, static_cast<double>(shape.hidden)});
  return adapters;
}

double WidthOf(const std::vector<AdapterShape>& adapters) {
  double width = 0;
  for (const AdapterShape& adapter : adapters) width += adapter.inputs + adapter.outputs;
  return width;
}

}  // namespace dflop
