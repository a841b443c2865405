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
  /// The sample's sequence in the LLM: text and the encoders' tokens, these not where cross-attention layers see them.
  int llm_tokens = 0;
  int text_tokens = 0;
  int media_tokens = 0;  ///< the encoders' tokens that cross-attention layers see
  bool operator==(const SampleShape&) const = default;
};

/// Applies every encoder's tiling rule (design notes in tiling.cpp with the source of each rule). A sample without
/// content for an encoder feeds it one dummy tile, as the training code does, with no LLM tokens. Tokens that a sample
/// gives directly are those of its sequence in the LLM; of a sample without text one stands for what it shows.
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
