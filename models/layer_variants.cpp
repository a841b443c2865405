// Layers are counted from 1 where every n-th is something, as models' configurations do (decoder_sparse_step of
// Qwen2-MoE, sliding_window_pattern of Gemma 3, fullatt_block_indexes of Qwen2.5-VL).
#include "models/layer_variants.hpp"

#include <algorithm>

namespace dflop {

LayerTraits TraitsOfLayer(const TransformerShape& shape, int layer) {
  const ExpertSpec& experts = shape.experts;
  const auto is_nth = [&](int every) { return (layer + 1) % every == 0; };
  LayerTraits traits;
  traits.experts = !experts.empty() && layer >= experts.first_dense && is_nth(experts.every);
  traits.crosses = std::binary_search(shape.cross_layers.begin(), shape.cross_layers.end(), layer);
  traits.windowed = !traits.crosses && shape.window > 0 &&
                    (shape.full_every > 0 ? !is_nth(shape.full_every) : is_nth(shape.window_every));
  return traits;
}

LayerCounts CountLayers(const TransformerShape& shape, int first, int count) {
  LayerCounts counts;
  if (shape.experts.empty() && shape.window == 0 && !shape.has_cross_layers()) {
    counts.of[0] = count;
    return counts;
  }
  for (int layer = first; layer < first + count; ++layer) {
    ++counts.of[static_cast<std::size_t>(TraitsOfLayer(shape, layer).variant())];
  }
  return counts;
}

}  // namespace dflop
