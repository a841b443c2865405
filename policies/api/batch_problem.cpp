// From samples and a layout to the numbers that a batch scheduler balances.
#include <algorithm>
#include <unordered_map>

#include "base/index.hpp"
#include "policies/api/batch_scheduler.hpp"
#include "policies/api/correction.hpp"
#include "policies/api/memory_caps.hpp"
#include "policies/api/module_stages.hpp"

namespace dflop {
namespace {

/// Time of each sample in its module's slowest stage, at the operating point of the mean microbatch: a sample is priced
/// as its share of a full microbatch of its like, so that kernels run at the efficiency of the packed length and
/// attention at the sample's own (arXiv 2603.25120, section 3.2.1).
class SamplePricer {
 public:
  SamplePricer(const CostModel& cost, const Layout& layout, int module, const SequenceBatch& mean)
      : cost_(cost), part_(SlowestPart(cost, layout, module, mean)) {
    mean_tokens_ = mean.tokens;
    mean_time_ = WholeTime(cost.Part(part_.part, mean, part_.kind)).value();
  }
  double PerToken() const { return mean_time_ / mean_tokens_; }
  double Sequence(const LlmSequence& sample) {
    const double length = sample.tokens;
    const auto [entry, is_new] = known_[sample.media].try_emplace(length);
    if (is_new) {
      SequenceBatch full;
      full.Add(length, mean_tokens_ / length, 0, sample.media);
      entry->second = WholeTime(cost_.Part(part_.part, full, part_.kind)).value() * (length / mean_tokens_);
    }
    return entry->second;
  }

