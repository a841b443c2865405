// Layers of one module that are not alike: with experts or a dense FFN, with windowed attention, attention over the
// whole sequence or over the encoders' tokens.
#pragma once

#include <array>
#include <numeric>

#include "models/transformer_shape.hpp"

namespace dflop {

inline constexpr int kLayerVariants = 8;

/// What one of them is. Variant 0 is the plain layer.
struct LayerTraits {
  bool experts = false;
  bool windowed = false;
  bool crosses = false;  ///< and is then not windowed

  int variant() const { return (experts ? 1 : 0) + (windowed ? 2 : 0) + (crosses ? 4 : 0); }
  static constexpr LayerTraits Of(int variant) { return {variant % 2 == 1, variant / 2 % 2 == 1, variant / 4 == 1}; }
};

/// Layers by variant.
struct LayerCounts {
  std::array<int, kLayerVariants> of{};

  int operator[](int variant) const { return of[static_cast<std::size_t>(variant)]; }
  int total() const { return std::accumulate(of.begin(), of.end(), 0); }
  auto operator<=>(const LayerCounts&) const = default;
};

/// Of layer 0 … layers − 1.
LayerTraits TraitsOfLayer(const TransformerShape& shape, int layer);

/// Of the layers [first, first + count).
LayerCounts CountLayers(const TransformerShape& shape, int first, int count);

/// Calls visit(traits, layers) for every variant that counts any.
template <typename Visit>
void ForEachVariant(const LayerCounts& counts, Visit visit) {
  for (int variant = 0; variant < kLayerVariants; ++variant) {
    if (counts[variant] > 0) visit(LayerTraits::Of(variant), counts[variant]);
  }
}

}  // namespace dflop
