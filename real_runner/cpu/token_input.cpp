// The first stage of the LLM: of every sample its V visual tokens, then its text.
//
// With P projected rows of the sample's tiles (encoders in order, tiles in order), visual token j is the mean of rows
// [⌊j·P/V⌋, max(⌊j·P/V⌋ + 1, ⌊(j + 1)·P/V⌋)): the identity where P = V, pooling where P > V, repetition where P < V.
// Without rows a visual token is zero; without visual tokens the rows are not used (the dummy tile of a text-only
// sample). A text token is the embedding of its id.
#include <algorithm>

#include "base/random.hpp"
#include "real_runner/cpu/part_ends.hpp"
#include "real_runner/cpu/row_kernels.hpp"

namespace dflop::cpu {
namespace {

/// Where a sample stands in its microbatch.
struct Place {
  int sample = 0;
  std::int64_t first_token = 0;
  std::int64_t visual = 0;
  std::int64_t text = 0;
  std::int64_t first_id = 0;  ///< in the microbatch's list of ids
};

/// body(visual token, first row, rows) with the window of every visual token.
template <typename Body>
void EachWindow(std::int64_t visual, std::int64_t rows, const Body& body) {
  for (std::int64_t j = 0; j < visual; ++j) {
    const std::int64_t first = j * rows / visual;
    body(j, first, std::max(first + 1, (j + 1) * rows / visual) - first);
  }
}

class TokenInput final : public InputEnd {
 public:
  explicit TokenInput(const PartContext& context)
      : context_(context), embedding_(context.parameters.At(context.prefix() + "embedding")) {
    for (const EncoderSpec& encoder : context.model.encoders) {
      wanted_ = wanted_ || EncoderGradients(encoder).projector_backward;
    }
  }

  void Prepare(const PartStep& step) override {
    step_ = step;
    tapes_.assign(static_cast<std::size_t>(step.microbatches()), {});
    for (int k = 0; k < step.microbatches(); ++k) MakeTokens(k);
  }

  void CarveForward(int k, Carver& layers) override { At(k).x = layers.Take(step_.pack(k).tokens * hidden()); }

  void Forward(int k) override {
    for (const Place& place : At(k).places) {
      float* x = At(k).x + place.first_token * hidden();
      MixRows(FirstRow(step_.mail_of(k).forward, place.sample), place, x);
      Embed(embedding_.weight, At(k).ids.data() + place.first_id, x + place.visual * hidden(), place.text, hidden());
    }
  }
  const float* x(int k) override { return At(k).x; }

  void CarveBackward(int k, Carver& carver) override { At(k).dx = carver.Take(step_.pack(k).tokens * hidden()); }
  float* dx(int k) override { return At(k).dx; }

  void Backward(int k, WeightsWhen weights) override {
    if (wanted_) {
      for (const Place& place : At(k).places) {
        SpreadGradient(At(k).dx + place.first_token * hidden(), place,
                       FirstRow(step_.mail_of(k).backward, place.sample));
      }
    }
    if (weights == WeightsWhen::kNow) WeightGradient(k);
  }

  void WeightGradient(int k) override {
    if (!embedding_.shape.trainable) return;
    for (const Place& place : At(k).places) {
      EmbedBackward(At(k).dx + (place.first_token + place.visual) * hidden(), At(k).ids.data() + place.first_id,
                    embedding_.gradient, place.text, hidden());
    }
  }

 private:
  struct Tape {
    std::vector<Place> places;
    std::vector<float> ids;
    float* x = nullptr;
    float* dx = nullptr;
  };

  Tape& At(int k) { return tapes_[static_cast<std::size_t>(k)]; }
  std::int64_t hidden() const { return embedding_.shape.columns; }

  void MakeTokens(int k) {
    std::int64_t token = 0;
    for (const int i : step_.share(k).samples) {
      const SampleShape& shape = step_.sample(i);
      At(k).places.push_back({i, token, shape.llm_tokens - shape.text_tokens, shape.text_tokens,
                              static_cast<std::int64_t>(At(k).ids.size())});
      token += shape.llm_tokens;
      RandomStream random(context_.seed, "ids/" + std::to_string(step_.number) + "/" + std::to_string(i));
      for (int t = 0; t < shape.text_tokens; ++t) {
        At(k).ids.push_back(static_cast<float>(random.Below(static_cast<std::uint64_t>(embedding_.shape.rows))));
      }
    }
  }

  std::int64_t RowsOf(int sample) const {
    std::int64_t rows = 0;
    for (std::size_t e = 0; e < context_.model.encoders.size(); ++e) {
      rows += std::int64_t{step_.sample(sample).tiles[e]} * context_.model.encoders[e].projected_tokens_per_tile();
    }
    return rows;
  }

  /// The rows of a sample's tiles follow each other as the stage has placed them; nullptr where it has none.
  float* FirstRow(Traffic& traffic, int sample) const {
    for (int e = 0; e < context_.model.llm_module(); ++e) {
      if (step_.sample(sample).tiles[static_cast<std::size_t>(e)] > 0) return traffic.tiles.At(e, sample, 0);
    }
    return nullptr;
  }

  void MixRows(const float* rows, const Place& place, float* x) const {
    if (rows == nullptr) {
      std::fill_n(x, place.visual * hidden(), 0.F);
      return;
    }
    EachWindow(place.visual, RowsOf(place.sample), [&](std::int64_t j, std::int64_t first, std::int64_t count) {
      MeanOfRows(rows + first * hidden(), x + j * hidden(), count, hidden());
    });
  }

  void SpreadGradient(const float* dx, const Place& place, float* rows) const {
    if (rows == nullptr) return;
    EachWindow(place.visual, RowsOf(place.sample), [&](std::int64_t j, std::int64_t first, std::int64_t count) {
      MeanOfRowsBackward(dx + j * hidden(), rows + first * hidden(), count, hidden());
    });
  }

  PartContext context_;
  const Parameter& embedding_;
  bool wanted_ = false;  ///< an encoder or projector trains
  PartStep step_;
  std::vector<Tape> tapes_;
};

}  // namespace

std::unique_ptr<InputEnd> MakeTokenInput(const PartContext& context) { return std::make_unique<TokenInput>(context); }

}  // namespace dflop::cpu
