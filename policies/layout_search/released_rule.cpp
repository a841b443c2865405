// Rounding to two decimals, the memory factor of 1.25 and the tolerance of 1.1 are the released code's.
#include "policies/layout_search/released_rule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "policies/layout_search/released_flops.hpp"

namespace dflop {
namespace {

constexpr double kMemorySafety = 1.25;
constexpr double kTolerance = 1.1;

double TwoDecimals(double value) { return std::nearbyint(value * 100) / 100; }

/// Linear between its points and beyond them.
class Line {
 public:
  void Add(double x, double y) {
    points_.insert(std::upper_bound(points_.begin(), points_.end(), std::pair(x, y)), {x, y});
  }
  double At(double x) const {
    const auto above =
        std::lower_bound(points_.begin(), points_.end(), x, [](auto point, double v) { return point.first < v; });
    const auto hi = std::clamp(above, points_.begin() + 1, points_.end() - 1);
    const auto lo = hi - 1;
    return (hi->second - lo->second) / (hi->first - lo->first) * (x - lo->first) + lo->second;
  }

 private:
  std::vector<std::pair<double, double>> points_;
};

/// One TP of one module, per GPU.
struct Rank {
  int tp = 1;
  Line rate;       ///< TFLOP/s against tiles, or tokens of a pack: everything, or all but attention
  Line attention;  ///< of the LLM, against tokens of a sample
  double mean_attention = 0;
  // GiB; activations per token of a microbatch.
  double state = 0;
  double state_per_layer = 0;
  double activations = 0;
  double activations_per_layer = 0;
};

Rank& RankOf(std::vector<Rank>& ranks, int tp) {
  const auto found = std::find_if(ranks.begin(), ranks.end(), [tp](const Rank& rank) { return rank.tp == tp; });
  if (found != ranks.end()) return *found;
  ranks.emplace_back().tp = tp;
  return ranks.back();
}

/// Through the first two measurements of a TP: the lower layer counts for the state, the first in the table for the
/// activations. `tokens` of a batch of one.
void SetMemory(const std::vector<ReleaseProfile::Memory>& table, double tokens, Rank& rank) {
  std::vector<ReleaseProfile::Memory> rows;
  for (const ReleaseProfile::Memory& row : table) {
    if (row.tp == rank.tp) rows.push_back(row);
  }
  const double per_token = rows[0].batch * (tokens > 0 ? tokens : rows[0].length);
  const double slope = (rows[1].forward_gib - rows[0].forward_gib) / (rows[1].layers - rows[0].layers);
  rank.activations_per_layer = slope / per_token;
  rank.activations = (rows[0].forward_gib - rows[0].layers * slope) / per_token;
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.layers < b.layers; });
  rank.state_per_layer = (rows[1].state_gib - rows[0].state_gib) / (rows[1].layers - rows[0].layers);
  rank.state = rows[0].state_gib - rows[0].layers * rank.state_per_layer;
}

double Peak(const Rank& rank, int layers, int stages, double tokens, int in_flight) {
  const int fullest = (layers + stages - 1) / stages;
  const double state = rank.state + fullest * rank.state_per_layer;
  const double activations = (rank.activations + rank.activations_per_layer * fullest) * tokens;
  return (state + in_flight * activations) * kMemorySafety;
}

/// What one module's samples look like to the rule.
struct Sizes {
  double mean = 0;
  double most = 0;
  double mean_tflop = 0;
};

template <typename Tflop>
Sizes SizesOf(const std::vector<int>& samples, Tflop tflop) {
  Sizes sizes;
  for (const int size : samples) {
    sizes.mean += size;
    sizes.most = std::max(sizes.most, static_cast<double>(size));
    sizes.mean_tflop += tflop(size);
  }
  const auto count = static_cast<double>(samples.size());
  sizes.mean /= count;
  sizes.mean_tflop /= count;
  return sizes;
}

struct Degrees {
  const Rank* rank = nullptr;
  int pp = 1;
  int dp = 1;
  ModuleDegrees plain() const { return {.tp = rank->tp, .pp = pp, .dp = dp}; }
};

std::vector<Degrees> Factorisations(const std::vector<Rank>& ranks, int gpus) {
  std::vector<Degrees> all;
  for (const Rank& rank : ranks) {
    if (gpus % rank.tp != 0) continue;
    const int groups = gpus / rank.tp;
    for (int pp = 1; pp <= groups; ++pp) {
      if (groups % pp == 0) all.push_back({&rank, pp, groups / pp});
    }
  }
  return all;
}

