// Real joint distribution of encoder tiles and text tokens: four fine-tuning sets under InternVL's tiling.
#pragma once

#include "traces/generator_parameters.hpp"
#include "traces/sample.hpp"

namespace dflop {

/// Draws a cell (set, tiles) by its number of samples, then text tokens from the cell's quantiles. The LLM sees 256
/// tokens per tile and the text.
class InternVlSft {
 public:
  explicit InternVlSft(GeneratorParameters& /*none*/) {}
  Sample Draw(RandomStream& random) const;
};

}  // namespace dflop
