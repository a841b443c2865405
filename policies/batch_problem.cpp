// From samples and a layout to the numbers that a batch scheduler balances.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "base/error.hpp"
#include "policies/batch_scheduler.hpp"
#include "policies/correction.hpp"

namespace dflop {
namespace {

Seconds WholeTime(const PartCost& cost) { return cost.forward.time + cost.backward.time + cost.weight_gradient.time; }

/// The distinct parts of a module: first stage, a middle one, last stage, …
std::vector<ModulePart> PartsOfModule(const Layout& layout, int module) {
  std::vector<ModulePart> parts;
  for (const Stage& stage : layout.stages) {
    if (stage.replica != 0) continue;
    for (const ModulePart& part : stage.parts) {
      if (part.module == module) parts.push_back(part);
    }
  }
  return parts;
}

/// Time of each sample in its module's slowest stage, at the operating point of the mean microbatch: a sample is priced
/// as its share of a full microbatch of its like, so that kernels run at the efficiency of the packed length and
/// attention at the sample's own (arXiv 2603.25120, section 3.2.1).
class SamplePricer {
 public:
  SamplePricer(const CostModel& cost, const Layout& layout, int module, const SequenceBatch& mean) : cost_(cost) {
    Seconds slowest{-1};
    for (const ModulePart& part : PartsOfModule(layout, module)) {
      const Seconds time = WholeTime(cost.Part(part, mean));
      if (time > slowest) slowest = time, part_ = part;
    }
    DFLOP_CHECK(slowest >= Seconds(0), "every module has a stage");
    mean_tokens_ = mean.tokens;
    mean_time_ = slowest.value();
  }
  double PerToken() const { return mean_time_ / mean_tokens_; }
  double Sequence(double length) {
    const auto [entry, is_new] = known_.try_emplace(length);
    if (is_new) {
      SequenceBatch full;
      full.Add(length, mean_tokens_ / length);
      entry->second = WholeTime(cost_.Part(part_, full)).value() * (length / mean_tokens_);
    }
    return entry->second;
  }

 private:
  const CostModel& cost_;
  ModulePart part_;
  double mean_tokens_ = 0;
  double mean_time_ = 0;
  std::unordered_map<double, double> known_;  ///< seconds by length: many samples are alike
};

std::vector<double> EncoderCosts(const CostModel& cost, const Layout& layout, int encoder,
                                 const std::vector<SampleShape>& batch, const Correction* correction) {
  const auto e = static_cast<std::size_t>(encoder);
  const EncoderSpec& spec = cost.model().encoders[e];
  double tiles = 0;
  for (const SampleShape& sample : batch) tiles += sample.tiles[e];
  const double parts = static_cast<double>(layout.microbatches) * layout.degrees[e].dp;
  const SamplePricer pricer(cost, layout, encoder, EncoderBatch(spec, std::max(1.0, tiles / parts)));
  // A bucket is one LLM replica's share of the union that all encoder replicas run together.
  const double union_factor =
      layout.separate_encoders ? static_cast<double>(layout.llm_replicas()) / layout.degrees[e].dp : 1.0;
  std::vector<double> costs;
  costs.reserve(batch.size());
  for (const SampleShape& sample : batch) {
    const double tokens = static_cast<double>(sample.tiles[e]) * spec.tokens_per_tile();
    const double factor = correction != nullptr ? correction->Factor(encoder, tokens) : 1.0;
    costs.push_back(pricer.PerToken() * tokens * union_factor * factor);
  }
  return costs;
}

std::vector<double> LlmCosts(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch,
                             const Correction* correction) {
  const int llm = cost.model().llm_module();
  std::vector<int> lengths;
  lengths.reserve(batch.size());
  for (const SampleShape& sample : batch) lengths.push_back(sample.llm_tokens);
  const SequenceBatch all = LlmBatch(lengths, Packing::kPacked);
  const double buckets = static_cast<double>(layout.microbatches) * layout.llm_replicas();
  SequenceBatch mean;
  for (const SequenceBatch::Group& group : all.groups) mean.Add(group.length, group.count / buckets);
  SamplePricer pricer(cost, layout, llm, mean);
  std::vector<double> costs;
  costs.reserve(batch.size());
  for (const SampleShape& sample : batch) {
    const double factor = correction != nullptr ? correction->Factor(llm, sample.llm_tokens) : 1.0;
    costs.push_back(pricer.Sequence(sample.llm_tokens) * factor);
  }
  return costs;
}

/// Modules that share a device are of one kind; kinds are named by their first module.
std::vector<int> DeviceKinds(const Layout& layout) {
  std::vector<int> kind(layout.degrees.size());
  std::iota(kind.begin(), kind.end(), 0);
  for (const Stage& stage : layout.stages) {
    const int first = kind[static_cast<std::size_t>(stage.parts.front().module)];
    for (const ModulePart& part : stage.parts) kind[static_cast<std::size_t>(part.module)] = first;
  }
  return kind;
}

/// One dimension per kind: the sum over its modules.
std::vector<std::vector<double>> SumByKind(const std::vector<std::vector<double>>& by_module, const Layout& layout) {
  const std::vector<int> kinds = DeviceKinds(layout);
  std::vector<std::vector<double>> sums;
  for (std::size_t module = 0; module < by_module.size(); ++module) {
    if (kinds[module] == static_cast<int>(module)) {
      sums.push_back(by_module[module]);
      continue;
    }
    auto& sum = sums[static_cast<std::size_t>(kinds[module])];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += by_module[module][i];
  }
  return sums;
}

}  // namespace

BatchProblem MakeBatchProblem(const CostModel& cost, const Layout& layout, const std::vector<SampleShape>& batch,
                              const Correction* correction) {
  BatchProblem problem;
  problem.replicas = layout.llm_replicas();
  problem.microbatches = layout.microbatches;
  for (int e = 0; e < cost.model().llm_module(); ++e) {
    problem.costs.push_back(EncoderCosts(cost, layout, e, batch, correction));
  }
  problem.costs.push_back(LlmCosts(cost, layout, batch, correction));
  problem.costs = SumByKind(problem.costs, layout);
  return problem;
}

double BucketLowerBound(const BatchProblem& problem) {
  double bound = 0;
  for (const auto& dimension : problem.costs) {
    double sum = 0;
    for (const double cost : dimension) {
      sum += cost;
      bound = std::max(bound, cost);
    }
    bound = std::max(bound, sum / problem.buckets());
  }
  return bound;
}

double LargestBucket(const BatchProblem& problem, const BatchPlan& plan) {
  double largest = 0;
  for (const auto& replica : plan.buckets) {
    for (const auto& bucket : replica) {
      for (const auto& dimension : problem.costs) {
        double load = 0;
        for (const int i : bucket) load += dimension[static_cast<std::size_t>(i)];
        largest = std::max(largest, load);
      }
    }
  }
  return largest;
}

}  // namespace dflop
