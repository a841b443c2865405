// How one image becomes encoder tiles and LLM tokens.
//
// LLaVA-OneVision any-resolution (Li et al., arXiv 2408.03326, section 3.2; grids up to 6×6 as in its released
// recipes):
//   1. choose the grid of tiles whose canvas keeps most of the image's pixels, and of those the one with least padding;
//   2. encode the grid's tiles and one downscaled view of the whole image (the base tile);
//   3. of the grid's tokens keep those that the image covers (unpad), shrink them bilinearly when they exceed 1.1²
//   times
//      nine tiles' worth, and add one newline token per row.
// The original also gives the LLM the base tile's tokens; the code released with DFLOP (arXiv 2603.25120) does not.
//
// InternVL (Chen et al., arXiv 2404.16821, section 3.2): the grid of at most 12 tiles whose aspect ratio is closest, a
// thumbnail when there is more than one tile, a quarter of the tokens after pixel shuffle.
//
// Llama 3.2 (its published image processor): of all grids of at most 4 tiles the one into which the image fits with the
// least enlarging, or where it fits into none the least shrinking; no view of the whole. Every token of a tile is one
// that cross-attention sees.
//
// Fitted sizes are computed in whole numbers, so a floating-point quotient just below an integer cannot lose a row.
#include "models/tiling.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.hpp"

namespace dflop {
namespace {

constexpr int kLargestGridSide = 6;       // LLaVA-OneVision
constexpr int kTilesWorthOfTokens = 9;    // LLaVA-OneVision, "anyres_max_9"
constexpr double kShrinkThreshold = 1.1;  // in length: less is not worth the blur

/// The largest size with the image's aspect ratio inside a canvas.
ImageSize FitInside(ImageSize image, int canvas_width, int canvas_height) {
  const std::int64_t width = image.width_px;
  const std::int64_t height = image.height_px;
  if (canvas_width * height <= canvas_height * width) {
    return {canvas_width, static_cast<int>(height * canvas_width / width)};
  }
  return {static_cast<int>(width * canvas_height / height), canvas_height};
}

/// What unpadding leaves of `canvas` cells in one direction: the padding is halved first, so an odd cell stays.
int Unpadded(int canvas, int fitted) { return canvas - (canvas - fitted) / 2 * 2; }

int LlavaGridTokens(ImageSize image, TileGrid grid, int tokens_per_side) {
  const int width = grid.columns * tokens_per_side;
  const int height = grid.rows * tokens_per_side;
  const ImageSize fitted = FitInside(image, width, height);
  int columns = Unpadded(width, fitted.width_px);
  int rows = Unpadded(height, fitted.height_px);
  const double budget = static_cast<double>(kTilesWorthOfTokens) * tokens_per_side * tokens_per_side;
  const double shrink = std::sqrt(static_cast<double>(rows) * columns / budget);
  if (shrink > kShrinkThreshold) {
    columns = static_cast<int>(columns / shrink);
    rows = static_cast<int>(rows / shrink);
  }
  return rows * columns + rows;  // one newline token ends each row
}

TileCount LlavaAnyResolution(const EncoderSpec& encoder, ImageSize image) {
  const int side = TokensPerTileSide(encoder);
  const TileGrid grid = LlavaGrid(image, encoder.tile_px);
  const int base_tokens = encoder.tiling == Tiling::kLlavaOneVision ? side * side : 0;
  return {1 + grid.tiles(), base_tokens + LlavaGridTokens(image, grid, side)};
}

}  // namespace

int TokensPerTileSide(const EncoderSpec& encoder) { return encoder.tile_px / encoder.patch_px; }

TileGrid LlavaGrid(ImageSize image, int tile_px) {
  const std::int64_t pixels = std::int64_t{image.width_px} * image.height_px;
  TileGrid best;
  std::int64_t best_kept = -1;
  for (int columns = 1; columns <= kLargestGridSide; ++columns) {
    for (int rows = 1; rows <= kLargestGridSide; ++rows) {
      const ImageSize fitted = FitInside(image, columns * tile_px, rows * tile_px);
      const std::int64_t kept = std::min(std::int64_t{fitted.width_px} * fitted.height_px, pixels);
      const TileGrid grid{columns, rows};
      if (kept > best_kept || (kept == best_kept && grid.tiles() < best.tiles())) best = grid, best_kept = kept;
    }
  }
  return best;
}

TileGrid InternVlGrid(ImageSize image, int tile_px, int max_tiles) {
  const double ratio = static_cast<double>(image.width_px) / image.height_px;
  const double pixels = static_cast<double>(image.width_px) * image.height_px;
  TileGrid best;
  double best_distance = std::abs(ratio - 1.0);
  for (int tiles = 2; tiles <= max_tiles; ++tiles) {
    for (int columns = 1; columns <= tiles; ++columns) {
      if (tiles % columns != 0) continue;
      const TileGrid grid{columns, tiles / columns};
      const double distance = std::abs(ratio - static_cast<double>(grid.columns) / grid.rows);
      // At the same distance the larger grid wins only if the image fills more than half of it.
      const bool filled = pixels > 0.5 * tile_px * tile_px * tiles;
      if (distance < best_distance || (distance == best_distance && filled)) best = grid, best_distance = distance;
    }
  }
  return best;
}

TileCount InternVlTiles(const EncoderSpec& encoder, ImageSize image, int max_tiles) {
  const int in_grid = InternVlGrid(image, encoder.tile_px, max_tiles).tiles();
  const int tiles = in_grid == 1 ? 1 : in_grid + 1;  // the thumbnail
  return {tiles, tiles * encoder.projected_tokens_per_tile()};
}

TileGrid LlamaGrid(ImageSize image, int tile_px, int max_tiles) {
  TileGrid best;
  double best_scale = 0;
  for (int columns = 1; columns <= max_tiles; ++columns) {
    for (int rows = 1; rows * columns <= max_tiles; ++rows) {
      const TileGrid grid{columns, rows};
      const double scale = std::min(static_cast<double>(columns * tile_px) / image.width_px,
                                    static_cast<double>(rows * tile_px) / image.height_px);
      const bool nearer = best_scale < 1 ? scale > best_scale : scale >= 1 && scale < best_scale;
      if (nearer || (scale == best_scale && grid.tiles() < best.tiles())) best = grid, best_scale = scale;
    }
  }
  return best;
}

TileCount TileImage(const EncoderSpec& encoder, ImageSize image) {
  DFLOP_CHECK(encoder.modality == Modality::kVision, "only a vision encoder tiles images");
  DFLOP_CHECK(image.width_px > 0 && image.height_px > 0, "an image has pixels");
  if (encoder.tiling == Tiling::kInternVl) return InternVlTiles(encoder, image, kInternVlMaxTiles);
  if (encoder.tiling == Tiling::kLlamaVision) {
    const int tiles = LlamaGrid(image, encoder.tile_px, kLlamaMaxTiles).tiles();
    return {tiles, tiles * encoder.projected_tokens_per_tile()};
  }
  return LlavaAnyResolution(encoder, image);
}

}  // namespace dflop
