#include "real_runner/cpu/stage_part.hpp"

#include <utility>

namespace dflop::cpu {
namespace {

LayerStack MakeStack(const PartContext& context) {
  std::vector<LayerWeights> weights;
  std::vector<LayerWeights> gradients;
  for (int i = 0; i < context.part.layers; ++i) {
    weights.push_back(context.parameters.LayerWeightsAt(context.part.module, context.part.first_layer + i));
    gradients.push_back(context.parameters.LayerGradientsAt(context.part.module, context.part.first_layer + i));
  }
  const GradientFlow flow = context.flow();
  return {LayerShapeOf(context.model, context.part.module),
          {flow.layers_backward, flow.layers_train, context.recompute},
          std::move(weights),
          std::move(gradients)};
}

std::unique_ptr<InputEnd> MakeInput(const PartContext& context) {
  if (!context.part.has_input) return MakeHiddenInput(context);
  return context.model.is_llm(context.part.module) ? MakeTokenInput(context) : MakePatchInput(context);
}

std::unique_ptr<OutputEnd> MakeOutput(const PartContext& context, double& loss) {
  if (!context.part.has_output) return MakeHiddenOutput(context);
  return context.model.is_llm(context.part.module) ? MakeHeadOutput(context, loss) : MakeProjectorOutput(context);
}

}  // namespace

StagePart::StagePart(const PartContext& context, double& loss)
    : context_(context),
      flow_(context.flow()),
      stack_(MakeStack(context)),
      input_(MakeInput(context)),
      output_(MakeOutput(context, loss)) {}

Pack StagePart::PackOf(const PartStep& step, int k) const {
  std::vector<std::int64_t> lengths;
  if (context_.model.is_llm(context_.part.module)) {
    for (const int i : step.share(k).samples) lengths.push_back(step.sample(i).llm_tokens);
  } else {
    lengths.assign(static_cast<std::size_t>(TilesIn(step.share(k).tiles)), context_.encoder().tokens_per_tile());
  }
  return Pack(std::move(lengths));
}

void StagePart::Prepare(PartStep step) {
  step.packs.clear();
  for (int k = 0; k < static_cast<int>(step.shares.size()); ++k) step.packs.push_back(PackOf(step, k));
  step_ = std::move(step);
  tapes_.assign(step_.packs.size(), {});
  input_->Prepare(step_);
  output_->Prepare(step_);
}

bool StagePart::HasBackward() const {
  return flow_.layers_backward || (context_.part.has_output && flow_.projector_backward);
}

void StagePart::CarveForward(int k, Carver& kept, Carver& scratch) {
  Carver& layers = flow_.layers_backward ? kept : scratch;
  input_->CarveForward(k, layers);
  stack_.CarveForward(step_.pack(k), kept, scratch, At(k));
  output_->CarveForward(k, layers, kept, scratch);
}

void StagePart::CarveBackward(int k, WeightsWhen weights, Carver& carver) {
  if (!HasBackward()) return;
  output_->CarveBackward(k, carver);
  if (!flow_.layers_backward) return;
  stack_.CarveBackward(step_.pack(k), weights == WeightsWhen::kLater, carver, At(k));
  input_->CarveBackward(k, carver);
}

void StagePart::Forward(int k) {
  if (Empty(k)) return;
  input_->Forward(k);
  stack_.Forward(step_.pack(k), At(k), input_->x(k), output_->y(k));
  output_->Forward(k);
}

void StagePart::Backward(int k, WeightsWhen weights) {
  if (Empty(k) || !HasBackward()) return;
  output_->Backward(k, weights);
  if (!flow_.layers_backward) return;
  stack_.Backward(step_.pack(k), At(k), input_->x(k), output_->dy(k), weights == WeightsWhen::kLater, input_->dx(k));
  input_->Backward(k, weights);
}

void StagePart::WeightGradient(int k) {
  if (Empty(k) || !HasBackward()) return;
  output_->WeightGradient(k);
  if (!flow_.layers_backward) return;
  stack_.WeightGradient(step_.pack(k), At(k), output_->dy(k));
  input_->WeightGradient(k);
}

}  // namespace dflop::cpu
