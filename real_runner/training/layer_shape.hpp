// The shape of a transformer layer, and of what it runs on.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace dflop::training {

/// Sequences of unequal lengths, one after the other in the rows of one buffer.
struct Pack {
  Pack() = default;
  explicit Pack(std::vector<std::int64_t> of_sequences)
      : lengths(std::move(of_sequences)), tokens(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0})) {}

  std::vector<std::int64_t> lengths;
  std::int64_t tokens = 0;
};

struct LayerShape {
  std::int64_t hidden = 0;
  std::int64_t ffn = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  bool gated = false;   ///< silu(u)·v instead of silu(u)
  bool causal = false;  ///< with `gated`: rotary positions too

  std::int64_t head_dim() const { return hidden / heads; }
  std::int64_t query_width() const { return heads * head_dim(); }
  std::int64_t kv_width() const { return kv_heads * head_dim(); }
  std::int64_t qkv_width() const { return query_width() + 2 * kv_width(); }
  std::int64_t up_width() const { return gated ? 2 * ffn : ffn; }
  bool rotary() const { return gated && causal; }
};

}  // namespace dflop::training
