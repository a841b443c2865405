// The projected rows of tiles (or their gradients), each tile in a place of its own, so that messages may bring them in
// any order and from anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "real_runner/step_program.hpp"

namespace dflop::cpu {

class TileRows {
 public:
  /// Forgets all places; rows of `width` values.
  void Clear(std::int64_t width);
  /// Places these tiles of an encoder behind the others. A tile that has its place keeps it.
  void Add(int encoder, const TileRange& tiles, std::int64_t rows_per_tile);
  /// Zeros for all of them.
  void Allocate();

  /// The tile must have a place.
  float* At(int encoder, int sample, int tile);
  /// To and from a message, tile after tile.
  void Read(const Piece& piece, float* values);
  void Write(const Piece& piece, const float* values);

 private:
  struct Place {
    std::int64_t first_row = 0;
    std::int64_t rows = 0;
  };
  const Place& PlaceOf(int encoder, int sample, int tile) const;
  template <typename Body>
  void EachTile(const Piece& piece, const Body& copy);

  std::int64_t width_ = 0;
  std::int64_t rows_ = 0;
  std::map<std::tuple<int, int, int>, Place> places_;  ///< by encoder, sample, tile
  std::vector<float> values_;
};

}  // namespace dflop::cpu
