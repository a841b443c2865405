// Knows neither stages nor ranks: weights, pixels and tokens come from the same named streams as the workers'.
#include "tests/real_runner/model_reference.hpp"

#include <algorithm>
#include <cmath>

#include "base/index.hpp"
#include "real_runner/kernels/layer_operations.hpp"
#include "real_runner/training/random_fill.hpp"

namespace dflop::reference {
namespace {

std::size_t Size(std::int64_t count) { return static_cast<std::size_t>(count); }

void AddTo(Values& sum, const Values& more) {
  sum.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}

Values Slice(const Values& from, std::size_t first, std::size_t count) {
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

class StepReference {
 public:
  StepReference(const Plan& plan, std::size_t step, const Tensors& weights)
      : plan_(plan), model_(plan.model), planned_(plan.steps[step]), number_(step), weights_(weights) {}

  StepResult Run() {
    std::vector<int> samples;
    for (const auto& replica : planned_.plan.buckets) {
      for (const auto& bucket : replica) samples.insert(samples.end(), bucket.begin(), bucket.end());
    }
    double text = 0;
    double all = 0;
    for (const int i : samples) {
      text += planned_.batch[Index(i)].text_tokens;
      all += planned_.batch[Index(i)].llm_tokens;
    }
    text_only_ = text > 0;
    loss_tokens_ = text_only_ ? text : all;
    for (const int i : samples) RunSample(i);
    return std::move(result_);
  }

 private:
  const Values& W(const std::string& name) const { return weights_.at(name); }
  void Gain(const std::string& name, const Values& gradient) { AddTo(result_.gradients[name], gradient); }

  std::vector<Layer> Layers(int module, const Values& x) const {
    const TransformerShape& shape = model_.shape(module);
    const auto tokens = static_cast<std::int64_t>(x.size()) / shape.hidden;
    const CostRow row = LayerRow(shape, model_.is_llm(module), tokens, tokens, "backward", "fp32");
    std::vector<Layer> layers;
    for (int i = 0; i < shape.layers; ++i) {
      const std::string prefix = std::to_string(module) + "/" + std::to_string(i) + "/";
      layers.emplace_back(row, i == 0 ? x : layers.back().y(),
                          LayerWeights{W(prefix + "norm1"), W(prefix + "qkv"), W(prefix + "out"), W(prefix + "norm2"),
                                       W(prefix + "up"), W(prefix + "down")});
    }
    return layers;
  }

  Values LayersBackward(int module, const std::vector<Layer>& layers, Values dy) {
    for (std::size_t i = layers.size(); i-- > 0;) {
      const std::string prefix = std::to_string(module) + "/" + std::to_string(i) + "/";
      LayerGradients g = layers[i].Backward(dy);
      Gain(prefix + "norm1", g.weights.norm1);
      Gain(prefix + "qkv", g.weights.qkv);
      Gain(prefix + "out", g.weights.out);
      Gain(prefix + "norm2", g.weights.norm2);
      Gain(prefix + "up", g.weights.up);
      Gain(prefix + "down", g.weights.down);
      dy = std::move(g.dx);
    }
    return dy;
  }

  /// One tile on its way through an encoder.
  struct Tile {
    Values pixels;
    std::vector<Layer> layers;
    Values joined;  ///< [rows, projector input]
    Values inner;   ///< after the first linear layer, where there are two
    Values rows;    ///< [rows, LLM's width]
  };

  std::size_t Rows(int e) const { return Size(model_.encoders[Index(e)].projected_tokens_per_tile()); }
  std::size_t Width() const { return Size(model_.llm.shape.hidden); }

  Tile RunTile(int e, int sample, int number) const {
    const EncoderSpec& encoder = model_.encoders[Index(e)];
    const std::string prefix = std::to_string(e) + "/";
    const std::size_t tokens = Size(encoder.tokens_per_tile());
    const std::size_t hidden = Size(encoder.shape.hidden);
    const std::size_t patch = Size(encoder.patch_values());
    Tile tile;
    std::vector<float> pixels(tokens * patch);
    RandomStream random(
        static_cast<std::uint64_t>(plan_.seed),
        "pixels/" + std::to_string(number_) + "/" + prefix + std::to_string(sample) + "/" + std::to_string(number));
    training::FillRandom(random, 0, 1, pixels.data(), static_cast<std::int64_t>(pixels.size()));
    tile.pixels.assign(pixels.begin(), pixels.end());
    Values x = MultiplyTransposed(tile.pixels, W(prefix + "patch"), tokens, hidden, patch);
    AddTo(x, W(prefix + "positions"));
    tile.layers = Layers(e, x);
    const Values normed = Norm(tile.layers.back().y(), W(prefix + "norm"), hidden);
    const std::size_t rows = Rows(e);
    const std::size_t input = Size(encoder.projector_input_width());
    tile.joined = input * rows == hidden * tokens ? normed : Averages(normed, rows, tokens / rows, hidden);
    if (encoder.projector_layers == 0) {
      tile.rows = tile.joined;
      return tile;
    }
    tile.rows = MultiplyTransposed(tile.joined, W(prefix + "projector1"), rows, Width(), input);
    if (encoder.projector_layers == 1) return tile;
    tile.inner = tile.rows;
    Values act = tile.inner;
    for (double& value : act) value = Silu(value);
    tile.rows = MultiplyTransposed(act, W(prefix + "projector2"), rows, Width(), Width());
    return tile;
  }

  static Values Averages(const Values& x, std::size_t rows, std::size_t group, std::size_t width) {
    Values y(rows * width);
    for (std::size_t t = 0; t < rows * group; ++t) {
      for (std::size_t c = 0; c < width; ++c) {
        y[t / group * width + c] += x[t * width + c] / static_cast<double>(group);
      }
    }
    return y;
  }

  void TileBackward(int e, const Tile& tile, Values d_rows) {
    const EncoderSpec& encoder = model_.encoders[Index(e)];
    const std::string prefix = std::to_string(e) + "/";
    const std::size_t tokens = Size(encoder.tokens_per_tile());
    const std::size_t hidden = Size(encoder.shape.hidden);
    const std::size_t rows = Rows(e);
    const std::size_t input = Size(encoder.projector_input_width());
    if (encoder.projector_layers == 2) {
      Values act = tile.inner;
      for (double& value : act) value = Silu(value);
      Gain(prefix + "projector2", TransposedMultiply(d_rows, act, Width(), Width(), rows));
      d_rows = Multiply(d_rows, W(prefix + "projector2"), rows, Width(), Width());
      for (std::size_t i = 0; i < d_rows.size(); ++i) d_rows[i] *= SiluSlope(tile.inner[i]);
    }
    if (encoder.projector_layers > 0) {
      Gain(prefix + "projector1", TransposedMultiply(d_rows, tile.joined, Width(), input, rows));
      d_rows = Multiply(d_rows, W(prefix + "projector1"), rows, input, Width());
    }
    Values d_normed = d_rows;
    if (input * rows != hidden * tokens) {
      const std::size_t group = tokens / rows;
      d_normed.assign(tokens * hidden, 0);
      for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t c = 0; c < hidden; ++c) {
          d_normed[t * hidden + c] = d_rows[t / group * hidden + c] / static_cast<double>(group);
        }
      }
    }
    const NormGradients norm = NormBackward(d_normed, tile.layers.back().y(), W(prefix + "norm"), hidden);
    Gain(prefix + "norm", norm.dweight);
    const Values dx = LayersBackward(e, tile.layers, norm.dx);
    Gain(prefix + "positions", dx);
    Gain(prefix + "patch", TransposedMultiply(dx, tile.pixels, hidden, Size(encoder.patch_values()), tokens));
  }