class Rule {
 public:
  explicit Rule(const ReleasedInputs& inputs) : inputs_(inputs) {
    ReadEncoder();
    ReadLlm();
  }

  ReleasedAnswer Choose() {
    const bool complete = inputs_.model.encoders.empty() ? TryAll(nullptr, inputs_.gpus) : TrySplits();
    if (complete && best_) {
      best_->admitted = admitted_;
      return {best_, ""};
    }
    if (admitted_ == 0) return {std::nullopt, "its memory rule lets no layout pass; the least bad, " + least_bad_};
    return {std::nullopt, complete ? "it accepts none of the layouts that its memory rule lets pass"
                                   : "the first layout that its memory rule lets pass has more replicas of the LLM "
                                     "than a global batch has samples"};
  }

 private:
  void ReadEncoder() {
    if (inputs_.model.encoders.empty()) return;
    const EncoderSpec& encoder = inputs_.model.encoders.front();
    const int width = inputs_.model.llm.shape.hidden;
    for (const ReleaseProfile::Time& row : inputs_.profile.encoder) {
      const double tflop = ReleasedEncoderTflop(encoder, row.size, row.layers, width);
      RankOf(encoder_, row.tp).rate.Add(row.size, TwoDecimals(tflop / (row.time_ms * row.tp) * 1000));
    }
    for (Rank& rank : encoder_) SetMemory(inputs_.profile.encoder_memory, encoder.tokens_per_tile(), rank);
    tiles_ = SizesOf(inputs_.profile.tiles,
                     [&](int tiles) { return ReleasedEncoderTflop(encoder, tiles, encoder.shape.layers, width); });
  }

  void ReadLlm() {
    const LlmSpec& llm = inputs_.model.llm;
    for (const ReleaseProfile::Time& row : inputs_.profile.llm) {
      const ReleaseProfile::Time* skipped = row.PartnerIn(inputs_.profile.llm_without_attention);
      if (skipped == nullptr) continue;
      const double attention_ms = row.time_ms - skipped->time_ms;
      const double linear_ms = TwoDecimals(row.time_ms - attention_ms);
      const double attention = ReleasedAttentionTflop(llm, row.size, row.layers);
      const double linear = ReleasedLlmTflop(llm, row.size, row.layers) - attention;
      Rank& rank = RankOf(llm_, row.tp);
      rank.rate.Add(row.size, TwoDecimals(linear / (linear_ms * row.tp) * 1000));
      rank.attention.Add(row.size, TwoDecimals(attention / (TwoDecimals(attention_ms) * row.tp) * 1000));
    }
    const std::vector<int>& samples = inputs_.profile.llm_tokens;
    const int layers = llm.shape.layers;
    tokens_ = SizesOf(samples, [&](int tokens) { return ReleasedLlmTflop(llm, tokens, layers); });
    const double attention =
        SizesOf(samples, [&](int tokens) { return ReleasedAttentionTflop(llm, tokens, layers); }).mean_tflop;
    attention_share_ = attention / tokens_.mean_tflop;
    linear_share_ = (tokens_.mean_tflop - attention) / tokens_.mean_tflop;
    for (Rank& rank : llm_) {
      SetMemory(inputs_.profile.llm_memory, 0, rank);
      for (const int tokens : samples) rank.mean_attention += rank.attention.At(tokens);
      rank.mean_attention /= static_cast<double>(samples.size());
    }
  }

  /// False where the released code ends with an error.
  bool TrySplits() {
    for (int gpus = 1; gpus < inputs_.gpus; ++gpus) {
      for (const Degrees& encoder : Factorisations(encoder_, gpus)) {
        if (!TryAll(&encoder, inputs_.gpus - gpus)) return false;
      }
    }
    return true;
  }
  bool TryAll(const Degrees* encoder, int llm_gpus) {
    const std::vector<Degrees> llms = Factorisations(llm_, llm_gpus);
    return std::all_of(llms.begin(), llms.end(), [&](const Degrees& llm) { return Try(encoder, llm); });
  }

