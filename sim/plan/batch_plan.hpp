// Which sample runs where and when: what a batch scheduler makes of one global batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"
#include "models/cost_model.hpp"
#include "sim/plan/layout.hpp"

namespace dflop {

/// Sample indices by [replica][microbatch].
using Buckets = std::vector<std::vector<std::vector<int>>>;

struct BatchPlan {
  Buckets buckets{};  ///< of the LLM
  /// [encoder]: where samples are encoded. Empty: by the layout's own rule, which is that a replica of a homogeneous
  /// layout encodes what its LLM runs, and that an encoder with devices of its own runs the union over the LLM's
  /// replicas of one microbatch index, its tiles divided evenly. Otherwise the encoder's microbatches hold, over all
  /// its replicas, exactly the samples that run, none of them later than the LLM's microbatch of the same index; some
  /// may be empty. A sample whose LLM microbatch is a later one is deferred within the step (Entrain, arXiv
  /// 2605.27918).
  std::vector<Buckets> encoder_buckets{};
  /// [LLM replica][microbatch]: over how many of the LLM's context-parallel ranks each of its sequences is divided, a
  /// divisor of their count (SequenceBatch::context_ranks). Empty: over all of them.
  std::vector<std::vector<int>> context_ranks{};
  std::vector<int> deferred{};  ///< samples left for a later step
  std::string note{};           ///< what a result should name: a limit that was met, a fallback; "" otherwise
  /// The batch scheduler that made this plan where the one asked for did not run: stands behind the policy's name
  /// wherever its figures do. "" otherwise.
  std::string instead{};
};

/// Of the LLM's stages, all alike; 0 where they differ, or where experts are dealt over the same ranks.
int ContextRanks(const Layout& layout);

/// "" when every one of `samples` indices stands exactly once in a bucket or among the deferred, no bucket of the LLM
/// is empty, and the counts fit the layout; otherwise what is wrong.
std::string WhyInvalid(const BatchPlan& plan, const Layout& layout, int samples);

/// Whether a module's replicas share the union of the LLM replicas' microbatches of one index, tiles divided evenly.
bool RunsUnion(const BatchPlan& plan, const Layout& layout, int module);
/// The samples that a module's replica runs in microbatch k; where it runs a share of the union, those of the union.
std::vector<int> SamplesIn(const BatchPlan& plan, const Layout& layout, int module, int replica, int k);

/// [replica][microbatch]: what the mean loss of a microbatch (over the tokens that bear loss: the text, or all where a
/// batch has none) is multiplied by before gradients are summed over microbatches and replicas, so that unequal
/// microbatches leave the gradient of the global batch's mean loss as it is. They add up to 1.
std::vector<std::vector<double>> GradientWeights(const BatchPlan& plan, const std::vector<SampleShape>& batch);

/// Tiles of one LLM microbatch that replica `from` encodes and the LLM of replica `to` runs.
struct TileRoute {
  int from = 0;
  int to = 0;
  std::int64_t tiles = 0;
  bool operator==(const TileRoute&) const = default;
};

/// What one step has to do.
struct StepWork {
  /// The sequences that every module replica sees: [module][replica][microbatch, or unit of a layout with splits];
  /// below likewise.
  std::vector<std::vector<std::vector<SequenceBatch>>> sequences;
  /// The tiles that every LLM replica's samples have, wherever they are encoded: [encoder][LLM replica][microbatch].
  std::vector<std::vector<std::vector<std::int64_t>>> tiles;
  /// [encoder][LLM microbatch]: what replicas of a homogeneous layout exchange between encoder and LLM, by (from, to);
  /// empty where every replica encodes its own.
  std::vector<std::vector<std::vector<TileRoute>>> routes;
  /// [LLM microbatch]: the encoders' microbatches that hold samples of it, ascending; empty where it is that of the
  /// same index for all.
  std::vector<std::vector<int>> encoded_in{};

  const std::vector<std::vector<SequenceBatch>>& operator[](std::size_t module) const { return sequences[module]; }
};
/// StepWork::encoded_in of a valid plan.
std::vector<std::vector<int>> EncodedIn(const BatchPlan& plan, std::size_t samples);
StepWork DivideWork(const BatchPlan& plan, const Layout& layout, const CostModel& cost,
                    const std::vector<SampleShape>& batch);

/// Whether messages inside the step tie replicas to one another: encoders on other devices feed them all, or they
/// encode for each other.
inline bool ReplicasMeet(const Layout& layout, const StepWork& work) { return layout.joins() || !work.routes.empty(); }

/// Tiles of encoder `module` that replica `replica` of `replicas` gets out of `tiles`: as even as whole tiles allow.
std::int64_t ShareOfTiles(std::int64_t tiles, int replica, int replicas);

Json ToJson(const Buckets& buckets);
Buckets ReadBuckets(const JsonReader& json);

}  // namespace dflop
