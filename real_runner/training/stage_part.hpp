// One module's part of a stage: what stands before its layers, the layers, and what stands behind them.
#pragma once

#include <memory>
#include <utility>

#include "real_runner/training/head_output.hpp"
#include "real_runner/training/hidden_ends.hpp"
#include "real_runner/training/layer_stack.hpp"
#include "real_runner/training/patch_input.hpp"
#include "real_runner/training/projector_output.hpp"
#include "real_runner/training/token_input.hpp"

namespace dflop::training {

template <typename Kernels>
class StagePart {
 public:
  /// What its head contributes to the step's loss is added to `loss`.
  StagePart(const PartContext<Kernels>& context, typename Kernels::Sum& loss)
      : context_(context),
        flow_(context.flow()),
        stack_(MakeStack(context)),
        input_(MakeInput(context)),
        output_(MakeOutput(context, loss)) {}

  /// The mail's tiles must have their places.
  void Prepare(PartStep<Kernels> step) {
    step.packs.clear();
    for (int k = 0; k < static_cast<int>(step.shares.size()); ++k) step.packs.push_back(PackOf(step, k));
    step_ = std::move(step);
    tapes_.assign(step_.packs.size(), {});
    input_->Prepare(step_);
    output_->Prepare(step_);
  }

  /// `kept` lives until the backward (or the weight gradient) is done, `scratch` until the forward is.
  void CarveForward(int k, Carver& kept, Carver& scratch) {
    if (Empty(k)) return;
    Carver& layers = flow_.layers_backward ? kept : scratch;
    input_->CarveForward(k, layers);
    stack_.CarveForward(step_.pack(k), kept, scratch, At(k));
    output_->CarveForward(k, layers, kept, scratch);
  }
  /// Lives until the backward is done, or until the weight gradient where that comes later.
  void CarveBackward(int k, WeightsWhen weights, Carver& carver) {
    if (Empty(k) || !HasBackward()) return;
    output_->CarveBackward(k, carver);
    if (!flow_.layers_backward) return;
    stack_.CarveBackward(step_.pack(k), weights == WeightsWhen::kLater, carver, At(k));
    input_->CarveBackward(k, carver);
  }
  void Forward(int k) {
    if (Empty(k)) return;
    input_->Forward(k);
    stack_.Forward(step_.pack(k), At(k), input_->x(k), output_->y(k));
    output_->Forward(k);
  }
  void Backward(int k, WeightsWhen weights) {
    if (Empty(k) || !HasBackward()) return;
    output_->Backward(k, weights);
    if (!flow_.layers_backward) return;
    stack_.Backward(step_.pack(k), At(k), input_->x(k), output_->dy(k), weights == WeightsWhen::kLater, input_->dx(k));
    input_->Backward(k, weights);
  }
  void WeightGradient(int k) {
    if (Empty(k) || !HasBackward()) return;
    output_->WeightGradient(k);
    if (!flow_.layers_backward) return;
    stack_.WeightGradient(step_.pack(k), At(k), output_->dy(k));
    input_->WeightGradient(k);
  }

 private:
  using Stack = LayerStack<Kernels>;

  static Stack MakeStack(const PartContext<Kernels>& context) {
    std::vector<LayerTensors<typename Kernels::Value>> weights;
    std::vector<LayerTensors<float>> gradients;
    for (int i = 0; i < context.part.layers; ++i) {
      weights.push_back(context.parameters.LayerWeightsAt(context.part.module, context.part.first_layer + i));
      gradients.push_back(context.parameters.LayerGradientsAt(context.part.module, context.part.first_layer + i));
    }
    const GradientFlow flow = context.flow();
    return {context.kernels, LayerShapeOf(context.model, context.part.module),
            StackMode{flow.layers_backward, flow.layers_train, context.recompute}, std::move(weights),
            std::move(gradients)};
  }
  static std::unique_ptr<InputEnd<Kernels>> MakeInput(const PartContext<Kernels>& context) {
    if (!context.part.has_input) return std::make_unique<HiddenInput<Kernels>>(context);
    if (context.model.is_llm(context.part.module)) return std::make_unique<TokenInput<Kernels>>(context);
    return std::make_unique<PatchInput<Kernels>>(context);
  }
  static std::unique_ptr<OutputEnd<Kernels>> MakeOutput(const PartContext<Kernels>& context,
                                                        typename Kernels::Sum& loss) {
    if (!context.part.has_output) return std::make_unique<HiddenOutput<Kernels>>(context);
    if (context.model.is_llm(context.part.module)) return std::make_unique<HeadOutput<Kernels>>(context, loss);
    return std::make_unique<ProjectorOutput<Kernels>>(context);
  }

  bool Empty(int k) const { return step_.pack(k).tokens == 0; }
  /// Whether a gradient enters the part at all.
  bool HasBackward() const { return flow_.layers_backward || (context_.part.has_output && flow_.projector_backward); }
  typename Stack::Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  Pack PackOf(const PartStep<Kernels>& step, int k) const {
    std::vector<std::int64_t> lengths;
    if (context_.model.is_llm(context_.part.module)) {
      for (const int i : step.share(k).samples) lengths.push_back(step.sample(i).llm_tokens);
    } else {
      lengths.assign(static_cast<std::size_t>(CountTiles(step.share(k).tiles)), context_.encoder().tokens_per_tile());
    }
    return Pack(std::move(lengths));
  }

  PartContext<Kernels> context_;
  GradientFlow flow_;
  Stack stack_;
  std::unique_ptr<InputEnd<Kernels>> input_;
  std::unique_ptr<OutputEnd<Kernels>> output_;
  PartStep<Kernels> step_;
  std::vector<typename Stack::Tape> tapes_;
};

}  // namespace dflop::training
