// What one microbatch looks like to a module: how many sequences of which length.
#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "models/cost_model.hpp"

namespace dflop {

void SequenceBatch::Add(double length, double count) {
  if (length <= 0 || count <= 0) return;
  const auto same =
      std::find_if(groups.begin(), groups.end(), [&](const Group& group) { return group.length == length; });
  if (same == groups.end()) {
    groups.push_back({length, count});
  } else {
    same->count += count;
  }
  tokens += length * count;
  useful_tokens += length * count;
  useful_squares += length * length * count;
}

SequenceBatch EncoderBatch(const EncoderSpec& encoder, double tiles) {
  SequenceBatch batch;
  batch.Add(encoder.tokens_per_tile(), tiles);
  return batch;
}

SequenceBatch LlmBatch(const std::vector<int>& sample_tokens, Packing packing) {
  SequenceBatch batch;
  batch.groups.reserve(sample_tokens.size());
  for (const int tokens : sample_tokens) batch.Add(tokens, 1);
  if (packing == Packing::kPacked || batch.empty()) return batch;
  const double longest = *std::max_element(sample_tokens.begin(), sample_tokens.end());
  const double count = static_cast<double>(sample_tokens.size());
  batch.unpadded = std::move(batch.groups);
  batch.groups.assign(1, {longest, count});
  batch.tokens = longest * count;
  return batch;
}

}  // namespace dflop
