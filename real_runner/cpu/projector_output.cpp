// The last stage of an encoder: final norm, f tokens become one, projector.
//
// f = tokens of a tile ÷ projected tokens of a tile. Where the projector is f times as wide as the encoder, f
// consecutive tokens are put side by side (in a row-major matrix they already are), otherwise they are averaged. The
// projector is 0, 1 or 2 linear layers with SiLU between.
#include <algorithm>

#include "base/error.hpp"
#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/part_ends.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

class ProjectorOutput final : public OutputEnd {
 public:
  explicit ProjectorOutput(const PartContext& context)
      : context_(context),
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

  void Prepare(const PartStep& step) override {
    step_ = step;
    tapes_.assign(static_cast<std::size_t>(step.microbatches()), {});
  }

  void CarveForward(int k, Carver& layers, Carver& kept, Carver& scratch) override {
    Tape& t = At(k);
    Carver& end = flow_.projector_backward ? kept : scratch;
    t.y = layers.Take(Tokens(k) * context_.hidden());
    t.normed = end.Take(Tokens(k) * context_.hidden());
    t.joined = averages_ ? end.Take(Rows(k) * input_width_) : t.normed;
    if (second_ == nullptr) return;
    t.inner = end.Take(Rows(k) * width_);
    t.act = end.Take(Rows(k) * width_);
  }
  float* y(int k) override { return At(k).y; }

  void Forward(int k) override {
    const Tape& t = At(k);
    const std::int64_t rows = Rows(k);
    NormForward(t.y, norm_.weight, t.normed, Tokens(k), context_.hidden());
    if (averages_) {
      for (std::int64_t r = 0; r < rows; ++r) {
        MeanOfRows(t.normed + r * joined_tokens_ * input_width_, t.joined + r * input_width_, joined_tokens_,
                   input_width_);
      }
    }
    float* projected = Projected(k, step_.mail_of(k).forward);
    if (first_ == nullptr) {
      Copy(t.joined, projected, rows * width_);
      return;
    }
    MultiplyTransposed(Joined(k), Weight(*first_), Matrix(second_ ? t.inner : projected, rows, width_));
    if (second_ == nullptr) return;
    Silu(t.inner, t.act, rows * width_);
    MultiplyTransposed(ConstMatrix(t.act, rows, width_), Weight(*second_), Matrix(projected, rows, width_));
  }

  void CarveBackward(int k, Carver& carver) override {
    Tape& t = At(k);
    if (second_ != nullptr) {
      t.d_act = carver.Take(Rows(k) * width_);
      t.d_inner = carver.Take(Rows(k) * width_);
    }
    if (!flow_.layers_backward) return;
    t.d_joined = carver.Take(Rows(k) * input_width_);
    t.dy = averages_ ? carver.Take(Tokens(k) * context_.hidden()) : t.d_joined;
  }

  void Backward(int k, WeightsWhen weights) override {
    const Tape& t = At(k);
    const std::int64_t rows = Rows(k);
    const ConstMatrix d_projected(Projected(k, step_.mail_of(k).backward), rows, width_);
    if (second_ != nullptr) {
      Multiply(d_projected, Weight(*second_), Matrix(t.d_act, rows, width_));
      SiluBackward(t.d_act, t.inner, t.d_inner, rows * width_);
    }
    if (weights == WeightsWhen::kNow) WeightGradient(k);
    if (!flow_.layers_backward) return;
    if (first_ == nullptr) {
      Copy(d_projected.data, t.d_joined, rows * width_);
    } else {
      Multiply(FirstGradient(k), Weight(*first_), Matrix(t.d_joined, rows, input_width_));
    }
    if (averages_) SpreadMeans(t, rows);
    NormBackward(t.dy, t.y, norm_.weight, t.dy, norm_.gradient, Tokens(k), context_.hidden());
  }
  const float* dy(int k) override { return At(k).dy; }

  void WeightGradient(int k) override {
    if (!flow_.projector_train) return;
    if (second_ != nullptr) {
      TransposedMultiply(ConstMatrix(Projected(k, step_.mail_of(k).backward), Rows(k), width_),
                         ConstMatrix(At(k).act, Rows(k), width_), Matrix(second_->gradient, width_, width_), 1, 1);
    }
    TransposedMultiply(FirstGradient(k), Joined(k), Matrix(first_->gradient, width_, input_width_), 1, 1);
  }

 private:
  struct Tape {
    float *y, *normed, *joined, *inner, *act, *d_act, *d_inner, *d_joined, *dy;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }
  std::int64_t Rows(int k) const { return Tokens(k) / joined_tokens_; }
  ConstMatrix Joined(int k) { return {At(k).joined, Rows(k), input_width_}; }
  static ConstMatrix Weight(const Parameter& p) { return {p.weight, p.shape.rows, p.shape.columns}; }
  /// The gradient of what the first linear layer makes.
  ConstMatrix FirstGradient(int k) {
    return {second_ != nullptr ? At(k).d_inner : Projected(k, step_.mail_of(k).backward), Rows(k), width_};
  }
  /// The part's own tiles follow each other in the order of its tokens.
  float* Projected(int k, Traffic& traffic) const {
    for (const TileRange& range : step_.share(k).tiles) {
      if (range.count > 0) return traffic.tiles.At(context_.part.module, range.sample, range.first);
    }
    return nullptr;
  }

  void SpreadMeans(const Tape& t, std::int64_t rows) const {
    std::fill_n(t.dy, rows * joined_tokens_ * input_width_, 0.F);
    for (std::int64_t r = 0; r < rows; ++r) {
      MeanOfRowsBackward(t.d_joined + r * input_width_, t.dy + r * joined_tokens_ * input_width_, joined_tokens_,
                         input_width_);
    }
  }

  PartContext context_;
  GradientFlow flow_;
  const Parameter& norm_;
  const Parameter* first_;
  const Parameter* second_;
  std::int64_t joined_tokens_;  ///< f
  std::int64_t width_;          ///< of the LLM
  std::int64_t input_width_;
  bool averages_;
  PartStep step_;
  std::vector<Tape> tapes_;
};

}  // namespace

std::unique_ptr<OutputEnd> MakeProjectorOutput(const PartContext& context) {
  return std::make_unique<ProjectorOutput>(context);
}

}  // namespace dflop::cpu
