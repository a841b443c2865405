// uniform-tuned: the best homogeneous layout there is, the yardstick of a team that tunes its parallel degrees.
//
// Every homogeneous layout (all encoder-stage counts, no pipeline at all) and every colocated one (encoders of fewer
// tensor-parallel ranks than the LLM, data-parallel inside a device group), every microbatch count worth trying, on as
// many planning batches as our own planner and by the same race (layout_race.hpp): what it loses to us, it loses for
// its layouts alone. Judged with the batcher that will run, so that `random` and a balancing batcher may get different
// layouts.
#include "policies/api/registry.hpp"
#include "policies/layout_search/race_decision.hpp"

namespace dflop {
namespace {

class UniformTuned final : public LayoutPlanner {
 public:
  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const std::vector<PlanningProblem> one{problem};
    LayoutRace race(one, UniformLayouts(), false, DefaultRaceBudget(problem.cost.cluster()));
    std::optional<LayoutDecision> decision = DecideByRace(race);
    if (!decision) throw Infeasible(race.WhyNothingFits());
    return *std::move(decision);
  }
};

const Registration<LayoutPlanner> kUniformTuned{
    {"uniform-tuned",
     "best homogeneous or colocated layout by simulated step over resampled planning batches, encoder in the first "
     "stages",
     {}},
    [](const Parameters&) { return std::make_unique<UniformTuned>(); }};

}  // namespace
}  // namespace dflop