  void RunSample(int i) {
    const SampleShape& shape = planned_.batch[Index(i)];
    std::vector<std::vector<Tile>> tiles(model_.encoders.size());
    Values projected;
    for (int e = 0; e < model_.llm_module(); ++e) {
      for (int t = 0; t < shape.tiles[Index(e)]; ++t) {
        tiles[Index(e)].push_back(RunTile(e, i, t));
        projected.insert(projected.end(), tiles[Index(e)].back().rows.begin(), tiles[Index(e)].back().rows.end());
      }
    }
    const Values d_projected = RunLlm(i, shape, projected);
    std::size_t first = 0;
    for (int e = 0; e < model_.llm_module(); ++e) {
      for (const Tile& tile : tiles[Index(e)]) {
        TileBackward(e, tile, Slice(d_projected, first, Rows(e) * Width()));
        first += Rows(e) * Width();
      }
    }
  }

  std::vector<std::size_t> Draws(const char* what, int sample, int count) const {
    RandomStream random(static_cast<std::uint64_t>(plan_.seed),
                        std::string(what) + "/" + std::to_string(number_) + "/" + std::to_string(sample));
    std::vector<std::size_t> draws;
    draws.reserve(Index(count));
    for (int i = 0; i < count; ++i) draws.push_back(random.Below(static_cast<std::uint64_t>(model_.llm.vocab)));
    return draws;
  }

