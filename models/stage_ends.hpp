// What the first and the last stage of a module run beside their layers.
#pragma once

#include "models/gradient_flow.hpp"
#include "models/operation_sum.hpp"

namespace dflop {

struct EndCosts {
  OperationCost forward;
  OperationCost input_gradient;
  OperationCost weight_gradient;

  EndCosts& operator+=(const EndCosts& other);
};

/// Tokens that leave an encoder's projector for a batch of its tokens.
double ProjectedTokens(const EncoderSpec& encoder, double tokens);

EndCosts CostOfPatchEmbedding(const Place& place, const EncoderSpec& encoder, double tokens);
/// Final norm and projector.
EndCosts CostOfEncoderOutput(const Place& place, const EncoderSpec& encoder, int llm_hidden, double tokens);
EndCosts CostOfTokenEmbedding(const Place& place, const LlmSpec& llm, double tokens);
/// Final norm, head and cross entropy over the vocabulary, on all tokens.
EndCosts CostOfLlmOutput(const Place& place, const LlmSpec& llm, const GradientFlow& flow, double tokens);
/// What stands before the layer of one more predicted token: norms of the hidden state and of the embedded next token,
/// and the projection of both together (arXiv 2412.19437, equation 21), cut by columns.
EndCosts CostOfMultiToken(const Place& place, const LlmSpec& llm, const GradientFlow& flow, double tokens);

}  // namespace dflop
