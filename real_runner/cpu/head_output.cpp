// The last stage of the LLM: final norm, head and cross entropy over the vocabulary, on all tokens.
//
// Loss of a step: Σ cross entropy over the tokens that bear loss ÷ their number, over all replicas and microbatches.
// Text bears loss, or every token where no sample of the step has text (sim/batch_plan.hpp, GradientWeights).
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"
#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/part_ends.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

/// Tokens of a planned step that bear loss.
struct LossTokens {
  explicit LossTokens(const PlannedStep& step) {
    double all = 0;
    for (const auto& replica : step.plan.buckets) {
      for (const auto& bucket : replica) {
        for (const int i : bucket) {
          text += step.batch[static_cast<std::size_t>(i)].text_tokens;
          all += step.batch[static_cast<std::size_t>(i)].llm_tokens;
        }
      }
    }
    count = text > 0 ? text : all;
  }
  double text = 0;
  double count = 0;
};

class HeadOutput final : public OutputEnd {
 public:
  HeadOutput(const PartContext& context, double& loss)
      : context_(context), flow_(context.flow()), norm_(context.parameters.At(context.prefix() + "norm")), loss_(loss) {
    const Parameter* own = context.parameters.Find(context.prefix() + "head");
    head_ = own != nullptr ? own : &context.parameters.At(context.prefix() + "embedding");
  }

  void Prepare(const PartStep& step) override {
    step_ = step;
    tapes_.assign(static_cast<std::size_t>(step.microbatches()), {});
    const LossTokens tokens(*step.planned);
    const auto shares = GradientWeights(step.planned->plan, step.planned->batch);
    for (int k = 0; k < step.microbatches(); ++k) {
      const double share = MakeTargets(k, tokens);
      const double planned = shares[static_cast<std::size_t>(context_.replica)][static_cast<std::size_t>(k)];
      DFLOP_CHECK(std::abs(share - planned) < 1e-6, "a microbatch weighs what the plan says");
    }
  }

  void CarveForward(int k, Carver& layers, Carver& kept, Carver& scratch) override {
    Tape& t = At(k);
    Carver& end = flow_.layers_backward ? kept : scratch;
    t.y = layers.Take(Tokens(k) * hidden());
    t.normed = end.Take(Tokens(k) * hidden());
    t.d_logits = end.Take(Tokens(k) * vocab());
    t.logits = scratch.Take(Tokens(k) * vocab());
    t.losses = scratch.Take(Tokens(k));
  }
  float* y(int k) override { return At(k).y; }

  void Forward(int k) override {
    const Tape& t = At(k);
    NormForward(t.y, norm_.weight, t.normed, Tokens(k), hidden());
    MultiplyTransposed(ConstMatrix(t.normed, Tokens(k), hidden()), Head(), Matrix(t.logits, Tokens(k), vocab()));
    CrossEntropy(t.logits, t.targets.data(), t.weights.data(), t.losses, t.d_logits, Tokens(k), vocab());
    for (std::size_t i = 0; i < t.weights.size(); ++i) {
      loss_ += static_cast<double>(t.weights[i]) * static_cast<double>(t.losses[i]);
    }
  }

  void CarveBackward(int k, Carver& carver) override { At(k).dy = carver.Take(Tokens(k) * hidden()); }

  void Backward(int k, WeightsWhen weights) override {
    const Tape& t = At(k);
    Multiply(LogitGradient(k), Head(), Matrix(t.dy, Tokens(k), hidden()));
    if (weights == WeightsWhen::kNow) WeightGradient(k);
    NormBackward(t.dy, t.y, norm_.weight, t.dy, norm_.gradient, Tokens(k), hidden());
  }
  const float* dy(int k) override { return At(k).dy; }

  void WeightGradient(int k) override {
    if (!flow_.layers_train) return;
    TransposedMultiply(LogitGradient(k), ConstMatrix(At(k).normed, Tokens(k), hidden()),
                       Matrix(head_->gradient, vocab(), hidden()), 1, 1);
  }

 private:
  struct Tape {
    std::vector<float> targets;
    std::vector<float> weights;  ///< of the tokens' losses: 1 ÷ their number in the step, or 0
    float *y, *normed, *logits, *losses, *d_logits, *dy;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }
  std::int64_t hidden() const { return head_->shape.columns; }
  std::int64_t vocab() const { return head_->shape.rows; }
  ConstMatrix Head() const { return {head_->weight, vocab(), hidden()}; }
  ConstMatrix LogitGradient(int k) { return {At(k).d_logits, Tokens(k), vocab()}; }

  /// Returns the microbatch's share of the tokens that bear loss.
  double MakeTargets(int k, const LossTokens& tokens) {
    Tape& t = At(k);
    double bearing = 0;
    for (const int i : step_.share(k).samples) {
      const SampleShape& shape = step_.sample(i);
      RandomStream random(context_.seed, "targets/" + std::to_string(step_.number) + "/" + std::to_string(i));
      for (int position = 0; position < shape.llm_tokens; ++position) {
        const bool bears = tokens.text <= 0 || position >= shape.llm_tokens - shape.text_tokens;
        t.targets.push_back(static_cast<float>(random.Below(static_cast<std::uint64_t>(vocab()))));
        t.weights.push_back(bears ? static_cast<float>(1 / tokens.count) : 0.F);
        bearing += bears ? 1 : 0;
      }
    }
    return bearing / tokens.count;
  }

  PartContext context_;
  GradientFlow flow_;
  const Parameter& norm_;
  const Parameter* head_;
  double& loss_;
  PartStep step_;
  std::vector<Tape> tapes_;
};

}  // namespace

std::unique_ptr<OutputEnd> MakeHeadOutput(const PartContext& context, double& loss) {
  return std::make_unique<HeadOutput>(context, loss);
}

}  // namespace dflop::cpu
