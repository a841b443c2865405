// What one microbatch looks like to a module: how many sequences of which length.
#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "models/cost_model.hpp"

namespace dflop {

void SequenceBatch::Add(double length, double count, double context, double media) {
  if (length <= 0 || count <= 0) return;
  const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
    return group.length == length && group.context == context && group.media == media;
  });
  if (same == groups.end()) {
    groups.push_back({length, count, context, media});
  } else {
    same->count += count;
  }
  tokens += length * count;
  useful_tokens += length * count;
  useful_squares += length * (2 * context + length) * count;
}

double SequenceBatch::media_tokens() const {
  double media = 0;
  for (const Group& group : groups) media += group.media * group.count;
  return media;
}

SequenceBatch EncoderBatch(const EncoderSpec& encoder, double tiles) {
  SequenceBatch batch;
  batch.Add(encoder.tokens_per_tile(), tiles);
  return batch;
}

SequenceBatch LlmBatch(std::span<const LlmSequence> samples, Packing packing) {
  SequenceBatch batch;
  batch.groups.reserve(samples.size());
  LlmSequence longest;
  for (const LlmSequence& sample : samples) {
    batch.Add(sample.tokens, 1, 0, sample.media);
    longest = {std::max(longest.tokens, sample.tokens), std::max(longest.media, sample.media)};
  }
  if (packing == Packing::kPacked || batch.empty()) return batch;
  const double count = static_cast<double>(samples.size());
  batch.unpadded = std::move(batch.groups);
  batch.groups.assign(1, {longest.tokens, count, 0, longest.media});
  batch.tokens = longest.tokens * count;
  return batch;
}

SequenceBatch LlmBatch(const std::vector<int>& sample_tokens, Packing packing) {
  std::vector<LlmSequence> samples;
  samples.reserve(sample_tokens.size());
  for (const int tokens : sample_tokens) samples.push_back({static_cast<double>(tokens)});
  return LlmBatch(samples, packing);
}

namespace {

/// Adds what lies between two places of what begins at `begin` and has `tokens`.
void AddPart(SequenceBatch& part, double begin, double tokens, double from, double to) {
  const double first = std::max(begin, from);
  part.Add(std::min(begin + tokens, to) - first, 1, first - begin);
}

SequenceBatch PartOfPack(const std::vector<int>& sample_tokens, double from, double to) {
  SequenceBatch part;
  double begin = 0;
  for (const int tokens : sample_tokens) {
    AddPart(part, begin, tokens, from, to);
    begin += tokens;
  }
  return part;
}

SequenceBatch PartOfRows(const std::vector<int>& sample_tokens, double from, double to) {
  SequenceBatch part;
  for (const int tokens : sample_tokens) AddPart(part, 0, tokens, from, to);
  const double count = static_cast<double>(sample_tokens.size());
  part.unpadded = std::move(part.groups);
  part.groups.assign(1, {to - from, count, from});
  part.tokens = (to - from) * count;
  return part;
}

}  // namespace

std::vector<SequenceBatch> LlmBatchInSplits(const std::vector<int>& sample_tokens, Packing packing, int splits) {
  const bool packed = packing == Packing::kPacked;
  double length = 0;  // of what is cut
  for (const double tokens : sample_tokens) length = packed ? length + tokens : std::max(length, tokens);
  std::vector<SequenceBatch> parts;
  parts.reserve(static_cast<std::size_t>(splits));
  for (int split = 0; split < splits; ++split) {
    const double from = length * split / splits, to = length * (split + 1) / splits;
    parts.push_back(packed ? PartOfPack(sample_tokens, from, to) : PartOfRows(sample_tokens, from, to));
  }
  return parts;
}

}  // namespace dflop
