// paper-baseline: the one data-blind plan of which DFLOP's paper and code history leave a trace.
//
// TP 8, PP 4 with the encoder on stage 0 and the LLM on stages 1–3, DP = GPUs / 32 (arXiv 2603.25120, Fig. 1, and the
// commented arguments of the repository's first scripts). In general: the largest TP ≤ 8 within a node that divides the
// LLM; encoders whose heads or widths forbid it get its largest divisor that divides them and are data-parallel inside
// the group, as their users run them; the largest PP ≤ 4 with TP·PP dividing the GPUs. Where that is impossible or
// memory is short: deeper pipelines, then more encoder stages, then smaller TPs, the first that fits. The microbatch
// count is the best on the planning batches.
#include <algorithm>

#include "models/tensor_parallel.hpp"
#include "policies/api/registry.hpp"
#include "policies/layout_search/race_decision.hpp"
#include "policies/layout_search/uniform_layouts.hpp"

namespace dflop {
namespace {

/// The largest divisor of `tp` that every encoder can be divided by; 0 where that is tp itself or there is none.
int EncoderTp(const ModelSpec& model, int tp) {
  const auto divides = [&](int degree) {
    for (int encoder = 0; encoder < model.llm_module(); ++encoder) {
      if (!DividesAmong(model, encoder, degree)) return false;
    }
    return true;
  };
  int encoder_tp = tp;
  while (!divides(encoder_tp)) encoder_tp /= 2;
  return encoder_tp == tp ? 0 : encoder_tp;
}

/// The largest divisor up to 4, then deeper ones for when memory is short.
std::vector<int> Depths(int groups) {
  std::vector<int> depths;
  for (int pp = 4; pp >= 1 && depths.empty(); --pp) {
    if (groups % pp == 0) depths.push_back(pp);
  }
  for (int pp = depths.front() + 1; pp <= groups; ++pp) {
    if (groups % pp == 0) depths.push_back(pp);
  }
  return depths;
}

/// One TP: every depth with the fewest encoder stages, then with one more, …
void AddDegrees(int tp, const PlanningProblem& problem, std::vector<HomogeneousDegrees>& all) {
  const ModelSpec& model = problem.cost.model();
  const ClusterSpec& cluster = problem.cost.cluster();
  const int groups = cluster.gpus() / tp;
  const DeviceChunks chunks = ChunksOf(problem.schedule);
  const std::vector<int> depths = Depths(groups);
  int most = model.encoders.empty() ? 1 : groups * chunks.each_way;
  for (const auto& encoder : model.encoders) most = std::min(most, encoder.shape.layers);
  for (int encoder_stages = 1; encoder_stages <= most; ++encoder_stages) {
    for (const int pp : depths) {
      const bool splits = !model.encoders.empty() && pp > 1;
      if (!splits && encoder_stages > 1) continue;
      const HomogeneousDegrees degrees{.tp = tp,
                                       .pp = pp,
                                       .dp = groups / pp,
                                       .encoder_stages = splits ? encoder_stages : 0,
                                       .chunks = chunks.each_way,
                                       .encoder_tp = EncoderTp(model, tp),
                                       .directions = chunks.directions};
      if (WhyImpossible(degrees, model, cluster).empty()) all.push_back(degrees);
    }
  }
}

/// In the order in which they are tried.
std::vector<HomogeneousDegrees> BaselineDegrees(const PlanningProblem& problem) {
  std::vector<HomogeneousDegrees> all;
  std::vector<int> sizes = GroupSizes(problem.cost.cluster());
  std::reverse(sizes.begin(), sizes.end());
  for (const int tp : sizes) AddDegrees(tp, problem, all);
  return all;
}

/// Whether weights and optimizer state leave room for a batch at all.
bool HasRoom(const ChoiceSpace& space, const PlanningProblem& problem, ChoiceEstimate& estimate) {
  bool fits = false;
  space.for_each(problem, [&](const LayoutChoice& choice, const std::vector<int>&) {
    fits = fits || estimate.Of(choice).state_fits;
  });
  return fits;
}

class PaperBaseline final : public LayoutPlanner {
 public:
  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const std::vector<HomogeneousDegrees> all = BaselineDegrees(problem);
    if (all.empty()) throw Infeasible("no degrees of the paper's baseline suit model, cluster and schedule");
    const std::vector<PlanningProblem> one{problem};
    ChoiceEstimate estimate(problem, RaceBatches(problem).front());
    const std::size_t budget = DefaultRaceBudget(problem.cost.cluster());
    for (const HomogeneousDegrees& degrees : all) {
      const ChoiceSpace space = TheseDegrees("baseline layout", {degrees});
      if (!HasRoom(space, problem, estimate)) continue;
      LayoutRace race(one, space, false, budget);
      if (std::optional<LayoutDecision> decision = DecideByRace(race)) {
        decision->reason = "the paper's baseline degrees; its microbatch count has " + decision->reason;
        return *std::move(decision);
      }
    }
    LayoutRace race(one, TheseDegrees("baseline layout", all), false, budget);
    race.Run();
    throw Infeasible(race.WhyNothingFits());
  }
};

const Registration<LayoutPlanner> kPaperBaseline{
    {"paper-baseline",
     "TP 8, PP 4, encoder on stage 0: the data-blind plan of DFLOP's code history (arXiv 2603.25120)",
     {}},
    [](const Parameters&) { return std::make_unique<PaperBaseline>(); }};

}  // namespace
}  // namespace dflop
