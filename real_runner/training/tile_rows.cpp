// A tile keeps its place when it is announced again, as several messages may name it.
#include "real_runner/training/tile_rows.hpp"

#include <string>

namespace dflop::training {

void TilePlaces::Add(int encoder, const TileRange& tiles, std::int64_t rows_per_tile) {
  for (int tile = tiles.first; tile < tiles.first + tiles.count; ++tile) {
    const bool added = places_.try_emplace({encoder, tiles.sample, tile}, Place{rows_, rows_per_tile}).second;
    if (added) rows_ += rows_per_tile;
  }
}

const TilePlaces::Place& TilePlaces::Of(int encoder, int sample, int tile) const {
  const auto place = places_.find({encoder, sample, tile});
  DFLOP_CHECK(place != places_.end(), "no place for tile " + std::to_string(tile) + " of sample " +
                                          std::to_string(sample) + ", encoder " + std::to_string(encoder));
  return place->second;
}

}  // namespace dflop::training
