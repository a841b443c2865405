// uniform-tuned: the best homogeneous layout there is, the yardstick of a team that tunes its parallel degrees.
//
// Every homogeneous layout (all encoder-stage counts, no pipeline at all) and every colocated one (encoders of fewer
// tensor-parallel ranks than the LLM, data-parallel inside a device group), every microbatch count worth trying, on as
// many planning batches as our own planner and by the same race (layout_race.hpp): what it loses to us, it loses for
// its layouts alone. Judged with the batcher that will run, so that `random` and a balancing batcher may get different
// layouts.
#include "policies/api/registry.hpp"
#include "policies/layout_search/race_decision.hpp"
#include "policies/layout_search/stack_choice.hpp"

namespace dflop {
namespace {

class UniformTuned final : public LayoutPlanner {
 public:
  UniformTuned(bool sharding, bool context_parallel)
      : axes_{.sharding = sharding}, context_parallel_(context_parallel) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    std::vector<CostModel> costs;
    std::vector<std::string> labels;
    for (const SoftwareStack& stack : StacksAlong(axes_, problem.cost.software())) {
      costs.push_back(problem.cost.With(stack));
      labels.push_back(StackText(axes_, stack));
    }
    std::vector<PlanningProblem> variants;
    variants.reserve(costs.size());
    for (const CostModel& cost : costs) variants.push_back(problem.With(cost));
    LayoutRace race(variants, UniformLayouts(context_parallel_), false, DefaultRaceBudget(problem.cost.cluster()));
    std::optional<LayoutDecision> decision = DecideByRace(race, labels);
    if (!decision) throw Infeasible(race.WhyNothingFits());
    return *std::move(decision);
  }

 private:
  StackAxes axes_;
  bool context_parallel_;
};

const Registration<LayoutPlanner> kUniformTuned{
    {"uniform-tuned",
     "best homogeneous or colocated layout by simulated step over resampled planning batches, encoder in the first "
     "stages",
     {{.name = "sharding",
       .type = Parameter::Word{{"as-given", "choose"}},
       .standard = "as-given",
       .help = "of the scenario, or zero1 or zero3 (FSDP) where that is faster"},
      {.name = "context_parallel",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "also layouts whose sequences lie on several ranks"}}},
    [](const Parameters& given) {
      return std::make_unique<UniformTuned>(given.Word("sharding") == "choose", given.Flag("context_parallel"));
    }};

}  // namespace
}  // namespace dflop
