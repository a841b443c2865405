// The terms of a layer (models/layer_costs.cpp): GEMMs, bytes moved, and the all-reduce that cutting a matrix costs.
#include "models/stage_ends.hpp"

#include "models/tensor_parallel.hpp"

namespace dflop {
namespace {

constexpr double kNormForwardBytes = 2 * kElementBytes;  // as in a layer, layer_costs.cpp
constexpr double kNormBackwardBytes = 5 * kElementBytes;
constexpr double kActivationForwardBytes = 2 * kElementBytes;
constexpr double kActivationBackwardBytes = 3 * kElementBytes;
// Per logit, cross entropy in fp32: cast (2 read, 4 written), two reading passes (maximum; sum of exponentials), 4
// each. Backward: probabilities minus target (4 read, 4 written), cast back (4 read, 2 written).
constexpr double kLossForwardBytes = 14;
constexpr double kLossBackwardBytes = 14;
constexpr int kLossReductions = 3;  // maximum, sum and the target's logit, one fp32 value a token each
constexpr double kLossValueBytes = 4;

// Kernels that an eager framework launches; an assumption, as in layer_costs.cpp.
constexpr int kEndKernels = 8;

/// One linear layer of the projector on one rank.
struct Linear {
  double inputs;
  double outputs;
};

/// The first layer is cut by columns and the last by rows, so that one all-reduce at the end suffices.
struct ProjectorShape {
  ProjectorShape(const EncoderSpec& encoder, double llm_hidden, double ranks)
      : layers(encoder.projector_layers), inner(llm_hidden / ranks) {
    const double input = encoder.projector_input_width();
    first = layers == 1 ? Linear{input / ranks, llm_hidden} : Linear{input, inner};
    second = Linear{inner, llm_hidden};
  }
  int layers;
  double inner;  ///< values a token between the two linear layers
  Linear first{};
  Linear second{};
};

void AddGemm(OperationSum& sum, double tokens, const Linear& linear, Pass pass) {
  sum.Gemm(tokens, linear.outputs, linear.inputs, pass);
}

OperationCost ProjectorForward(const Place& place, const ProjectorShape& shape, double tokens, double llm_hidden) {
  if (shape.layers == 0) return {};
  OperationSum sum(place);
  AddGemm(sum, tokens, shape.first, Pass::kForward);
  if (shape.layers == 2) {
    sum.Move(tokens * shape.inner * kActivationForwardBytes);
    AddGemm(sum, tokens, shape.second, Pass::kForward);
  }
  sum.AllReduce(tokens * llm_hidden * kElementBytes);
  return sum.Finish(kEndKernels);
}

/// Back to the first linear layer's output always; through it only when the encoder trains.
OperationCost ProjectorInputGradient(const Place& place, const ProjectorShape& shape, double tokens, double input_bytes,
                                     bool encoder_trains) {
  if (shape.layers == 0 || (shape.layers == 1 && !encoder_trains)) return {};
  OperationSum sum(place);
  if (shape.layers == 2) {
    AddGemm(sum, tokens, shape.second, Pass::kInputGradient);
    sum.Move(tokens * shape.inner * kActivationBackwardBytes);
  }
  if (encoder_trains) {
    AddGemm(sum, tokens, shape.first, Pass::kInputGradient);
    sum.AllReduce(input_bytes);
  }
  return sum.Finish(kEndKernels);
}

OperationCost ProjectorWeightGradient(const Place& place, const ProjectorShape& shape, double tokens) {
  OperationSum sum(place);
  AddGemm(sum, tokens, shape.first, Pass::kWeightGradient);
  if (shape.layers == 2) AddGemm(sum, tokens, shape.second, Pass::kWeightGradient);
  return sum.Finish(kEndKernels);
}

OperationCost NormCost(const Place& place, double values, double bytes) {
  OperationSum sum(place);
  sum.Move(values * place.token_share() * bytes);
  return sum.Finish(1);
}

}  // namespace

EndCosts& EndCosts::operator+=(const EndCosts& other) {
  forward += other.forward;
  input_gradient += other.input_gradient;
  weight_gradient += other.weight_gradient;
  return *this;
}

double ProjectedTokens(const EncoderSpec& encoder, double tokens) {
  return tokens * encoder.projected_tokens_per_tile() / encoder.tokens_per_tile();
}

EndCosts CostOfPatchEmbedding(const Place& place, const EncoderSpec& encoder, double tokens) {
  const double hidden = encoder.shape.hidden;
  EndCosts costs;
  OperationSum forward(place);  // not cut by tensor parallelism; nothing before it wants a gradient
  forward.Gemm(tokens, hidden, encoder.patch_values(), Pass::kForward);
  forward.Move(3 * tokens * hidden * kElementBytes);  // position embedding added
  costs.forward = forward.Finish(kEndKernels);
  if (encoder.frozen) return costs;
  OperationSum gradient(place);
  gradient.Gemm(tokens, hidden, encoder.patch_values(), Pass::kWeightGradient);
  costs.weight_gradient = gradient.Finish(kEndKernels);
  return costs;
}

EndCosts CostOfEncoderOutput(const Place& place, const EncoderSpec& encoder, int llm_hidden, double tokens) {
  const GradientFlow flow = EncoderGradients(encoder);
  const ProjectorShape shape(encoder, llm_hidden, place.ranks);
  const double projected = ProjectedTokens(encoder, tokens);
  const double values = tokens * encoder.shape.hidden;
  EndCosts costs;
  costs.forward = NormCost(place, values, kNormForwardBytes);
  costs.forward += ProjectorForward(place, shape, projected, llm_hidden);
  if (flow.layers_backward) costs.input_gradient = NormCost(place, values, kNormBackwardBytes);
  if (flow.projector_backward) {
    const double input_bytes = projected * encoder.projector_input_width() * kElementBytes;
    costs.input_gradient += ProjectorInputGradient(place, shape, projected, input_bytes, flow.layers_backward);
  }
  if (flow.projector_train) costs.weight_gradient = ProjectorWeightGradient(place, shape, projected);
  return costs;
}

EndCosts CostOfTokenEmbedding(const Place& place, const LlmSpec& llm, double tokens) {
  const double values = tokens * llm.shape.hidden;
  EndCosts costs;
  OperationSum forward(place);
  forward.Move(2 * values * kElementBytes);   // rows read and written
  forward.AllReduce(values * kElementBytes);  // each rank knows its share of the vocabulary
  costs.forward = forward.Finish(kEndKernels);
  if (llm.frozen) return costs;
  OperationSum gradient(place);  // added into the table's gradient
  gradient.Move(values * (kElementBytes + 2 * place.software.gradient_bytes));
  costs.weight_gradient = gradient.Finish(kEndKernels);
  return costs;
}

EndCosts CostOfLlmOutput(const Place& place, const LlmSpec& llm, const GradientFlow& flow, double tokens) {
  const double hidden = llm.shape.hidden;
  const double vocab = PaddedVocabulary(llm.vocab, place.software.vocabulary_multiple, place.ranks) / place.ranks;
  const double norm_values = tokens * hidden * place.token_share();
  EndCosts costs;
  OperationSum forward(place);
  forward.Gemm(tokens, vocab, hidden, Pass::kForward);
  forward.Move(norm_values * kNormForwardBytes + tokens * vocab * kLossForwardBytes);
  for (int i = 0; i < kLossReductions; ++i) forward.AllReduce(tokens * kLossValueBytes);
  costs.forward = forward.Finish(kEndKernels);
  if (flow.layers_backward) {
    OperationSum gradient(place);
    gradient.Gemm(tokens, vocab, hidden, Pass::kInputGradient);
    gradient.Move(norm_values * kNormBackwardBytes + tokens * vocab * kLossBackwardBytes);
    gradient.AllReduce(tokens * hidden * kElementBytes);
    costs.input_gradient = gradient.Finish(kEndKernels);
  }
  if (flow.layers_train) {
    OperationSum gradient(place);
    gradient.Gemm(tokens, vocab, hidden, Pass::kWeightGradient);
    costs.weight_gradient = gradient.Finish(kEndKernels);
  }
  return costs;
}

EndCosts CostOfMultiToken(const Place& place, const LlmSpec& llm, const GradientFlow& flow, double tokens) {
  const double hidden = llm.shape.hidden;
  const double columns = hidden / place.ranks;
  const double values = 2 * tokens * hidden * place.token_share();
  EndCosts costs;
  OperationSum forward(place);
  forward.Move(values * kNormForwardBytes);
  forward.Gemm(tokens, columns, 2 * hidden, Pass::kForward);
  forward.AllGather(tokens * hidden * kElementBytes);
  costs.forward = forward.Finish(kEndKernels);
  if (flow.layers_backward) {
    OperationSum gradient(place);
    gradient.Gemm(tokens, columns, 2 * hidden, Pass::kInputGradient);
    gradient.Move(values * kNormBackwardBytes);
    gradient.AllReduce(2 * tokens * hidden * kElementBytes);
    costs.input_gradient = gradient.Finish(kEndKernels);
  }
  if (flow.layers_train) {
    OperationSum gradient(place);
    gradient.Gemm(tokens, columns, 2 * hidden, Pass::kWeightGradient);
    costs.weight_gradient = gradient.Finish(kEndKernels);
  }
  return costs;
}

}  // namespace dflop
