#include "policies/released_rule.hpp"

#include <algorithm>

#include "base/index.hpp"

namespace dflop {
namespace {

constexpr double kMemorySafety = 1.25;
constexpr double kTolerance = 1.1;

}  // namespace

ReleasedRule::ReleasedRule(const PlanningProblem& problem)
    : profile_(ProfileModel(problem.cost)),
      global_batch_size_(problem.global_batch_size),
      memory_(problem.cost.cluster().node.gpu.memory),
      samples_(problem.samples) {
  for (int module = 0; module <= llm(); ++module) sizes_.push_back(StatisticsOf(module));
  for (const RankProfile& rank : profile_.modules.back().ranks) attention_rates_.push_back(MeanAttentionRate(rank));
}

ReleasedRule::SizeStatistics ReleasedRule::StatisticsOf(int module) const {
  SizeStatistics sizes;
  const double count = static_cast<double>(samples_.size());
  for (const SampleShape& sample : samples_) {
    const double size = module == llm() ? sample.llm_tokens : sample.tiles[Index(module)];
    sizes.mean += size / count;
    sizes.mean_square += size * size / count;
    sizes.most = std::max(sizes.most, size);
  }
  return sizes;
}

double ReleasedRule::MeanSize(int module, int parts) const {
  return sizes_[Index(module)].mean * global_batch_size_ / parts;
}

bool ReleasedRule::Fits(const SeparatePair& pair) const {
  if (pair.encoder) {
    const double tiles = sizes_.front().most * pair.llm.dp / pair.encoder->dp;
    if (!SideFits(0, *pair.encoder, tiles, pair.depth())) return false;
  }
  return SideFits(llm(), pair.llm, sizes_.back().most, pair.llm.pp);
}

bool ReleasedRule::SideFits(int index, const ModuleDegrees& degrees, double size, int in_flight) const {
  const ModuleProfile& module = profile_.modules[Index(index)];
  const RankProfile& rank = *module.Find(degrees.tp);
  const int layers = (module.layers + degrees.pp - 1) / degrees.pp;
  const Bytes activations = (rank.activations * size + rank.square_activations * (size * size)) *
                            (static_cast<double>(layers) / module.layers);
  return (module.State(rank, degrees.pp, degrees.dp) + activations * in_flight) * kMemorySafety <= memory_;
}

int ReleasedRule::Microbatches(const SeparatePair& pair) const {
  int last = 0;
  for (int m = 1; m <= global_batch_size_ / pair.llm.dp; ++m) {
    if (pair.encoder && m * pair.encoder->dp > global_batch_size_) break;
    last = m;
    const bool tiles = !pair.encoder || MeanSize(0, m * pair.encoder->dp) <= sizes_.front().most;
    if (tiles && MeanSize(llm(), m * pair.llm.dp) <= sizes_.back().most) break;
  }
  return last;
}

Seconds ReleasedRule::StepTime(const SeparatePair& pair, int microbatches) const {
  Seconds slowest = LlmTime(pair.llm, microbatches * pair.llm.dp);
  if (pair.encoder) slowest = std::max(slowest, EncoderTime(*pair.encoder, microbatches * pair.encoder->dp));
  return slowest * (microbatches + pair.depth() - 1);
}

Seconds ReleasedRule::EncoderTime(const ModuleDegrees& degrees, int parts) const {
  const ModuleProfile& module = profile_.modules.front();
  return module.LinearTime(*module.Find(degrees.tp), MeanSize(0, parts)) / degrees.pp;
}

Seconds ReleasedRule::LlmTime(const ModuleDegrees& degrees, int parts) const {
  const ModuleProfile& module = profile_.modules.back();
  const RankProfile* rank = module.Find(degrees.tp);
  const Flops linear = module.linear_flops * sizes_.back().mean;
  const Flops attention = module.attention_flops * sizes_.back().mean_square;
  const double linear_share = linear / (linear + attention);
  const FlopsPerSecond attention_rate = attention_rates_[static_cast<std::size_t>(rank - module.ranks.data())];
  const FlopsPerSecond rate =
      rank->linear.At(MeanSize(llm(), parts)) * linear_share + attention_rate * (1 - linear_share);
  const double samples = static_cast<double>(global_batch_size_) / parts;
  return (linear + attention) * samples / (rate * (degrees.tp * degrees.pp));
}

FlopsPerSecond ReleasedRule::MeanAttentionRate(const RankProfile& rank) const {
  FlopsPerSecond sum{0};
  for (const SampleShape& sample : samples_) sum += rank.attention.At(sample.llm_tokens);
  return sum / static_cast<double>(samples_.size());
}

std::size_t PickAsReleased(const std::vector<ReleasedChoice>& choices) {
  std::size_t picked = 0;
  for (std::size_t i = 1; i < choices.size(); ++i) {
    const bool fast_enough = choices[i].time < choices[picked].time * kTolerance;
    if (fast_enough && choices[i].microbatches < choices[picked].microbatches) picked = i;
  }
  return picked;
}

}  // namespace dflop
