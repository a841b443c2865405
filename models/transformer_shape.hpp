// What the layers of a module are: their widths and heads, and what sets some of them apart from the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/json_reader.hpp"

namespace dflop {

/// Experts in place of the FFN: of `count` a router gives every token `top_k` (arXiv 2101.03961; 2401.04088).
struct ExpertSpec {
  int count = 0;  ///< 0: the FFN is dense
  int top_k = 1;
  int ffn_hidden = 0;          ///< of one expert
  int shared = 0;              ///< further experts of this width that every token visits (arXiv 2401.06066)
  int every = 1;               ///< layers n, 2·n, … (counted from 1) have experts, the others the dense FFN
  int first_dense = 0;         ///< so many first layers have the dense FFN in any case
  double capacity_factor = 0;  ///< rows of an expert's buffer over the mean of all experts; 0: as many as come
  double imbalance = 1;        ///< load of the busiest expert over the mean

  bool empty() const { return count == 0; }
  bool operator==(const ExpertSpec&) const = default;
};

/// Queries, keys and values made of small latents (arXiv 2405.04434, section 2.1).
struct LatentAttention {
  int q_rank = 0;   ///< width of the queries' latent; 0: they are made as usual
  int kv_rank = 0;  ///< of keys and values together; 0: no latent attention
  int rope_head_dim = 0;
  int nope_head_dim = 0;
  int v_head_dim = 0;

  bool empty() const { return kv_rank == 0; }
  int key_dim() const { return nope_head_dim + rope_head_dim; }
  bool operator==(const LatentAttention&) const = default;
};

/// Linear maps that an adapter may stand beside, by their names in Hugging Face's models.
enum class AdapterTarget { kQ, kK, kV, kO, kGate, kUp, kDown, kQDown, kQUp, kKvDown, kKvUp };

/// Low-rank adapters (arXiv 2106.09685): the module's own weights are frozen, W·x becomes W·x + B·A·x.
struct LoraSpec {
  int rank = 0;  ///< 0: none
  std::vector<AdapterTarget> targets{};

  bool empty() const { return rank == 0; }
  bool Has(AdapterTarget target) const;
  bool operator==(const LoraSpec&) const = default;
};

/// A stack of transformer layers, equal but for what `experts`, `window` and `cross_layers` set apart.
struct TransformerShape {
  int hidden = 0;
  int ffn_hidden = 0;  ///< of the dense FFN
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;        ///< = heads without grouped-query attention
  bool gated_ffn = false;  ///< SwiGLU: a gate beside the up projection
  int own_head_dim = 0;    ///< 0: hidden / heads
  /// Tokens that attention sees: in the LLM itself and those before it (arXiv 2310.06825), in an encoder the block of
  /// so many tokens that it lies in (arXiv 2502.13923, section 2.1.1). 0: the whole sequence.
  int window = 0;
  int window_every = 1;  ///< layers n, 2·n, … (counted from 1) are windowed
  int full_every = 0;    ///< given instead: these see everything and the others are windowed; 0: not given
  ExpertSpec experts{};
  LatentAttention latent{};
  LoraSpec lora{};
  /// Of the LLM, rising and counted from 0: layers whose queries see the encoders' tokens of their own sample in place
  /// of the sequence, which then holds none of these (Llama 3, arXiv 2407.21783, section 7). Their attention has no
  /// mask, a window least of all; keys and values have kv_heads heads here as well.
  std::vector<int> cross_layers{};

  bool has_cross_layers() const { return !cross_layers.empty(); }
  int head_dim() const { return own_head_dim > 0 ? own_head_dim : hidden / heads; }
  bool operator==(const TransformerShape&) const = default;
};

/// The keys that ReadTransformerShape reads from a module's object.
std::vector<std::string> TransformerKeys(bool is_llm);

/// Ranges: widths ≤ 2^20, layers, heads and head sizes ≤ 4,096, windows ≤ 10^9 tokens, experts ≤ 65,536, numbers of
/// cross-attention layers below those of layers. InputError at what is out of range, contradicts something else or has
/// nothing to act on.
TransformerShape ReadTransformerShape(const JsonReader& json, bool is_llm);

/// Numbers of some of `layers` layers, rising and counted from 0.
std::vector<int> ReadLayerNumbers(const JsonReader& json, int layers);

/// {"rank", "targets": [names] or "all"} for layers of this shape.
LoraSpec ReadLora(const JsonReader& json, const TransformerShape& shape);

/// Writes the keys of ReadTransformerShape; those beyond the plain layer only where they are not as by default.
void AddTransformerShape(const TransformerShape& shape, Json& json);

}  // namespace dflop
