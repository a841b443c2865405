#include "sim/batch_plan.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace dflop {
namespace {

std::vector<int> LlmTokens(const std::vector<int>& bucket, const std::vector<SampleShape>& batch) {
  std::vector<int> tokens;
  tokens.reserve(bucket.size());
  for (const int i : bucket) tokens.push_back(batch[static_cast<std::size_t>(i)].llm_tokens);
  return tokens;
}

/// 64 bits: a million samples may bring a million tiles each.
std::int64_t Tiles(const std::vector<int>& bucket, const std::vector<SampleShape>& batch, std::size_t encoder) {
  std::int64_t tiles = 0;
  for (const int i : bucket) tiles += batch[static_cast<std::size_t>(i)].tiles[encoder];
  return tiles;
}

/// [LLM replica][microbatch]
std::vector<std::vector<std::int64_t>> TilesOfBuckets(const BatchPlan& plan, const std::vector<SampleShape>& batch,
                                                      std::size_t encoder) {
  std::vector<std::vector<std::int64_t>> tiles;
  for (const auto& replica : plan.buckets) {
    auto& row = tiles.emplace_back();
    for (const auto& bucket : replica) row.push_back(Tiles(bucket, batch, encoder));
  }
  return tiles;
}

/// The union of the LLM replicas' microbatches, divided over the replicas of an encoder with devices of its own:
/// [encoder replica][microbatch].
std::vector<std::vector<std::int64_t>> SharesOfUnion(const std::vector<std::vector<std::int64_t>>& tiles,
                                                     int replicas) {
  std::vector<std::vector<std::int64_t>> shares(static_cast<std::size_t>(replicas),
                                                std::vector<std::int64_t>(tiles.front().size()));
  for (std::size_t k = 0; k < tiles.front().size(); ++k) {
    std::int64_t all = 0;
    for (const auto& replica : tiles) all += replica[k];
    for (int r = 0; r < replicas; ++r) shares[static_cast<std::size_t>(r)][k] = ShareOfTiles(all, r, replicas);
  }
  return shares;
}

}  // namespace

std::int64_t ShareOfTiles(std::int64_t tiles, int replica, int replicas) {
  return tiles / replicas + (replica < tiles % replicas ? 1 : 0);
}

std::string WhyInvalid(const BatchPlan& plan, const Layout& layout, int samples) {
  if (static_cast<int>(plan.buckets.size()) != layout.llm_replicas()) {
    return "has " + std::to_string(plan.buckets.size()) + " replicas, the layout " +
           std::to_string(layout.llm_replicas());
  }
  std::vector<int> seen(static_cast<std::size_t>(samples));
  for (const auto& replica : plan.buckets) {
    if (static_cast<int>(replica.size()) != layout.microbatches) {
      return "has " + std::to_string(replica.size()) + " microbatches in a replica, the layout " +
             std::to_string(layout.microbatches);
    }
    for (const auto& bucket : replica) {
      if (bucket.empty()) return "leaves a microbatch empty";
      for (const int i : bucket) {
        if (i < 0 || i >= samples) return "names sample " + std::to_string(i) + " of " + std::to_string(samples);
        if (++seen[static_cast<std::size_t>(i)] > 1) return "runs sample " + std::to_string(i) + " twice";
      }
    }
  }
  const auto missing = std::find(seen.begin(), seen.end(), 0);
  return missing == seen.end() ? "" : "forgets sample " + std::to_string(missing - seen.begin());
}

StepWork DivideWork(const BatchPlan& plan, const Layout& layout, const CostModel& cost,
                    const std::vector<SampleShape>& batch) {
  const ModelSpec& model = cost.model();
  StepWork work;
  work.sequences.resize(static_cast<std::size_t>(model.module_count()));
  for (std::size_t e = 0; e < model.encoders.size(); ++e) {
    work.tiles.push_back(TilesOfBuckets(plan, batch, e));
    const auto& own = work.tiles.back();
    for (const auto& replica : layout.separate_encoders ? SharesOfUnion(own, layout.degrees[e].dp) : own) {
      auto& row = work.sequences[e].emplace_back();
      for (const std::int64_t tiles : replica) {
        row.push_back(EncoderBatch(model.encoders[e], static_cast<double>(tiles)));
      }
    }
  }
  for (const auto& replica : plan.buckets) {
    auto& row = work.sequences.back().emplace_back();
    for (const auto& bucket : replica) row.push_back(LlmBatch(LlmTokens(bucket, batch), cost.software().packing));
  }
  return work;
}

Json ToJson(const BatchPlan& plan) {
  Json replicas = Json::EmptyArray();
  for (const auto& replica : plan.buckets) {
    Json microbatches = Json::EmptyArray();
    for (const auto& bucket : replica) microbatches.push_back(Json::ArrayOf(bucket));
    replicas.push_back(std::move(microbatches));
  }
  return replicas;
}

BatchPlan ReadBatchPlan(const JsonReader& json) {
  BatchPlan plan;
  for (const JsonReader& replica : json.Elements()) {
    auto& microbatches = plan.buckets.emplace_back();
    for (const JsonReader& bucket : replica.Elements()) {
      auto& samples = microbatches.emplace_back();
      for (const JsonReader& sample : bucket.Elements()) samples.push_back(static_cast<int>(sample.Int(0, 1 << 20)));
    }
  }
  return plan;
}

}  // namespace dflop
