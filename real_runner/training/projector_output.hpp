// The last stage of an encoder: final norm, f tokens become one, projector.
//
// f = tokens of a tile ÷ projected tokens of a tile. Where the projector is f times as wide as the encoder, f
// consecutive tokens are put side by side (in a row-major matrix they already are), otherwise they are averaged. The
// projector is 0, 1 or 2 linear layers with SiLU between.
#pragma once

#include "base/error.hpp"
#include "real_runner/training/part_ends.hpp"
#include "real_runner/training/step_data.hpp"

namespace dflop::training {

template <typename Kernels>
class ProjectorOutput final : public OutputEnd<Kernels> {
 public:
  using Value = typename Kernels::Value;

  explicit ProjectorOutput(const PartContext<Kernels>& context)
      : context_(context),
        kernels_(context.kernels),
        flow_(context.flow()),
        norm_(context.parameters.At(context.prefix() + "norm")),
        first_(context.parameters.Find(context.prefix() + "projector1")),
        second_(context.parameters.Find(context.prefix() + "projector2")),
        joined_tokens_(context.encoder().tokens_per_tile() / context.encoder().projected_tokens_per_tile()),
        width_(context.model.llm.shape.hidden),
        input_width_(context.encoder().projector_input_width()),
        averages_(input_width_ != joined_tokens_ * context.hidden()) {
    DFLOP_CHECK(context.encoder().tokens_per_tile() % context.encoder().projected_tokens_per_tile() == 0 &&
                    (!averages_ || input_width_ == context.hidden()),
                "tokens are joined or averaged in whole groups");
  }

  void Prepare(const PartStep<Kernels>& step) override {
    step_ = step;
    tapes_.resize(static_cast<std::size_t>(step.microbatches()));
    for (int k = 0; averages_ && k < step.microbatches(); ++k) {
      At(k).means.Set(kernels_, Means(Rows(k), joined_tokens_));
      At(k).means_backward.Set(kernels_, MeansBackward(Rows(k), joined_tokens_));
    }
  }

  void CarveForward(int k, Carver& layers, Carver& kept, Carver& scratch) override {
    Tape& t = At(k);
    Carver& end = flow_.projector_backward ? kept : scratch;
    t.y = layers.Take<Value>(Tokens(k) * context_.hidden());
    t.normed = end.Take<Value>(Tokens(k) * context_.hidden());
    t.joined = averages_ ? end.Take<Value>(Rows(k) * input_width_) : t.normed;
    if (second_ == nullptr) return;
    t.inner = end.Take<Value>(Rows(k) * width_);
    t.act = end.Take<Value>(Rows(k) * width_);
  }
  Value* y(int k) override { return At(k).y; }

  void Forward(int k) override {
    const Tape& t = At(k);
    const std::int64_t rows = Rows(k);
    kernels_.Norm(t.y, norm_.weight, t.normed, Tokens(k), context_.hidden());
    if (averages_) kernels_.RowSums(t.normed, t.means.data(), t.means.count, t.joined, input_width_);
    Value* projected = Projected(k, step_.mail_of(k).forward);
    if (first_ == nullptr) return kernels_.Copy(t.joined, projected, rows * width_);
    kernels_.Linear(t.joined, first_->weight, second_ ? t.inner : projected, rows, width_, input_width_);
    if (second_ == nullptr) return;
    kernels_.Silu(t.inner, t.act, rows * width_);
    kernels_.Linear(t.act, second_->weight, projected, rows, width_, width_);
  }

  void CarveBackward(int k, Carver& carver) override {
    Tape& t = At(k);
    if (second_ != nullptr) {
      t.d_act = carver.Take<Value>(Rows(k) * width_);
      t.d_inner = carver.Take<Value>(Rows(k) * width_);
    }
    if (!flow_.layers_backward) return;
    t.d_joined = carver.Take<Value>(Rows(k) * input_width_);
    t.dy = averages_ ? carver.Take<Value>(Tokens(k) * context_.hidden()) : t.d_joined;
  }

  void Backward(int k, WeightsWhen weights) override {
    const Tape& t = At(k);
    const std::int64_t rows = Rows(k);
    const Value* d_projected = Projected(k, step_.mail_of(k).backward);
    if (second_ != nullptr) {
      kernels_.LinearInput(d_projected, second_->weight, t.d_act, rows, width_, width_);
      kernels_.SiluBackward(t.d_act, t.inner, t.d_inner, rows * width_);
    }
    if (weights == WeightsWhen::kNow) WeightGradient(k);
    if (!flow_.layers_backward) return;
    if (first_ == nullptr) {
      kernels_.Copy(d_projected, t.d_joined, rows * width_);
    } else {
      kernels_.LinearInput(FirstGradient(k), first_->weight, t.d_joined, rows, width_, input_width_);
    }
    if (averages_) {
      kernels_.RowSums(t.d_joined, t.means_backward.data(), t.means_backward.count, t.dy, input_width_);
    }
    kernels_.NormBackward(t.dy, t.y, norm_.weight, t.dy, norm_.gradient, Tokens(k), context_.hidden());
  }
  const Value* dy(int k) override { return At(k).dy; }

  void WeightGradient(int k) override {
    if (!flow_.projector_train) return;
    const std::int64_t rows = Rows(k);
    if (second_ != nullptr) {
      kernels_.LinearWeight(Projected(k, step_.mail_of(k).backward), At(k).act, second_->gradient, rows, width_, width_,
                            true);
    }
    kernels_.LinearWeight(FirstGradient(k), At(k).joined, first_->gradient, rows, width_, input_width_, true);
  }

 private:
  struct Tape {
    Listed<Kernels, RowRange> means, means_backward;
    Value *y, *normed, *joined, *inner, *act, *d_act, *d_inner, *d_joined, *dy;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }
  std::int64_t Rows(int k) const { return Tokens(k) / joined_tokens_; }
  /// The gradient of what the first linear layer makes.
  const Value* FirstGradient(int k) {
    return second_ != nullptr ? At(k).d_inner : Projected(k, step_.mail_of(k).backward);
  }
  /// The part's own tiles follow each other in the order of its tokens.
  Value* Projected(int k, Traffic<Kernels>& traffic) const {
    for (const TileRange& range : step_.share(k).tiles) {
      if (range.count > 0) return traffic.tiles.At(context_.part.module, range.sample, range.first);
    }
    return nullptr;
  }

  PartContext<Kernels> context_;
  Kernels& kernels_;
  GradientFlow flow_;
  const Parameter<Kernels>& norm_;
  const Parameter<Kernels>* first_;
  const Parameter<Kernels>* second_;
  std::int64_t joined_tokens_;  ///< f
  std::int64_t width_;          ///< of the LLM
  std::int64_t input_width_;
  bool averages_;
  PartStep<Kernels> step_;
  std::vector<Tape> tapes_;
};

}  // namespace dflop::training
