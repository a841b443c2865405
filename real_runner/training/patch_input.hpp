// The first stage of an encoder: x = pixels·Wᵀ + positions, tile after tile.
#pragma once

#include "real_runner/training/part_ends.hpp"
#include "real_runner/training/step_data.hpp"

namespace dflop::training {

template <typename Kernels>
class PatchInput final : public InputEnd<Kernels> {
 public:
  using Value = typename Kernels::Value;

  explicit PatchInput(const PartContext<Kernels>& context)
      : context_(context),
        patch_(context.parameters.At(context.prefix() + "patch")),
        positions_(context.parameters.At(context.prefix() + "positions")) {}

  void Prepare(const PartStep<Kernels>& step) override {
    step_ = step;
    tapes_.resize(static_cast<std::size_t>(step.microbatches()));
    for (int k = 0; k < step.microbatches(); ++k) {
      const std::int64_t tile_values = positions_.shape.rows * patch_.shape.columns;
      context_.kernels.UploadValues(
          At(k).pixels, Pixels(context_.seed, step.number, context_.part.module, step.share(k).tiles, tile_values));
    }
  }

  void CarveForward(int k, Carver& layers) override { At(k).x = layers.Take<Value>(Tokens(k) * hidden()); }

  void Forward(int k) override {
    context_.kernels.Linear(At(k).pixels.data(), patch_.weight, At(k).x, Tokens(k), hidden(), patch_.shape.columns);
    context_.kernels.AddRepeated(positions_.weight, At(k).x, Tiles(k), positions_.shape.values());
  }
  const Value* x(int k) override { return At(k).x; }

  void CarveBackward(int k, Carver& carver) override { At(k).dx = carver.Take<Value>(Tokens(k) * hidden()); }
  Value* dx(int k) override { return At(k).dx; }

  void Backward(int k, WeightsWhen weights) override {
    if (weights == WeightsWhen::kNow) WeightGradient(k);
  }

  void WeightGradient(int k) override {
    if (!patch_.shape.trainable) return;
    context_.kernels.LinearWeight(At(k).dx, At(k).pixels.data(), patch_.gradient, Tokens(k), hidden(),
                                  patch_.shape.columns, true);
    context_.kernels.SumRepeated(At(k).dx, positions_.gradient, Tiles(k), positions_.shape.values());
  }

 private:
  struct Tape {
    typename Kernels::template List<Value> pixels;  ///< [tokens, patch_values]
    Value* x = nullptr;
    Value* dx = nullptr;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }
  std::int64_t Tiles(int k) const { return CountTiles(step_.share(k).tiles); }
  std::int64_t hidden() const { return patch_.shape.rows; }

  PartContext<Kernels> context_;
  const Parameter<Kernels>& patch_;
  const Parameter<Kernels>& positions_;
  PartStep<Kernels> step_;
  std::vector<Tape> tapes_;
};

}  // namespace dflop::training
