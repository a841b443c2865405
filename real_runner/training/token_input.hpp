// The first stage of the LLM: of every sample its visual tokens, then its text (training/step_data.hpp, TokenPlan).
#pragma once

#include <utility>

#include "real_runner/training/part_ends.hpp"
#include "real_runner/training/step_data.hpp"

namespace dflop::training {

template <typename Kernels>
class TokenInput final : public InputEnd<Kernels> {
 public:
  using Value = typename Kernels::Value;

  explicit TokenInput(const PartContext<Kernels>& context)
      : context_(context), embedding_(context.parameters.At(context.prefix() + "embedding")) {
    for (const EncoderSpec& encoder : context.model.encoders) {
      wanted_ = wanted_ || EncoderGradients(encoder).projector_backward;
    }
  }

  void Prepare(const PartStep<Kernels>& step) override {
    step_ = step;
    tapes_.resize(static_cast<std::size_t>(step.microbatches()));
    for (int k = 0; k < step.microbatches(); ++k) {
      TokenPlan plan = PlanTokens(context_.model, *step.planned, step.share(k).samples,
                                  step.mail_of(k).forward.tiles.places, context_.seed, step.number);
      Tape& t = At(k);
      t.visual.Set(context_.kernels, std::move(plan.visual));
      t.gradient.Set(context_.kernels, std::move(plan.gradient));
      t.ids.Set(context_.kernels, {plan.ids.begin(), plan.ids.end()});
      t.places.Set(context_.kernels, std::move(plan.places));
    }
  }

  void CarveForward(int k, Carver& layers) override { At(k).x = layers.Take<Value>(step_.pack(k).tokens * hidden()); }

  void Forward(int k) override {
    const Tape& t = At(k);
    const Value* rows = step_.mail_of(k).forward.tiles.rows.data();
    context_.kernels.RowSums(rows, t.visual.data(), t.visual.count, t.x, hidden());
    context_.kernels.Embed(embedding_.weight, t.ids.data(), t.places.data(), t.ids.count, t.x, hidden());
  }
  const Value* x(int k) override { return At(k).x; }

  void CarveBackward(int k, Carver& carver) override { At(k).dx = carver.Take<Value>(step_.pack(k).tokens * hidden()); }
  Value* dx(int k) override { return At(k).dx; }

  void Backward(int k, WeightsWhen weights) override {
    const Tape& t = At(k);
    if (wanted_) {
      Value* rows = step_.mail_of(k).backward.tiles.rows.data();
      context_.kernels.RowSums(t.dx, t.gradient.data(), t.gradient.count, rows, hidden());
    }
    if (weights == WeightsWhen::kNow) WeightGradient(k);
  }

  void WeightGradient(int k) override {
    const Tape& t = At(k);
    if (!embedding_.shape.trainable) return;
    context_.kernels.EmbedBackward(t.dx, t.ids.data(), t.places.data(), t.ids.count, embedding_.gradient, hidden());
  }

 private:
  struct Tape {
    Listed<Kernels, RowRange> visual, gradient;
    Listed<Kernels, typename Kernels::Id> ids;
    Listed<Kernels, std::int64_t> places;
    Value* x = nullptr;
    Value* dx = nullptr;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t hidden() const { return embedding_.shape.columns; }

  PartContext<Kernels> context_;
  const Parameter<Kernels>& embedding_;
  bool wanted_ = false;  ///< an encoder or projector trains
  PartStep<Kernels> step_;
  std::vector<Tape> tapes_;
};

}  // namespace dflop::training