  /// share[j][p]: what projected row p contributes to visual token j.
  static std::vector<Values> Shares(std::size_t visual, std::size_t rows) {
    std::vector<Values> shares(visual, Values(rows));
    for (std::size_t j = 0; j < visual && rows > 0; ++j) {
      const std::size_t begin = j * rows / visual;
      const std::size_t end = std::max(begin + 1, (j + 1) * rows / visual);
      for (std::size_t p = begin; p < end; ++p) shares[j][p] = 1 / static_cast<double>(end - begin);
    }
    return shares;
  }

  /// Returns the gradient of the projected rows.
  Values RunLlm(int i, const SampleShape& shape, const Values& projected) {
    const std::string prefix = std::to_string(model_.llm_module()) + "/";
    const std::size_t width = Width();
    const std::size_t tokens = Size(shape.llm_tokens);
    const std::size_t visual = Size(shape.llm_tokens - shape.text_tokens);
    const std::size_t rows = projected.size() / width;
    const std::vector<Values> shares = Shares(visual, rows);
    const std::vector<std::size_t> ids = Draws("ids", i, shape.text_tokens);
    Values x = Multiply(Flat(shares), projected, visual, width, rows);
    for (const std::size_t id : ids) {
      const Values row = Slice(W(prefix + "embedding"), id * width, width);
      x.insert(x.end(), row.begin(), row.end());
    }
    const std::vector<Layer> layers = Layers(model_.llm_module(), x);
    const std::string head = model_.llm.tied_embeddings ? prefix + "embedding" : prefix + "head";
    const std::size_t vocab = Size(model_.llm.vocab);
    const Values normed = Norm(layers.back().y(), W(prefix + "norm"), width);
    Values d_logits = MultiplyTransposed(normed, W(head), tokens, vocab, width);
    SoftmaxRows(d_logits, vocab);
    const std::vector<std::size_t> targets = Draws("targets", i, shape.llm_tokens);
    for (std::size_t t = 0; t < tokens; ++t) {
      const double weight = text_only_ && t < visual ? 0 : 1 / loss_tokens_;
      result_.loss -= weight * std::log(d_logits[t * vocab + targets[t]]);
      d_logits[t * vocab + targets[t]] -= 1;
      for (std::size_t c = 0; c < vocab; ++c) d_logits[t * vocab + c] *= weight;
    }
    Gain(head, TransposedMultiply(d_logits, normed, vocab, width, tokens));
    const NormGradients norm =
        NormBackward(Multiply(d_logits, W(head), tokens, width, vocab), layers.back().y(), W(prefix + "norm"), width);
    Gain(prefix + "norm", norm.dweight);
    const Values dx = LayersBackward(model_.llm_module(), layers, norm.dx);
    Values d_embedding(vocab * width);
    for (std::size_t t = 0; t < ids.size(); ++t) {
      for (std::size_t c = 0; c < width; ++c) d_embedding[ids[t] * width + c] += dx[(visual + t) * width + c];
    }
    Gain(prefix + "embedding", d_embedding);
    return TransposedMultiply(Flat(shares), Slice(dx, 0, visual * width), rows, width, visual);
  }

  static Values Flat(const std::vector<Values>& rows) {
    Values flat;
    for (const Values& row : rows) flat.insert(flat.end(), row.begin(), row.end());
    return flat;
  }

  const Plan& plan_;
  const ModelSpec& model_;
  const PlannedStep& planned_;
  std::size_t number_;
  const Tensors& weights_;
  bool text_only_ = false;  ///< text alone bears loss
  double loss_tokens_ = 0;
  StepResult result_;
};

}  // namespace

StepResult RunStep(const Plan& plan, std::size_t step, const Tensors& weights) {
  return StepReference(plan, step, weights).Run();
}

}  // namespace dflop::reference
