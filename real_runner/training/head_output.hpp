// The last stage of the LLM: final norm, head and cross entropy over the vocabulary, on all tokens.
//
// Loss of a step: Σ cross entropy over the tokens that bear loss ÷ their number, over all replicas and microbatches.
#pragma once

#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "real_runner/training/part_ends.hpp"
#include "real_runner/training/step_data.hpp"

namespace dflop::training {

template <typename Kernels>
class HeadOutput final : public OutputEnd<Kernels> {
 public:
  using Value = typename Kernels::Value;

  /// What its microbatches contribute to the loss of the step is added to `loss`.
  HeadOutput(const PartContext<Kernels>& context, typename Kernels::Sum& loss)
      : context_(context),
        kernels_(context.kernels),
        flow_(context.flow()),
        norm_(context.parameters.At(context.prefix() + "norm")),
        loss_(loss) {
    const Parameter<Kernels>* own = context.parameters.Find(context.prefix() + "head");
    head_ = own != nullptr ? own : &context.parameters.At(context.prefix() + "embedding");
  }

  void Prepare(const PartStep<Kernels>& step) override {
    step_ = step;
    tapes_.resize(static_cast<std::size_t>(step.microbatches()));
    const auto shares = GradientWeights(step.planned->plan, step.planned->batch);
    for (int k = 0; k < step.microbatches(); ++k) {
      LossPlan plan = PlanLoss(context_.model, *step.planned, step.share(k).samples, context_.seed, step.number);
      const double planned = shares[static_cast<std::size_t>(context_.replica)][static_cast<std::size_t>(k)];
      DFLOP_CHECK(std::abs(plan.share - planned) < 1e-6, "a microbatch weighs what the plan says");
      At(k).targets.Set(kernels_, {plan.targets.begin(), plan.targets.end()});
      At(k).weights.Set(kernels_, std::move(plan.weights));
    }
  }

  void CarveForward(int k, Carver& layers, Carver& kept, Carver& scratch) override {
    Tape& t = At(k);
    Carver& end = flow_.layers_backward ? kept : scratch;
    t.y = layers.Take<Value>(Tokens(k) * hidden());
    t.normed = end.Take<Value>(Tokens(k) * hidden());
    t.d_logits = end.Take<Value>(Tokens(k) * vocab());
    t.logits = scratch.Take<Value>(Tokens(k) * vocab());
    t.losses = scratch.Take<float>(Tokens(k));
  }
  Value* y(int k) override { return At(k).y; }

  void Forward(int k) override {
    const Tape& t = At(k);
    kernels_.Norm(t.y, norm_.weight, t.normed, Tokens(k), hidden());
    kernels_.Linear(t.normed, head_->weight, t.logits, Tokens(k), vocab(), hidden());
    kernels_.CrossEntropy(t.logits, t.targets.data(), t.weights.data(), t.losses, t.d_logits, Tokens(k), vocab());
    kernels_.AddWeighted(t.weights.data(), t.losses, Tokens(k), loss_);
  }

  void CarveBackward(int k, Carver& carver) override { At(k).dy = carver.Take<Value>(Tokens(k) * hidden()); }

  void Backward(int k, WeightsWhen weights) override {
    const Tape& t = At(k);
    kernels_.LinearInput(t.d_logits, head_->weight, t.dy, Tokens(k), vocab(), hidden());
    if (weights == WeightsWhen::kNow) WeightGradient(k);
    kernels_.NormBackward(t.dy, t.y, norm_.weight, t.dy, norm_.gradient, Tokens(k), hidden());
  }
  const Value* dy(int k) override { return At(k).dy; }

  void WeightGradient(int k) override {
    if (!flow_.layers_train) return;
    kernels_.LinearWeight(At(k).d_logits, At(k).normed, head_->gradient, Tokens(k), vocab(), hidden(), true);
  }

 private:
  struct Tape {
    Listed<Kernels, typename Kernels::Id> targets;
    Listed<Kernels, float> weights;  ///< of the tokens' losses
    Value *y, *normed, *logits, *d_logits, *dy;
    float* losses;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }
  std::int64_t hidden() const { return head_->shape.columns; }
  std::int64_t vocab() const { return head_->shape.rows; }

  PartContext<Kernels> context_;
  Kernels& kernels_;
  GradientFlow flow_;
  const Parameter<Kernels>& norm_;
  const Parameter<Kernels>* head_;
  typename Kernels::Sum& loss_;
  PartStep<Kernels> step_;
  std::vector<Tape> tapes_;
};

}  // namespace dflop::training
