#include "policies/layout_choice.hpp"

#include <algorithm>

#include "policies/uniform_layouts.hpp"

namespace dflop {
namespace {

using Visit = std::function<void(const LayoutChoice&, const std::vector<int>&)>;

/// TP × PP × DP of one module on `gpus` GPUs from `first_gpu` on, TP groups inside nodes.
std::vector<ModuleDegrees> DegreesOn(const PlanningProblem& problem, int module, int first_gpu, int gpus) {
  const ModelSpec& model = problem.cost.model();
  const int node = problem.cost.cluster().node.gpus;
  const TransformerShape& shape = model.shape(module);
  std::vector<ModuleDegrees> all;
  for (int tp = 1; tp <= std::min(8, node); tp *= 2) {
    const bool stays_in_node = node % tp == 0 && first_gpu % tp == 0;
    if (gpus % tp != 0 || !stays_in_node || shape.heads % tp != 0) continue;
    const int groups = gpus / tp;
    for (int pp = 1; pp <= std::min(groups, shape.layers); ++pp) {
      if (groups % pp == 0) all.push_back({tp, pp, groups / pp, false});
    }
  }
  return all;
}

class CountTable {
 public:
  explicit CountTable(int global_batch_size)
      : size_(global_batch_size), counts_(static_cast<std::size_t>(global_batch_size) + 1) {}

  const std::vector<int>& Of(int replicas) {
    static const std::vector<int> kNone;
    if (replicas > size_) return kNone;
    std::vector<int>& counts = counts_[static_cast<std::size_t>(replicas)];
    if (counts.empty()) counts = MicrobatchCounts(size_, replicas);
    return counts;
  }

 private:
  int size_;
  std::vector<std::vector<int>> counts_;
};

void VisitHomogeneous(const PlanningProblem& problem, CountTable& counts, const Visit& visit) {
  const int chunks = problem.schedule.chunks();
  const ModelSpec& model = problem.cost.model();
  const ClusterSpec& cluster = problem.cost.cluster();
  std::vector<HomogeneousDegrees> all = UniformDegrees(model, cluster, chunks);
  const std::vector<HomogeneousDegrees> colocated = ColocatedDegrees(model, cluster, chunks);
  all.insert(all.end(), colocated.begin(), colocated.end());
  for (const HomogeneousDegrees& d : all) {
    LayoutChoice choice;
    choice.family = d.pp == 1 ? LayoutFamily::kNoPipeline : LayoutFamily::kHomogeneous;
    choice.llm = {d.tp, d.pp, d.dp, false};
    choice.encoder_stages = d.encoder_stages;
    choice.encoder_tp = d.encoder_tp;
    choice.chunks = d.chunks;
    if (!counts.Of(d.dp).empty()) visit(choice, counts.Of(d.dp));
  }
}

void VisitSeparate(const PlanningProblem& problem, CountTable& counts, const Visit& visit) {
  const int gpus = problem.cost.cluster().gpus();
  LayoutChoice choice;
  for (int encoder_gpus = 1; encoder_gpus < gpus; ++encoder_gpus) {
    const auto llms = DegreesOn(problem, 1, encoder_gpus, gpus - encoder_gpus);
    if (llms.empty()) continue;
    for (const ModuleDegrees& encoder : DegreesOn(problem, 0, 0, encoder_gpus)) {
      choice.encoder = encoder;
      for (const ModuleDegrees& llm : llms) {
        choice.llm = llm;
        if (counts.Of(llm.dp).empty()) continue;
        for (const LayoutFamily family : {LayoutFamily::kSeparateHub, LayoutFamily::kSeparateDirect}) {
          choice.family = family;
          visit(choice, counts.Of(llm.dp));
        }
      }
    }
  }
}

}  // namespace

Layout BuildLayout(const LayoutChoice& choice, const ModelSpec& model, const ClusterSpec& cluster) {
  if (!choice.separate()) {
    return BuildLayout(HomogeneousDegrees{.tp = choice.llm.tp,
                                          .pp = choice.llm.pp,
                                          .dp = choice.llm.dp,
                                          .encoder_stages = choice.encoder_stages,
                                          .microbatches = choice.microbatches,
                                          .chunks = choice.chunks,
                                          .encoder_tp = choice.encoder_tp,
                                          .fewer_last = choice.fewer_last},
                       model, cluster);
  }
  const bool hub = choice.family == LayoutFamily::kSeparateHub;
  return BuildLayout(SeparateDegrees{.encoders = {choice.encoder},
                                     .llm = choice.llm,
                                     .microbatches = choice.microbatches,
                                     .communicator = hub ? Communicator::kHub : Communicator::kDirect,
                                     .fewer_last = choice.fewer_last},
                     model, cluster);
}

void ForEachChoice(const PlanningProblem& problem, const Visit& visit) {
  CountTable counts(problem.global_batch_size);
  VisitHomogeneous(problem, counts, visit);
  // An interleaved schedule has no meaning where encoder and LLM are chains of their own; a model of several encoders
  // would need a split per encoder.
  if (problem.cost.model().encoders.size() == 1 && problem.schedule.chunks() == 1) {
    VisitSeparate(problem, counts, visit);
  }
}

}  // namespace dflop
