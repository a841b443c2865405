// Microbatch counts are worked out once for each number of replicas: degrees come by the million.
#include "policies/layout_search/layout_choice.hpp"

#include <algorithm>
#include <utility>

#include "models/tensor_parallel.hpp"
#include "policies/layout_search/uniform_layouts.hpp"

namespace dflop {
namespace {

/// TP × PP × DP of one module on `gpus` GPUs from `first_gpu` on, TP groups inside nodes.
std::vector<ModuleDegrees> DegreesOn(const PlanningProblem& problem, int module, int first_gpu, int gpus) {
  const ModelSpec& model = problem.cost.model();
  const int node = problem.cost.cluster().smallest_domain();
  const TransformerShape& shape = model.shape(module);
  std::vector<ModuleDegrees> all;
  for (int tp = 1; tp <= std::min(8, node); tp *= 2) {
    const bool stays_in_node = node % tp == 0 && first_gpu % tp == 0;
    if (gpus % tp != 0 || !stays_in_node || !DividesAmong(model, module, tp)) continue;
    const int groups = gpus / tp;
    for (int pp = 1; pp <= std::min(groups, shape.layers); ++pp) {
      if (groups % pp == 0) all.push_back({tp, pp, groups / pp, false});
    }
  }
  return all;
}

LayoutChoice ChoiceOf(const HomogeneousDegrees& d) {
  LayoutChoice choice;
  choice.family = d.pp == 1 ? LayoutFamily::kNoPipeline : LayoutFamily::kHomogeneous;
  choice.llm = {.tp = d.tp, .pp = d.pp, .dp = d.dp, .cp = d.cp};
  choice.encoder_stages = d.encoder_stages;
  choice.encoder_tp = d.encoder_tp;
  choice.chunks = d.chunks;
  choice.directions = d.directions;
  return choice;
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

void VisitDegrees(const std::vector<HomogeneousDegrees>& all, int global_batch_size, const VisitChoice& visit) {
  CountTable counts(global_batch_size);
  for (const HomogeneousDegrees& d : all) {
    const std::vector<int>& of_replica = counts.Of(d.dp * d.directions);
    if (!of_replica.empty()) visit(ChoiceOf(d), of_replica);
  }
}

/// The LLM on the GPUs from `first_gpu` on, behind the choice's encoders.
void VisitLlms(const PlanningProblem& problem, int first_gpu, LayoutChoice choice, CountTable& counts,
               const VisitChoice& visit) {
  const int llm = problem.cost.model().llm_module();
  for (const ModuleDegrees& degrees : DegreesOn(problem, llm, first_gpu, problem.cost.cluster().gpus() - first_gpu)) {
    choice.llm = degrees;
    if (counts.Of(degrees.dp).empty()) continue;
    for (const LayoutFamily family : {LayoutFamily::kSeparateHub, LayoutFamily::kSeparateDirect}) {
      choice.family = family;
      visit(choice, counts.Of(degrees.dp));
    }
  }
}

void VisitSeparate(const PlanningProblem& problem, const VisitChoice& visit) {
  CountTable counts(problem.global_batch_size);
  LayoutChoice choice;
  for (int encoder_gpus = 1; encoder_gpus < problem.cost.cluster().gpus(); ++encoder_gpus) {
    for (const ModuleDegrees& encoder : DegreesOn(problem, 0, 0, encoder_gpus)) {
      choice.encoders.front() = encoder;
      VisitLlms(problem, encoder_gpus, choice, counts, visit);
    }
  }
}

/// Of one of several encoders: there are too many to try all.
std::vector<ModuleDegrees> FewDegreesOn(const PlanningProblem& problem, int module, int first_gpu, int gpus) {
  constexpr int kLongestPipeline = 4;
  std::vector<ModuleDegrees> few = DegreesOn(problem, module, first_gpu, gpus);
  std::erase_if(few, [](const ModuleDegrees& degrees) { return degrees.pp > kLongestPipeline; });
  return few;
}

void VisitTwoSeparate(const PlanningProblem& problem, const VisitChoice& visit) {
  CountTable counts(problem.global_batch_size);
  const std::vector<int> shares = MicrobatchCounts(problem.cost.cluster().gpus() - 1, 1);  // 2^k and 3·2^k
  LayoutChoice choice;
  for (const int first : shares) {
    const std::vector<ModuleDegrees> firsts = FewDegreesOn(problem, 0, 0, first);
    for (const int second : shares) {
      if (first + second >= problem.cost.cluster().gpus()) break;
      for (const ModuleDegrees& of_second : FewDegreesOn(problem, 1, first, second)) {
        choice.encoders[1] = of_second;
        for (const ModuleDegrees& of_first : firsts) {
          choice.encoders[0] = of_first;
          VisitLlms(problem, first + second, choice, counts, visit);
        }
      }
    }
  }
}

bool DivideAmong(const ModelSpec& model, int tp) {
  for (int e = 0; e < model.llm_module(); ++e) {
    if (!DividesAmong(model, e, tp)) return false;
  }
  return true;
}

void VisitSpread(const PlanningProblem& problem, const VisitChoice& visit) {
  CountTable counts(problem.global_batch_size);
  LayoutChoice choice;
  choice.family = LayoutFamily::kSpread;
  const ModelSpec& model = problem.cost.model();
  for (const ModuleDegrees& llm : DegreesOn(problem, model.llm_module(), 0, problem.cost.cluster().gpus())) {
    choice.llm = llm;
    if (counts.Of(llm.dp).empty()) continue;
    for (int tp = 1; tp <= llm.tp; tp *= 2) {
      if (llm.tp % tp != 0 || !DivideAmong(model, tp)) continue;
      choice.encoders.fill({.tp = tp, .spread = true});
      visit(choice, counts.Of(llm.dp));
    }
  }
}

}  // namespace

Layout BuildLayout(const LayoutChoice& choice, const ModelSpec& model, const ClusterSpec& cluster) {
  if (!choice.separate() && !choice.spread()) {
    return InSplits(BuildLayout(HomogeneousDegrees{.tp = choice.llm.tp,
                                                   .pp = choice.llm.pp,
                                                   .dp = choice.llm.dp,
                                                   .encoder_stages = choice.encoder_stages,
                                                   .microbatches = choice.microbatches,
                                                   .chunks = choice.chunks,
                                                   .encoder_tp = choice.encoder_tp,
                                                   .fewer_last = choice.fewer_last,
                                                   .cp = choice.llm.cp,
                                                   .directions = choice.directions},
                                model, cluster),
                    choice.splits);
  }
  const bool hub = choice.family == LayoutFamily::kSeparateHub;
  const auto encoders = choice.encoders.begin();
  return InSplits(BuildLayout(SeparateDegrees{.encoders = {encoders, encoders + model.llm_module()},
                                              .llm = choice.llm,
                                              .microbatches = choice.microbatches,
                                              .communicator = hub ? Communicator::kHub : Communicator::kDirect,
                                              .fewer_last = choice.fewer_last},
                              model, cluster),
                  choice.splits);
}

void ForEachUniformChoice(const PlanningProblem& problem, const VisitChoice& visit, bool context_parallel) {
  VisitDegrees(
      UniformDegrees(problem.cost.model(), problem.cost.cluster(), ChunksOf(problem.schedule), context_parallel),
      problem.global_batch_size, visit);
}

void ForEachChoice(const PlanningProblem& problem, const VisitChoice& visit, const LayoutAxes& axes) {
  ForEachUniformChoice(problem, visit, axes.context_parallel);
  // An interleaved schedule has no meaning where encoder and LLM are chains of their own.
  const std::size_t encoders = problem.cost.model().encoders.size();
  if (encoders == 0 || encoders > kSearchedEncoders || problem.schedule.chunks() > 1) return;
  encoders == 1 ? VisitSeparate(problem, visit) : VisitTwoSeparate(problem, visit);
  if (axes.spread) VisitSpread(problem, visit);
}

ChoiceSpace AllLayouts(const LayoutAxes& axes) {
  return {"layout",
          [axes](const PlanningProblem& problem, const VisitChoice& visit) { ForEachChoice(problem, visit, axes); }};
}

ChoiceSpace UniformLayouts(bool context_parallel) {
  return {"homogeneous layout", [context_parallel](const PlanningProblem& problem, const VisitChoice& visit) {
            ForEachUniformChoice(problem, visit, context_parallel);
          }};
}

ChoiceSpace TheseDegrees(std::string what, std::vector<HomogeneousDegrees> degrees) {
  return {std::move(what), [degrees = std::move(degrees)](const PlanningProblem& problem, const VisitChoice& visit) {
            VisitDegrees(degrees, problem.global_batch_size, visit);
          }};
}

}  // namespace dflop
