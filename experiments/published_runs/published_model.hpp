// The architecture of a published run. Tables give the widths; what they leave out (which weights are tied, the shape
// of experts, compressed attention) follows from the model's name and its published configuration.
#pragma once

#include <string>

#include "base/json.hpp"
#include "experiments/published_runs/published_row.hpp"

namespace dflop {

/// "" for a decoder of attention and feed-forward layers; otherwise what the model is instead (state-space layers, an
/// image or video model).
std::string WhyNoDecoder(const PublishedRow& row);

struct PublishedModel {
  Json json;          ///< a scenario's "model", {"name", "llm"}
  std::string proxy;  ///< what is guessed and would change the time; "" where nothing is
};

/// Needs layers, hidden, heads, kv_heads, ffn and vocab. A block is gated where ffn ≠ 4 · hidden, and always in a
/// mixture of experts. Embeddings are tied in GPT, MPT, BLOOM and OPT and in the small Llama 3.2, Qwen and Gemma.
/// A row whose notes speak of LoRA gets adapters, of rank 16 on every map where the notes say no other "rank N".
PublishedModel ModelOf(const PublishedRow& row);

bool IsLora(const PublishedRow& row);

}  // namespace dflop
