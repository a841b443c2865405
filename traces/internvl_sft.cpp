// The table itself, counted from per-sample records: one row for each set and number of tiles.
#include "traces/internvl_sft.hpp"

#include <array>
#include <cmath>

namespace dflop {
namespace {

constexpr std::array<double, 8> kProbabilities{0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0};
constexpr int kTokensPerTile = 256;  // 448 px, patches of 14 px, pixel shuffle by 4

struct Cell {
  int samples;
  int tiles;
  std::array<int, 8> text_tokens;  // at kProbabilities
};

// Counts and quantiles computed from the per-sample records of ModelTC/OmniBal (arXiv 2407.20761): AI2D, ChartQA,
// DocVQA, SynthDoG-en, 70,706 samples in all.
constexpr std::array<Cell, 14> kCells{{
    {5793, 1, {41, 47, 52, 58, 67, 75, 99, 347}},         // ai2d_train_12k
    {3710, 3, {41, 47, 52, 58, 67, 75, 97, 242}},         // ai2d_train_12k
    {603, 4, {41, 46, 52, 58, 67, 72, 98, 167}},          // ai2d_train_12k
    {2308, 5, {41, 47, 52, 59, 68, 76, 101, 221}},        // ai2d_train_12k
    {579, 1, {131, 143, 154, 168, 188, 204, 230, 262}},   // chartqa_train_18k
    {1095, 3, {40, 49, 129, 153, 173, 187, 237, 308}},    // chartqa_train_18k
    {15, 4, {130, 141, 153, 163, 183, 251, 251, 251}},    // chartqa_train_18k
    {16628, 5, {39, 43, 50, 93, 168, 223, 324, 552}},     // chartqa_train_18k
    {15, 1, {64, 68, 132, 190, 269, 313, 313, 313}},      // docvqa_train_10k
    {1895, 3, {65, 127, 206, 339, 521, 678, 850, 1106}},  // docvqa_train_10k
    {35, 4, {65, 105, 180, 326, 557, 684, 806, 806}},     // docvqa_train_10k
    {8266, 5, {67, 137, 240, 389, 584, 701, 867, 1258}},  // docvqa_train_10k
    {17276, 3, {64, 90, 118, 156, 198, 228, 293, 503}},   // synthdog_en
    {12489, 5, {59, 79, 101, 132, 167, 192, 247, 439}},   // synthdog_en
}};

int TotalSamples() {
  int total = 0;
  for (const Cell& cell : kCells) total += cell.samples;
  return total;
}

const Cell& DrawCell(RandomStream& random) {
  static const int total = TotalSamples();
  int point = static_cast<int>(random.Below(static_cast<std::uint64_t>(total)));
  std::size_t cell = 0;
  while (point >= kCells[cell].samples) point -= kCells[cell++].samples;
  return kCells[cell];
}

/// Inverse of the distribution function, linear between the quantiles; nothing is known below the first.
int TextTokens(const Cell& cell, double probability) {
  if (probability <= kProbabilities.front()) return cell.text_tokens.front();
  std::size_t upper = 1;
  while (kProbabilities[upper] < probability) ++upper;
  const double part = (probability - kProbabilities[upper - 1]) / (kProbabilities[upper] - kProbabilities[upper - 1]);
  return static_cast<int>(std::lround(std::lerp(cell.text_tokens[upper - 1], cell.text_tokens[upper], part)));
}

}  // namespace

Sample InternVlSft::Draw(RandomStream& random) const {
  const Cell& cell = DrawCell(random);
  Sample sample;
  sample.direct = {.tiles = cell.tiles, .llm_tokens = kTokensPerTile * cell.tiles + TextTokens(cell, random.Uniform())};
  return sample;
}

}  // namespace dflop
