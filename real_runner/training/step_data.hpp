// The data of a step, made on the host: they depend on the plan's seed and on what they are called alone, so that every
// layout and every backend trains on the same.
#pragma once

#include <cstdint>
#include <vector>

#include "real_runner/program/step_program.hpp"
#include "real_runner/training/kernels.hpp"
#include "real_runner/training/tile_rows.hpp"

namespace dflop::training {

/// Of these tiles of an encoder, `tile_values` each: mean 0, variance 1.
std::vector<float> Pixels(std::uint64_t seed, std::size_t step, int encoder, const std::vector<TileRange>& tiles,
                          std::int64_t tile_values);

/// What a microbatch's tokens are: V visual tokens of every sample, then its text.
///
/// With P projected rows of the sample's tiles (encoders in order, tiles in order), visual token j is the mean of rows
/// [⌊j·P/V⌋, max(⌊j·P/V⌋ + 1, ⌊(j + 1)·P/V⌋)): the identity where P = V, pooling where P > V, repetition where P < V.
/// Without rows a visual token is zero; without visual tokens the rows are not used (the dummy tile of a text-only
/// sample).
struct TokenPlan {
  std::vector<RowRange> visual;      ///< of the microbatch's tokens, out of the rows of its tiles
  std::vector<RowRange> gradient;    ///< of the rows of its tiles, out of its tokens
  std::vector<std::int32_t> ids;     ///< of its text
  std::vector<std::int64_t> places;  ///< which token each of them is
};
TokenPlan PlanTokens(const ModelSpec& model, const PlannedStep& planned, const std::vector<int>& samples,
                     const TilePlaces& tiles, std::uint64_t seed, std::size_t step);

/// What the head is held against. Text bears loss, or every token where no sample of the step has text (sim/
/// batch_plan.hpp, GradientWeights).
struct LossPlan {
  std::vector<std::int32_t> targets;
  std::vector<float> weights;  ///< of the tokens' losses: 1 ÷ tokens of the whole step that bear loss, or 0
  double share = 0;            ///< of the step's tokens that bear loss
};
LossPlan PlanLoss(const ModelSpec& model, const PlannedStep& planned, const std::vector<int>& samples,
                  std::uint64_t seed, std::size_t step);

/// Every `count` rows become their mean, and back.
std::vector<RowRange> Means(std::int64_t rows, std::int64_t count);
std::vector<RowRange> MeansBackward(std::int64_t rows, std::int64_t count);

}  // namespace dflop::training
