// The parts of the tiling rules that more than one file or test needs; what they mean is told in tiling.cpp.
#pragma once

#include "models/sample_shape.hpp"

namespace dflop {

/// Tiles side by side and one above the other.
struct TileGrid {
  int columns = 1;
  int rows = 1;
  int tiles() const { return columns * rows; }
  bool operator==(const TileGrid&) const = default;
};

inline constexpr int kInternVlMaxTiles = 12;  ///< of one image, or of all images of a sample together

/// The grid that keeps most of the image's pixels; among equals the smallest (LLaVA's best resolution).
TileGrid LlavaGrid(ImageSize image, int tile_px);

/// The grid of at most `max_tiles` tiles with the closest aspect ratio.
TileGrid InternVlGrid(ImageSize image, int tile_px, int max_tiles);

/// InternVL's tiles, the thumbnail included, and their LLM tokens.
TileCount InternVlTiles(const EncoderSpec& encoder, ImageSize image, int max_tiles);

inline constexpr int kLlamaMaxTiles = 4;  ///< of one image

/// The grid of at most `max_tiles` tiles into which the image fits with the least enlarging, or where it fits into none
/// the one that shrinks it least; among equals the smallest.
TileGrid LlamaGrid(ImageSize image, int tile_px, int max_tiles);

/// Patches along one side of a tile: 27 for 384 px and patches of 14 px.
int TokensPerTileSide(const EncoderSpec& encoder);

}  // namespace dflop
