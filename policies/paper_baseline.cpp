// paper-baseline: the one data-blind plan of which DFLOP's paper and code history leave a trace.
//
// TP 8, PP 4 with the encoder on stage 0 and the LLM on stages 1–3, DP = GPUs / 32 (arXiv 2603.25120, Fig. 1, and the
// commented arguments of the repository's first scripts). In general: the largest TP ≤ 8 that divides both modules'
// heads, the largest PP ≤ 4 with TP·PP dividing the GPUs, more LLM stages when memory demands it. The microbatch count
// is the best on the planning sample.
#include "policies/registry.hpp"
#include "policies/uniform_layouts.hpp"

namespace dflop {
namespace {

class PaperBaseline final : public LayoutPlanner {
 public:
  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const ModelSpec& model = problem.cost.model();
    const ClusterSpec& cluster = problem.cost.cluster();
    const std::vector<int> tensor = TensorDegrees(model, cluster);
    if (tensor.empty()) throw Infeasible("no tensor-parallel degree divides the heads of every module");
    const int tp = tensor.back();
    const int groups = cluster.gpus() / tp;
    std::string misfit;
    for (const int pp : Depths(groups)) {
      const HomogeneousDegrees degrees{.tp = tp,
                                       .pp = pp,
                                       .dp = groups / pp,
                                       .encoder_stages = !model.encoders.empty() && pp > 1 ? 1 : 0,
                                       .chunks = problem.schedule.chunks()};
      if (!WhyImpossible(degrees, model, cluster).empty()) continue;
      try {
        LayoutDecision decision = BestUniform(problem, {degrees}, "baseline layout");
        decision.reason = "the paper's baseline degrees; its microbatch count is " + decision.reason;
        return decision;
      } catch (const Infeasible& infeasible) {
        misfit = infeasible.what();  // deeper pipelines hold less per device
      }
    }
    throw Infeasible(misfit.empty() ? "no depth of the paper's baseline suits the model" : misfit);
  }

 private:
  /// The largest divisor up to 4, then deeper ones for when memory is short.
  static std::vector<int> Depths(int groups) {
    std::vector<int> depths;
    for (int pp = 4; pp >= 1 && depths.empty(); --pp) {
      if (groups % pp == 0) depths.push_back(pp);
    }
    for (int pp = depths.front() + 1; pp <= groups; ++pp) {
      if (groups % pp == 0) depths.push_back(pp);
    }
    return depths;
  }
};

const Registration<LayoutPlanner> kPaperBaseline{
    {"paper-baseline",
     "TP 8, PP 4, encoder on stage 0: the data-blind plan of DFLOP's code history (arXiv 2603.25120)",
     {}},
    [](const JsonReader&) { return std::make_unique<PaperBaseline>(); }};

}  // namespace
}  // namespace dflop
