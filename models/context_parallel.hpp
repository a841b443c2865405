// A sequence over several ranks: what each of them holds, and what its attention costs when keys and values travel.
//
// Ring attention (Liu et al., "Ring Attention with Blockwise Transformers", arXiv 2310.01889; Megatron-LM's
// context_parallel): rank i attends to its own chunk first, then to those that come round, one hop of the ring behind
// each computation. Ulysses (arXiv 2309.14509): an all-to-all gives each rank whole sequences of some heads.
#pragma once

#include <algorithm>
#include <vector>

#include "models/cost_model.hpp"

namespace dflop {

/// Tokens of a sequence, filled up to whole chunks: 2·cp of them, of which rank i holds the i-th from either end, or
/// cp.
double InWholeChunks(double length, int cp, ContextParallel how);

/// What one of cp ranks holds of a batch: counts ÷ cp, lengths in whole chunks.
SequenceBatch ShareOfContext(const SequenceBatch& batch, int cp, ContextParallel how);

/// A microbatch may have a degree of its own (dynamic context parallelism: ByteScale, arXiv 2502.21231; FlexSP, arXiv
/// 2412.01523; Megatron-LM's hybrid context parallelism): its sequences are dealt, whole, over sets of as many ranks
/// each. This is one set's.
struct ContextSet {
  SequenceBatch batch;
  double work = 0;  ///< model FLOPs of the module's layers, which they are dealt by
};
/// The sequence with most work first, each to the set with least so far; equal ones are alike on every stage. Counts
/// are whole: means are not dealt. Of a padded batch every row is as long as the longest, and its padding counts as
/// useful here: FLOPs are counted of the whole microbatch.
std::vector<ContextSet> DealOverContextSets(const ModelSpec& model, int module, const SequenceBatch& batch, int sets);

/// Time of cp blocks of attention, `first` with its own keys and values, which `hop` overlaps one by one:
/// max(first, hop) + (cp − 2)·max(next, hop) + next.
inline Seconds RingTime(Seconds first, Seconds next, Seconds hop, int cp) {
  return std::max(first, hop) + std::max(next, hop) * (cp - 2) + next;
}

/// Bytes that a rank of `tokens` sends in an all-to-all of Ulysses, its own share among them: queries, keys and values
/// of all heads, or the output. Fewer key/value heads than ranks are sent several times.
Bytes UlyssesInput(double tokens, int heads, int kv_heads, int head_dim, int cp);
Bytes UlyssesOutput(double tokens, int heads, int head_dim);

}  // namespace dflop
