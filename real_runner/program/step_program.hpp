// What every rank does in one step, and every message between them: a plan's layout, orders and batch plan spelled out
// for the executor.
//
// A rank is one device group of the layout. The program is made from the plan alone, by what data each operation needs,
// not from the simulator's operation graph: that the two agree is what a run shows.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/plan/plan_file.hpp"

namespace dflop {

/// Tiles first … first + count − 1 of one sample, as one encoder sees them.
struct TileRange {
  int sample = 0;  ///< index into the step's batch
  int first = 0;
  int count = 0;
  bool operator==(const TileRange&) const = default;
};
inline std::int64_t CountTiles(const std::vector<TileRange>& tiles) {
  std::int64_t count = 0;
  for (const TileRange& range : tiles) count += range.count;
  return count;
}

/// A tensor of a message, row-major: the hidden rows of a module between two of its stages, or the projected rows of an
/// encoder's tiles on the way to the LLM. Backward: the gradient of the same.
struct Piece {
  int module = 0;
  bool projected = false;
  std::int64_t rows = 0;           ///< hidden: tokens of the microbatch; projected: tiles × projected tokens of a tile
  std::int64_t width = 0;          ///< hidden: of the module; projected: of the LLM
  std::vector<TileRange> tiles{};  ///< projected only, in the order of the rows
  std::int64_t values() const { return rows * width; }
};

/// What one stage hands to another for one microbatch. Both ends may be on one rank; then nothing travels.
struct Message {
  int from_rank = 0;
  int to_rank = 0;
  int from_stage = 0;  ///< index into Layout::stages
  int to_stage = 0;
  int microbatch = 0;
  bool backward = false;
  std::vector<Piece> pieces{};
  /// The simulator's operation that this message is, or is a part of (an all-to-all is one operation of many messages).
  int operation_stage = 0;
  int operation_to_stage = 0;
  int hub_queue = -1;  ///< messages of one hub and direction go one at a time: 2·encoder, + 1 backward; −1 = none
  std::int64_t values() const;
  /// Whether anything leaves its rank: an all-to-all also has messages that only say that there is nothing.
  bool travels() const { return from_rank != to_rank && values() > 0; }
};

/// What a hub does for one microbatch beside its computation: waits for all of `in`, sends all of `out` in order.
struct Relay {
  std::vector<int> in;  ///< indices into StepProgram::messages
  std::vector<int> out;
};

/// One computation: receives, runs, sends.
struct Action {
  OpKind kind = OpKind::kForward;  ///< a computation
  int stage = 0;
  int microbatch = 0;
  std::vector<int> receives{};  ///< indices into StepProgram::messages
  std::vector<int> sends{};
  /// Of a pair that runs as one: the first half receives what both want, the second sends what both give.
  bool begins_pair = false, ends_pair = false;
};

/// A collective at the end of the step, the same list in the same order on every rank that takes part.
struct Collective {
  enum class What { kGradients, kTiedEmbedding, kParameters };
  What what = What::kGradients;
  std::vector<int> stages;  ///< whose tensors are summed (or gathered), in the order of the ranks
  std::vector<int> ranks;   ///< one for each of the stages
  int operation_stage = 0;
  int operation_to_stage = -1;
};

struct RankProgram {
  std::vector<Action> actions;
  std::vector<Relay> relays;
  std::vector<int> reductions;  ///< indices into StepProgram::collectives: before the optimizer's step
  std::vector<int> stages;      ///< that this rank holds, in the order of their optimizer steps
  std::vector<int> gathers;     ///< indices: after it
};

/// What one replica of one module sees of a microbatch.
struct ModuleShare {
  std::vector<TileRange> tiles{};  ///< encoders
  std::vector<int> samples{};      ///< the LLM
};

struct StepProgram {
  std::vector<Message> messages;
  std::vector<Collective> collectives;
  std::vector<RankProgram> ranks;                             ///< [device group]
  std::vector<std::vector<std::vector<ModuleShare>>> shares;  ///< [module][replica][microbatch]
};

/// The plan must be valid (real_runner/program/plan_check.hpp).
/// `whole_pairs`: the halves of a pair receive together before both and send behind both, as the plan's times have it;
/// otherwise each half does when it can.
StepProgram MakeStepProgram(const Plan& plan, std::size_t step, bool whole_pairs = false);

}  // namespace dflop
