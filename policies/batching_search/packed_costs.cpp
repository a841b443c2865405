// The slowest stage of a module speaks for it, chosen at the mean microbatch of the batch.
#include "policies/batching_search/packed_costs.hpp"

#include <cmath>

#include "base/error.hpp"
#include "base/index.hpp"
#include "policies/api/correction.hpp"

namespace dflop {
namespace {

/// The work of the mean microbatch of one replica.
SequenceBatch MeanBatch(const BatchContext& context, int module) {
  const ModelSpec& model = context.cost.model();
  const int replicas = context.layout.replicas_of(module);
  const double parts = static_cast<double>(context.layout.microbatches) * replicas;
  double tiles = 0;
  SequenceBatch mean;
  for (const SampleShape& sample : context.batch) {
    if (model.is_llm(module)) {
      mean.Add(sample.llm_tokens, 1 / parts, 0, sample.media_tokens);
    } else {
      tiles += sample.tiles[Index(module)];
    }
  }
  return model.is_llm(module) ? mean : EncoderBatch(model.encoders[Index(module)], std::max(1.0, tiles / parts));
}

/// Tokens by which a correction knows a sample.
double TokensOf(const BatchContext& context, int module, std::size_t sample) {
  const ModelSpec& model = context.cost.model();
  const SampleShape& shape = context.batch[sample];
  if (model.is_llm(module)) return shape.llm_tokens;
  return static_cast<double>(shape.tiles[Index(module)]) * model.encoders[Index(module)].tokens_per_tile();
}

}  // namespace

PackedCosts::PackedCosts(const BatchProblem& problem, bool by_union) : problem_(problem) {
  DFLOP_CHECK(problem.context != nullptr, "packed costs need to know where the numbers come from");
  const BatchContext& context = *problem.context;
  const std::vector<int> kinds = DeviceKinds(context.layout);
  std::vector<std::size_t> dimension_of(kinds.size());
  for (std::size_t m = 0; m < kinds.size(); ++m) {
    const int id = static_cast<int>(m);
    if (kinds[m] == id) dimension_of[m] = modules_.size(), modules_.emplace_back();
    Module module{id, SlowestPart(context.cost, context.layout, id, MeanBatch(context, id)), problem.module_costs[m]};
    if (context.correction != nullptr) {
      for (std::size_t i = 0; i < module.uncorrected.size(); ++i) {
        module.uncorrected[i] /= context.correction->Factor(id, TokensOf(context, id, i));
      }
    }
    modules_[dimension_of[Index(kinds[m])]].push_back(std::move(module));
  }
  for (std::size_t d = 0; d < modules_.size(); ++d) {
    const bool own = !problem.over_union.empty() && problem.over_union[d];
    own_devices_.push_back(own);
    over_union_.push_back(own && by_union);
  }
}

double PackedCosts::Bucket(std::size_t d, const std::vector<int>& samples) const {
  double seconds = 0;
  for (const Module& module : modules_[d]) {
    if (problem_.context->cost.model().is_llm(module.module)) {
      seconds += Llm(module, samples);
      continue;
    }
    // An encoder with devices of its own runs this bucket's share of a union of equal buckets.
    const Layout& layout = problem_.context->layout;
    const double share =
        own_devices_[d] ? static_cast<double>(layout.llm_replicas()) / layout.replicas_of(static_cast<int>(d)) : 1.0;
    seconds += Encoder(module, Tiles(module, samples) * share, {&samples});
  }
  return seconds;
}

double PackedCosts::Union(std::size_t d, const std::vector<const std::vector<int>*>& buckets) const {
  double seconds = 0;
  for (const Module& module : modules_[d]) {
    double tiles = 0;
    for (const auto* bucket : buckets) tiles += Tiles(module, *bucket);
    const int replicas = problem_.context->layout.replicas_of(module.module);
    seconds += Encoder(module, std::ceil(tiles / replicas), buckets);
  }
  return seconds;
}

double PackedCosts::Llm(const Module& module, const std::vector<int>& samples) const {
  const BatchContext& context = *problem_.context;
  std::vector<LlmSequence> sequences;
  sequences.reserve(samples.size());
  for (const int i : samples) sequences.push_back(SequenceOf(context.batch[Index(i)]));
  const SequenceBatch packed = LlmBatch(sequences, context.cost.software().packing);
  return WholeTime(context.cost.Part(module.placed.part, packed, module.placed.kind)).value() *
         Factor(module, {&samples});
}

double PackedCosts::Encoder(const Module& module, double tiles,
                            const std::vector<const std::vector<int>*>& buckets) const {
  const BatchContext& context = *problem_.context;
  const SequenceBatch packed = EncoderBatch(context.cost.model().encoders[Index(module.module)], tiles);
  return WholeTime(context.cost.Part(module.placed.part, packed, module.placed.kind)).value() * Factor(module, buckets);
}

/// The mean of the samples' factors, weighted by what they cost without.
double PackedCosts::Factor(const Module& module, const std::vector<const std::vector<int>*>& buckets) const {
  if (problem_.context->correction == nullptr) return 1;
  double with = 0;
  double without = 0;
  for (const auto* bucket : buckets) {
    for (const int i : *bucket) {
      with += problem_.module_costs[Index(module.module)][Index(i)];
      without += module.uncorrected[Index(i)];
    }
  }
  return without > 0 ? with / without : 1;
}

double PackedCosts::Tiles(const Module& module, const std::vector<int>& samples) const {
  double tiles = 0;
  for (const int i : samples) tiles += problem_.context->batch[Index(i)].tiles[Index(module.module)];
  return tiles;
}

}  // namespace dflop
