// What a model makes of a sample: tiles for each encoder, tokens for the LLM.
#pragma once

#include <vector>

#include "models/model_spec.hpp"
#include "traces/sample.hpp"

namespace dflop {

/// Of a sample, over all encoders; its tiles and one encoder's tokens stay below in any case.
inline constexpr int kMostSampleTokens = 1'000'000'000;

struct SampleShape {
  std::vector<int> tiles;  ///< per encoder; a tile is a fixed block of EncoderSpec::tokens_per_tile() tokens
  int llm_tokens = 0;      ///< everything the LLM sees of the sample: text and the encoders' tokens
  int text_tokens = 0;
  bool operator==(const SampleShape&) const = default;
};

/// Applies every encoder's tiling rule (design notes in tiling.cpp with the source of each rule). A sample without
/// content for an encoder feeds it one dummy tile, as the training code does, with no LLM tokens.
SampleShape ShapeOf(const Sample& sample, const ModelSpec& model);

/// What a module sees of the sample: the encoder's tokens of all its tiles, or the LLM's.
double TokensIn(const ModelSpec& model, int module, const SampleShape& shape);

/// Tiles and LLM tokens of one image under a rule; exposed because importers and `samples inspect` show them.
struct TileCount {
  int tiles = 0;
  int llm_tokens = 0;
};
TileCount TileImage(const EncoderSpec& encoder, ImageSize image);

}  // namespace dflop
