// The FLOP counts of DFLOP's released code (github.com/BDAI-Research/DFLOP at 60e86d8; the formulas' facts, no code):
// forward and backward with everything recomputed, which is 4/3 of the three passes. Rates are measured and used with
// the same counts, so most slips cancel; the shares of linear layers and attention, and the rounded rates, keep them:
//   - grouped queries: it multiplies by heads/kv_heads where kv_heads belongs (the same only for 8 of 64 heads),
//   - the projector is counted as recomputed twice, at all tokens of a tile, pixel shuffle or not,
//   - the patch embedding is counted over pixels, also those that no whole patch holds.
#pragma once

#include "models/model_spec.hpp"

namespace dflop {

/// TFLOP of so many tiles in `layers` layers of the encoder with both ends; `llm_hidden` is where the projector leads.
double ReleasedEncoderTflop(const EncoderSpec& encoder, double tiles, int layers, int llm_hidden);

/// TFLOP of one sequence in `layers` layers of the LLM with both ends.
double ReleasedLlmTflop(const LlmSpec& llm, double tokens, int layers);
/// The part of it that attention's scores have, causal.
double ReleasedAttentionTflop(const LlmSpec& llm, double tokens, int layers);

}  // namespace dflop