  bool MemoryFits(const Degrees* encoder, const Degrees& llm) {
    const double llm_peak = Peak(*llm.rank, inputs_.model.llm.shape.layers, llm.pp, tokens_.most, llm.pp);
    double encoder_peak = 0;
    if (encoder != nullptr) {
      const EncoderSpec& spec = inputs_.model.encoders.front();
      const double tokens = tiles_.most * llm.dp / encoder->dp * spec.tokens_per_tile();
      encoder_peak = Peak(*encoder->rank, spec.shape.layers, encoder->pp, tokens, encoder->pp + llm.pp);
    }
    const double peak = std::max(llm_peak, encoder_peak);
    if (peak <= inputs_.gpu_memory_gib) return true;
    if (peak < least_peak_) {
      least_peak_ = peak;
      least_bad_ = (encoder != nullptr ? "encoder " + DegreesText(encoder->plain()) + " and " : "") + "LLM " +
                   DegreesText(llm.plain()) +
                   Format(", wants %.1f GiB on a GPU of its %s where %.1f are", peak,
                          encoder_peak > llm_peak ? "encoder" : "LLM", inputs_.gpu_memory_gib);
    }
    return false;
  }

  /// Means of one microbatch of a replica.
  struct Mean {
    double samples = 0;
    double size = 0;
  };
  Mean MeanOf(const Sizes& sizes, int m, int dp) const {
    const double samples = inputs_.global_batch_size / (static_cast<double>(m) * dp);
    return {samples, sizes.mean * samples};
  }

  /// Leaves m and the means where the last one tried left them. Counts from the incumbent's up are not tried: whatever
  /// they turn out to be, they are not accepted.
  void ChooseMicrobatches(const Degrees* encoder, const Degrees& llm) {
    const int most = inputs_.global_batch_size / llm.dp;
    for (int m = 1; m <= most; ++m) {
      microbatches_ = m;
      if (best_ && m >= best_->microbatches) return;
      llm_mean_ = MeanOf(tokens_, m, llm.dp);
      if (encoder != nullptr) encoder_mean_ = MeanOf(tiles_, m, encoder->dp);
      if (llm_mean_.samples < 1 || (encoder != nullptr && encoder_mean_.samples < 1)) continue;
      if (llm_mean_.size <= tokens_.most && (encoder == nullptr || encoder_mean_.size <= tiles_.most)) return;
    }
  }

  /// False where the released code ends with an error.
  bool Try(const Degrees* encoder, const Degrees& llm) {
    if (!MemoryFits(encoder, llm)) return true;
    ++admitted_;
    ChooseMicrobatches(encoder, llm);
    if (microbatches_ == 0) return false;
    if (best_ && microbatches_ >= best_->microbatches) return true;
    ReleasedPlan plan;
    plan.llm = llm.plain();
    plan.microbatches = microbatches_;
    plan.llm_tflops_per_gpu =
        linear_share_ * llm.rank->rate.At(llm_mean_.size) + attention_share_ * llm.rank->mean_attention;
    double slowest = tokens_.mean_tflop * llm_mean_.samples / (plan.llm_tflops_per_gpu * llm.rank->tp * llm.pp);
    int depth = llm.pp;
    if (encoder != nullptr) {
      plan.encoder = encoder->plain();
      plan.encoder_tflops_per_gpu = encoder->rank->rate.At(encoder_mean_.size);
      const double time =
          tiles_.mean_tflop * encoder_mean_.samples / (plan.encoder_tflops_per_gpu * encoder->rank->tp * encoder->pp);
      slowest = std::max(time, slowest);
      depth += encoder->pp;
    }
    plan.time = Seconds((microbatches_ + depth - 1) * slowest);
    const double worth = best_ ? best_->time.value() * kTolerance : std::numeric_limits<double>::infinity();
    if (plan.time.value() < worth) best_ = plan;
    return true;
  }

  const ReleasedInputs& inputs_;
  std::vector<Rank> encoder_;  ///< in the order of the tables
  std::vector<Rank> llm_;
  Sizes tiles_;
  Sizes tokens_;
  double attention_share_ = 0;
  double linear_share_ = 0;
  int admitted_ = 0;
  int microbatches_ = 0;
  Mean encoder_mean_;
  Mean llm_mean_;
  std::optional<ReleasedPlan> best_;
  double least_peak_ = std::numeric_limits<double>::infinity();
  std::string least_bad_ = "none, no TP of its tables divides the GPUs";
};

}  // namespace

ReleasedAnswer PlanAsReleased(const ReleasedInputs& inputs) { return Rule(inputs).Choose(); }

std::string DegreesText(const ModuleDegrees& degrees) {
  return "tp " + std::to_string(degrees.tp) + ", pp " + std::to_string(degrees.pp) + ", dp " +
         std::to_string(degrees.dp);
}

}  // namespace dflop
