// Which sample runs where and when: what a batch scheduler makes of one global batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "models/cost_model.hpp"
#include "sim/layout.hpp"

namespace dflop {

/// buckets[replica][microbatch] lists sample indices of the batch. Replicas are the LLM's; an encoder with devices of
/// its own runs the union over the replicas of one microbatch index, its tiles divided evenly over its own replicas.
struct BatchPlan {
  std::vector<std::vector<std::vector<int>>> buckets;
};

/// "" when every one of `samples` indices stands exactly once, no bucket is empty, and the counts fit the layout;
/// otherwise what is wrong.
std::string WhyInvalid(const BatchPlan& plan, const Layout& layout, int samples);

/// What one step has to do.
struct StepWork {
  /// The sequences that every module replica sees: [module][replica][microbatch].
  std::vector<std::vector<std::vector<SequenceBatch>>> sequences;
  /// The tiles that every LLM replica's samples have, wherever they are encoded: [encoder][LLM replica][microbatch].
  std::vector<std::vector<std::vector<std::int64_t>>> tiles;

  const std::vector<std::vector<SequenceBatch>>& operator[](std::size_t module) const { return sequences[module]; }
};
StepWork DivideWork(const BatchPlan& plan, const Layout& layout, const CostModel& cost,
                    const std::vector<SampleShape>& batch);

/// Tiles of encoder `module` that replica `replica` of `replicas` gets out of `tiles`: as even as whole tiles allow.
std::int64_t ShareOfTiles(std::int64_t tiles, int replica, int replicas);

Json ToJson(const BatchPlan& plan);
BatchPlan ReadBatchPlan(const JsonReader& json);

}  // namespace dflop
