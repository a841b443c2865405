// The projected rows of tiles (or their gradients), each tile in a place of its own, so that messages may bring them in
// any order and from anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "real_runner/program/step_program.hpp"

namespace dflop::training {

/// Which rows of a matrix a tile has.
class TilePlaces {
 public:
  /// Places these tiles of an encoder behind the others. A tile that has its place keeps it.
  void Add(int encoder, const TileRange& tiles, std::int64_t rows_per_tile);
  std::int64_t rows() const { return rows_; }

  struct Place {
    std::int64_t first_row = 0;
    std::int64_t rows = 0;
  };
  /// The tile must have a place.
  const Place& Of(int encoder, int sample, int tile) const;

  /// body(range's sample, tile, place, first row inside the piece) for every tile of a piece, in its order.
  template <typename Body>
  void EachTile(const Piece& piece, const Body& body) const {
    std::int64_t rows = 0;
    for (const TileRange& range : piece.tiles) {
      for (int tile = range.first; tile < range.first + range.count; ++tile) {
        const Place& place = Of(piece.module, range.sample, tile);
        body(range.sample, tile, place, rows);
        rows += place.rows;
      }
    }
    DFLOP_CHECK(rows == piece.rows, "a piece has the rows of its tiles");
  }

 private:
  std::int64_t rows_ = 0;
  std::map<std::tuple<int, int, int>, Place> places_;  ///< by encoder, sample, tile
};

template <typename Kernels>
struct TileRows {
  TilePlaces places;
  std::int64_t width = 0;
  typename Kernels::Rows rows;

  typename Kernels::Value* At(int encoder, int sample, int tile) {
    return rows.data() + places.Of(encoder, sample, tile).first_row * width;
  }
};

}  // namespace dflop::training
