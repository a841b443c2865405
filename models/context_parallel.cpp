// Lengths are real numbers where microbatches are means; chunks are whole all the same.
#include "models/context_parallel.hpp"

#include <cmath>

#include "models/flop_count.hpp"
#include "models/layer_variants.hpp"
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

namespace {

double WorkOf(const ModelSpec& model, int module, double length) {
  SequenceBatch one;
  one.Add(length, 1);
  const ModulePart layers{.module = module, .layers = model.shape(module).layers};
  return CountFlops(model, {}, layers, CountLayers(model.shape(module), 0, layers.layers), one).model.value();
}

}  // namespace

std::vector<ContextSet> DealOverContextSets(const ModelSpec& model, int module, const SequenceBatch& batch, int sets) {
  std::vector<SequenceBatch::Group> longest_first = batch.groups;
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [](const auto& a, const auto& b) { return a.length > b.length; });
  std::vector<ContextSet> dealt(static_cast<std::size_t>(sets));
  for (const SequenceBatch::Group& group : longest_first) {
    const double work = WorkOf(model, module, group.length);
    for (double i = 0; i < group.count; ++i) {
      ContextSet& least =
          *std::min_element(dealt.begin(), dealt.end(), [](const auto& a, const auto& b) { return a.work < b.work; });
      least.batch.Add(group.length, 1);
      least.work += work;
    }
  }
  return dealt;
}

Bytes UlyssesInput(double tokens, int heads, int kv_heads, int head_dim, int cp) {
  const int sent = std::max(kv_heads, cp);
  return Bytes(tokens * (heads + 2.0 * sent) * head_dim * kElementBytes);
}

Bytes UlyssesOutput(double tokens, int heads, int head_dim) { return Bytes(tokens * heads * head_dim * kElementBytes); }

}  // namespace dflop
