// The first stage of an encoder: x = pixels·Wᵀ + positions, tile after tile.
#include "real_runner/cpu/matrix.hpp"
#include "real_runner/cpu/part_ends.hpp"
#include "real_runner/cpu/random_fill.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

class PatchInput final : public InputEnd {
 public:
  explicit PatchInput(const PartContext& context)
      : context_(context),
        patch_(context.parameters.At(context.prefix() + "patch")),
        positions_(context.parameters.At(context.prefix() + "positions")) {}

  void Prepare(const PartStep& step) override {
    step_ = step;
    tapes_.resize(static_cast<std::size_t>(step.microbatches()));
    for (int k = 0; k < step.microbatches(); ++k) MakePixels(k);
  }

  void CarveForward(int k, Carver& layers) override { At(k).x = layers.Take(Tokens(k) * hidden()); }

  void Forward(int k) override {
    float* x = At(k).x;
    MultiplyTransposed(Pixels(k), ConstMatrix(patch_.weight, hidden(), patch_.shape.columns),
                       Matrix(x, Tokens(k), hidden()));
    const std::int64_t tile = positions_.shape.values();
    for (std::int64_t t = 0; t < TilesIn(step_.share(k).tiles); ++t) {
      Add(positions_.weight, x + t * tile, x + t * tile, tile);
    }
  }
  const float* x(int k) override { return At(k).x; }

  void CarveBackward(int k, Carver& carver) override { At(k).dx = carver.Take(Tokens(k) * hidden()); }
  float* dx(int k) override { return At(k).dx; }

  void Backward(int k, WeightsWhen weights) override {
    if (weights == WeightsWhen::kNow) WeightGradient(k);
  }

  void WeightGradient(int k) override {
    if (!patch_.shape.trainable) return;
    float* dx = At(k).dx;
    TransposedMultiply(ConstMatrix(dx, Tokens(k), hidden()), Pixels(k),
                       Matrix(patch_.gradient, hidden(), patch_.shape.columns), 1, 1);
    const std::int64_t tile = positions_.shape.values();
    for (std::int64_t t = 0; t < TilesIn(step_.share(k).tiles); ++t) {
      Add(dx + t * tile, positions_.gradient, positions_.gradient, tile);
    }
  }

 private:
  struct Tape {
    std::vector<float> pixels;  ///< [tokens, patch_values]
    float* x = nullptr;
    float* dx = nullptr;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t Tokens(int k) const { return step_.pack(k).tokens; }
  std::int64_t hidden() const { return patch_.shape.rows; }
  ConstMatrix Pixels(int k) { return {At(k).pixels.data(), Tokens(k), patch_.shape.columns}; }

  void MakePixels(int k) {
    std::vector<float>& pixels = At(k).pixels;
    const std::int64_t tile_values = positions_.shape.rows * patch_.shape.columns;
    pixels.resize(static_cast<std::size_t>(Tokens(k) * patch_.shape.columns));
    float* next = pixels.data();
    const std::string purpose = "pixels/" + std::to_string(step_.number) + "/" + context_.prefix();
    for (const TileRange& range : step_.share(k).tiles) {
      for (int tile = range.first; tile < range.first + range.count; ++tile, next += tile_values) {
        RandomStream random(context_.seed, purpose + std::to_string(range.sample) + "/" + std::to_string(tile));
        FillRandom(random, 0, 1, next, tile_values);
      }
    }
  }

  PartContext context_;
  const Parameter& patch_;
  const Parameter& positions_;
  PartStep step_;
  std::vector<Tape> tapes_;
};

}  // namespace

std::unique_ptr<InputEnd> MakePatchInput(const PartContext& context) { return std::make_unique<PatchInput>(context); }

}  // namespace dflop::cpu
