// Every sample and tile has a random stream named after it, so neither order nor place changes what it holds.
#include "real_runner/training/step_data.hpp"

#include <algorithm>
#include <string>

#include "base/random.hpp"
#include "real_runner/training/random_fill.hpp"

namespace dflop::training {
namespace {

/// "<what>/<step>/<sample>"
std::string Purpose(const char* what, std::size_t step, int sample) {
  return std::string(what) + "/" + std::to_string(step) + "/" + std::to_string(sample);
}

std::int64_t RowsOf(const ModelSpec& model, const SampleShape& sample) {
  std::int64_t rows = 0;
  for (std::size_t e = 0; e < model.encoders.size(); ++e) {
    rows += std::int64_t{sample.tiles[e]} * model.encoders[e].projected_tokens_per_tile();
  }
  return rows;
}

/// The rows of a sample's tiles follow each other as the stage has placed them.
std::int64_t FirstRow(const ModelSpec& model, const SampleShape& shape, int sample, const TilePlaces& tiles) {
  for (int e = 0; e < model.llm_module(); ++e) {
    if (shape.tiles[static_cast<std::size_t>(e)] > 0) return tiles.Of(e, sample, 0).first_row;
  }
  return 0;
}

float Inverse(std::int64_t count) { return count > 0 ? 1 / static_cast<float>(count) : 0.F; }

/// The visual tokens of a sample, and what its rows get back: a row is in one token's mean, or makes some tokens alone.
void AddVisual(std::int64_t first_token, std::int64_t visual, std::int64_t first_row, std::int64_t rows,
               TokenPlan& plan) {
  std::vector<RowRange> back;
  for (std::int64_t r = 0; r < rows; ++r) back.push_back({first_row + r, first_token, 0, 0});
  for (std::int64_t j = 0; j < visual; ++j) {
    const std::int64_t first = j * rows / visual;
    const std::int64_t count = rows == 0 ? 0 : std::max(first + 1, (j + 1) * rows / visual) - first;
    plan.visual.push_back({first_token + j, first_row + first, count, Inverse(count)});
    for (std::int64_t r = first; r < first + count; ++r) {
      RowRange& row = back[static_cast<std::size_t>(r)];
      if (row.count++ == 0) row.first = first_token + j;
      row.scale = Inverse(count);
    }
  }
  plan.gradient.insert(plan.gradient.end(), back.begin(), back.end());
}

/// Tokens of a planned step that bear loss.
struct LossTokens {
  explicit LossTokens(const PlannedStep& step) {
    double all = 0;
    for (const auto& replica : step.plan.buckets) {
      for (const auto& bucket : replica) {
        for (const int i : bucket) {
          text += step.batch[static_cast<std::size_t>(i)].text_tokens;
          all += step.batch[static_cast<std::size_t>(i)].llm_tokens;
        }
      }
    }
    count = text > 0 ? text : all;
  }
  double text = 0;
  double count = 0;
};

}  // namespace

std::vector<float> Pixels(std::uint64_t seed, std::size_t step, int encoder, const std::vector<TileRange>& tiles,
                          std::int64_t tile_values) {
  std::vector<float> pixels(static_cast<std::size_t>(CountTiles(tiles) * tile_values));
  float* next = pixels.data();
  for (const TileRange& range : tiles) {
    for (int tile = range.first; tile < range.first + range.count; ++tile, next += tile_values) {
      RandomStream random(seed, "pixels/" + std::to_string(step) + "/" + std::to_string(encoder) + "/" +
                                    std::to_string(range.sample) + "/" + std::to_string(tile));
      FillRandom(random, 0, 1, next, tile_values);
    }
  }
  return pixels;
}

TokenPlan PlanTokens(const ModelSpec& model, const PlannedStep& planned, const std::vector<int>& samples,
                     const TilePlaces& tiles, std::uint64_t seed, std::size_t step) {
  TokenPlan plan;
  std::int64_t token = 0;
  for (const int i : samples) {
    const SampleShape& shape = planned.batch[static_cast<std::size_t>(i)];
    const std::int64_t visual = shape.llm_tokens - shape.text_tokens;
    AddVisual(token, visual, FirstRow(model, shape, i, tiles), RowsOf(model, shape), plan);
    RandomStream random(seed, Purpose("ids", step, i));
    for (int t = 0; t < shape.text_tokens; ++t) {
      plan.ids.push_back(static_cast<std::int32_t>(random.Below(static_cast<std::uint64_t>(model.llm.vocab))));
      plan.places.push_back(token + visual + t);
    }
    token += shape.llm_tokens;
  }
  return plan;
}

LossPlan PlanLoss(const ModelSpec& model, const PlannedStep& planned, const std::vector<int>& samples,
                  std::uint64_t seed, std::size_t step) {
  const LossTokens tokens(planned);
  LossPlan plan;
  double bearing = 0;
  for (const int i : samples) {
    const SampleShape& shape = planned.batch[static_cast<std::size_t>(i)];
    RandomStream random(seed, Purpose("targets", step, i));
    for (int position = 0; position < shape.llm_tokens; ++position) {
      const bool bears = tokens.text <= 0 || position >= shape.llm_tokens - shape.text_tokens;
      plan.targets.push_back(static_cast<std::int32_t>(random.Below(static_cast<std::uint64_t>(model.llm.vocab))));
      plan.weights.push_back(bears ? static_cast<float>(1 / tokens.count) : 0.F);
      bearing += bears ? 1 : 0;
    }
  }
  plan.share = bearing / tokens.count;
  return plan;
}

std::vector<RowRange> Means(std::int64_t rows, std::int64_t count) {
  std::vector<RowRange> ranges;
  for (std::int64_t r = 0; r < rows; ++r) ranges.push_back({r, r * count, count, Inverse(count)});
  return ranges;
}

std::vector<RowRange> MeansBackward(std::int64_t rows, std::int64_t count) {
  std::vector<RowRange> ranges;
  for (std::int64_t r = 0; r < rows * count; ++r) ranges.push_back({r, r / count, 1, Inverse(count)});
  return ranges;
}

}  // namespace dflop::training