 private:
  const CostModel& cost_;
  PlacedPart part_;
  double mean_tokens_ = 0;
  double mean_time_ = 0;
  /// Seconds by what cross-attention sees and by length: many samples are alike.
  std::unordered_map<double, std::unordered_map<double, double>> known_;
};

std::vector<double> EncoderCosts(const CostModel& cost, const Layout& layout, int encoder,
                                 const std::vector<SampleShape>& batch, const Correction* correction) {
  const auto e = static_cast<std::size_t>(encoder);
  const EncoderSpec& spec = cost.model().encoders[e];
  double tiles = 0;
  for (const SampleShape& sample : batch) tiles += sample.tiles[e];
  const double parts = static_cast<double>(layout.microbatches) * layout.replicas_of(encoder);
  const SamplePricer pricer(cost, layout, encoder, EncoderBatch(spec, std::max(1.0, tiles / parts)));
  std::vector<double> costs;
  costs.reserve(batch.size());
  for (const SampleShape& sample : batch) {
    const double tokens = static_cast<double>(sample.tiles[e]) * spec.tokens_per_tile();
    const double factor = correction != nullptr ? correction->Factor(encoder, tokens) : 1.0;
    costs.push_back(pricer.PerToken() * tokens * factor);
  }
  return costs;
}

/// Whole batch over so many parts.
SequenceBatch MeanBatch(const SequenceBatch& all, double parts) {
  SequenceBatch mean;
  for (const SequenceBatch::Group& group : all.groups) mean.Add(group.length, group.count / parts, 0, group.media);
  return mean;
}

SequenceBatch PackOf(const std::vector<SampleShape>& batch) {
  std::vector<LlmSequence> samples;
  samples.reserve(batch.size());
  for (const SampleShape& sample : batch) samples.push_back(SequenceOf(sample));
  return LlmBatch(samples, Packing::kPacked);
}

std::vector<double> LlmCosts(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch,
                             const Correction* correction) {
  const int llm = cost.model().llm_module();
  const SequenceBatch all = PackOf(batch);
  const double buckets = static_cast<double>(layout.microbatches) * layout.llm_replicas();
  const SequenceBatch mean = MeanBatch(all, buckets);
  SamplePricer pricer(cost, layout, llm, mean);
  std::vector<double> costs;
  costs.reserve(batch.size());
  for (const SampleShape& sample : batch) {
    const double factor = correction != nullptr ? correction->Factor(llm, sample.llm_tokens) : 1.0;
    costs.push_back(pricer.Sequence(SequenceOf(sample)) * factor);
  }
  return costs;
}

/// How long the slowest stage of every LLM replica takes for the mean microbatch, the longest counting 1. Encoders with
/// devices of their own serve all replicas alike.
std::vector<double> Paces(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch) {
  if (cost.cluster().kinds() == 1 && !cost.cluster().has_slow_gpus()) return {};
  const double parts = static_cast<double>(layout.microbatches) * layout.llm_replicas();
  std::vector<SequenceBatch> mean;  // by module
  mean.reserve(Index(cost.model().module_count()));
  for (std::size_t e = 0; e < cost.model().encoders.size(); ++e) {
    double tiles = 0;
    for (const SampleShape& sample : batch) tiles += sample.tiles[e];
    mean.push_back(EncoderBatch(cost.model().encoders[e], tiles / parts));
  }
  mean.push_back(MeanBatch(PackOf(batch), parts));
  std::vector<double> paces(Index(layout.llm_replicas()));
  for (const Stage& stage : layout.stages) {
    if (layout.feeds(stage.parts.front().module)) continue;
    Seconds time{0};
    for (const ModulePart& part : stage.parts) {
      time += WholeTime(cost.Part(part, mean[Index(part.module)], KindOf(stage, layout, cost.cluster())));
    }
    const double seconds = time.value() / SpeedOf(stage, layout, cost.cluster());
    paces[Index(stage.replica)] = std::max(paces[Index(stage.replica)], seconds);
  }
  const double longest = *std::max_element(paces.begin(), paces.end());
  if (longest <= 0) return {};
  for (double& pace : paces) pace /= longest;
  return paces;
}

/// One dimension per kind: the sum over its modules. A bucket is one LLM replica's share of the union that all replicas
/// of an encoder with devices of its own run together.
void AddDimensions(BatchProblem& problem, const Layout& layout) {
  const std::vector<int> kinds = DeviceKinds(layout);
  std::vector<std::size_t> dimension_of(kinds.size());
  for (std::size_t module = 0; module < kinds.size(); ++module) {
    const bool own_devices = layout.feeds(static_cast<int>(module));
    const double factor =
        own_devices ? static_cast<double>(layout.llm_replicas()) / layout.replicas_of(static_cast<int>(module)) : 1.0;
    if (kinds[module] == static_cast<int>(module)) {
      dimension_of[module] = problem.costs.size();
      problem.costs.emplace_back(problem.module_costs[module].size());
      problem.over_union.push_back(own_devices);
    }
    auto& sum = problem.costs[dimension_of[Index(kinds[module])]];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += problem.module_costs[module][i] * factor;
  }
}

/// A dimension that is one encoder alone counts whole tiles.
void AddGranules(BatchProblem& problem, const std::vector<SampleShape>& batch) {
  problem.granule.assign(problem.costs.size(), 0.0);
  if (problem.costs.size() != problem.module_costs.size()) return;  // modules share devices
  for (std::size_t e = 0; e + 1 < problem.costs.size(); ++e) {
    if (!batch.empty() && batch.front().tiles[e] > 0) problem.granule[e] = problem.costs[e][0] / batch.front().tiles[e];
  }
}

}  // namespace

BatchProblem MakeBatchProblem(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch,
                              const Correction* correction) {
  BatchProblem problem;
  problem.replicas = layout.llm_replicas();
  problem.microbatches = layout.microbatches;
  for (int e = 0; e < cost.model().llm_module(); ++e) {
    problem.module_costs.push_back(EncoderCosts(cost, layout, e, batch, correction));
  }
  problem.module_costs.push_back(LlmCosts(cost, layout, batch, correction));
  AddDimensions(problem, layout);
  problem.pace = Paces(cost, layout, batch);
  // Corrected costs of tiles are no whole multiples of anything.
  if (correction == nullptr) AddGranules(problem, batch);
  return problem;
}

BatchProblem MakeBatchProblem(const BatchContext& context) {
  BatchProblem problem = MakeBatchProblem(context.cost, context.layout, context.batch, context.correction);
  problem.caps = MemoryCaps(context);
  problem.context = std::make_shared<BatchContext>(context);
  return problem;
}

double LargestBucket(const BatchProblem& problem, const BatchPlan& plan, bool by_union) {
  double largest = 0;
  for (std::size_t d = 0; d < problem.costs.size(); ++d) {
    const bool mean = by_union && !problem.over_union.empty() && problem.over_union[d];
    for (std::size_t k = 0; k < Index(problem.microbatches); ++k) {
      double together = 0;
      for (const auto& replica : plan.buckets) {
        double load = 0;
        for (const int i : replica[k]) load += problem.costs[d][Index(i)];
        if (!mean) largest = std::max(largest, load);
        together += load;
      }
      if (mean) largest = std::max(largest, together / problem.replicas);
    }
  }
  return largest;
}

}  // namespace dflop
