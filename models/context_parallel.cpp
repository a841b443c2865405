// Lengths are real numbers where microbatches are means; chunks are whole all the same.
#include "models/context_parallel.hpp"

#include <cmath>

#include "models/operation_sum.hpp"

namespace dflop {

double InWholeChunks(double length, int cp, ContextParallel how) {
  const int chunks = how == ContextParallel::kZigzag ? 2 * cp : cp;
  return std::ceil(length / chunks) * chunks;
}

SequenceBatch ShareOfContext(const SequenceBatch& batch, int cp, ContextParallel how) {
  SequenceBatch share;
  for (const SequenceBatch::Group& group : batch.groups) {
    share.Add(InWholeChunks(group.length, cp, how), group.count / cp);
  }
  share.unpadded = batch.unpadded;
  for (SequenceBatch::Group& group : share.unpadded) group.count /= cp;
  share.useful_tokens = batch.useful_tokens / cp;
  share.useful_squares = batch.useful_squares / cp;
  return share;
}

Bytes UlyssesInput(double tokens, int heads, int kv_heads, int head_dim, int cp) {
  const int sent = std::max(kv_heads, cp);
  return Bytes(tokens * (heads + 2.0 * sent) * head_dim * kElementBytes);
}

Bytes UlyssesOutput(double tokens, int heads, int head_dim) { return Bytes(tokens * heads * head_dim * kElementBytes); }

}  // namespace dflop
