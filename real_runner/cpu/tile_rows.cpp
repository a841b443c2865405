#include "real_runner/cpu/tile_rows.hpp"

#include <string>

#include "base/error.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {

void TileRows::Clear(std::int64_t width) {
  width_ = width;
  rows_ = 0;
  places_.clear();
}

void TileRows::Add(int encoder, const TileRange& tiles, std::int64_t rows_per_tile) {
  for (int tile = tiles.first; tile < tiles.first + tiles.count; ++tile) {
    const bool added = places_.try_emplace({encoder, tiles.sample, tile}, Place{rows_, rows_per_tile}).second;
    if (added) rows_ += rows_per_tile;
  }
}

void TileRows::Allocate() { values_.assign(static_cast<std::size_t>(rows_ * width_), 0.F); }

const TileRows::Place& TileRows::PlaceOf(int encoder, int sample, int tile) const {
  const auto place = places_.find({encoder, sample, tile});
  DFLOP_CHECK(place != places_.end(), "no place for tile " + std::to_string(tile) + " of sample " +
                                          std::to_string(sample) + ", encoder " + std::to_string(encoder));
  return place->second;
}

float* TileRows::At(int encoder, int sample, int tile) {
  return values_.data() + PlaceOf(encoder, sample, tile).first_row * width_;
}

template <typename Body>
void TileRows::EachTile(const Piece& piece, const Body& copy) {
  DFLOP_CHECK(piece.width == width_, "rows of tiles are as wide as the LLM");
  std::int64_t rows = 0;
  for (const TileRange& range : piece.tiles) {
    for (int tile = range.first; tile < range.first + range.count; ++tile) {
      const Place& place = PlaceOf(piece.module, range.sample, tile);
      copy(values_.data() + place.first_row * width_, rows * width_, place.rows * width_);
      rows += place.rows;
    }
  }
  DFLOP_CHECK(rows == piece.rows, "a piece has the rows of its tiles");
}

void TileRows::Read(const Piece& piece, float* values) {
  EachTile(piece, [&](const float* place, std::int64_t at, std::int64_t count) { Copy(place, values + at, count); });
}

void TileRows::Write(const Piece& piece, const float* values) {
  EachTile(piece, [&](float* place, std::int64_t at, std::int64_t count) { Copy(values + at, place, count); });
}

}  // namespace dflop::cpu
