// expected-makespan: our answer to DFLOP's formula of means (arXiv 2603.25120, section 3.3).
//
// Every homogeneous layout (all encoder-stage counts, no pipeline at all), every colocated one (encoders of fewer
// tensor-parallel ranks than the LLM, data-parallel inside a device group) and every separate one (any split of the
// GPUs, encoder replicas that need not divide the LLM's, hub or direct communicator), every microbatch count worth
// trying, judged by the simulated step on planning batches that the batch scheduler of the run has divided,
// communication and memory included. The race (layout_race.hpp) keeps simulations few. On request recompute, the
// distributed optimizer or sharded parameters are chosen too, context-parallel layouts and encoders that are spread
// over the LLM's devices join the race, and the LLM's last stage may leave layers to the others.
#include <optional>

#include "policies/api/registry.hpp"
#include "policies/layout_search/race_decision.hpp"
#include "policies/layout_search/stack_choice.hpp"

namespace dflop {
namespace {

struct Options {
  StackAxes stack{};
  LayoutAxes layouts{};
  bool uneven_layers = false;
  std::optional<std::size_t> budget{};
};

class ExpectedMakespan final : public LayoutPlanner {
 public:
  explicit ExpectedMakespan(Options options) : options_(options) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    std::vector<CostModel> costs;
    std::vector<std::string> labels;
    for (const SoftwareStack& stack : StacksAlong(options_.stack, problem.cost.software())) {
      costs.push_back(problem.cost.With(stack));
      labels.push_back(StackText(options_.stack, stack));
    }
    std::vector<PlanningProblem> variants;
    variants.reserve(costs.size());
    for (const CostModel& cost : costs) variants.push_back(problem.With(cost));
    const std::size_t budget = options_.budget.value_or(DefaultRaceBudget(problem.cost.cluster()));
    LayoutRace race(variants, AllLayouts(options_.layouts), options_.uneven_layers, budget);
    std::optional<LayoutDecision> decision = DecideByRace(race, labels);
    if (!decision) throw Infeasible(race.WhyNothingFits());
    return *std::move(decision);
  }

 private:
  Options options_;
};

Options ReadOptions(const Parameters& given) {
  Options options;
  options.stack.recompute = given.Word("recompute") == "choose";
  options.stack.optimizer = given.Word("distributed_optimizer") == "choose";
  options.stack.sharding = given.Word("sharding") == "choose";
  if (options.stack.optimizer && options.stack.sharding) {
    given.json()
        .At("distributed_optimizer")
        .Fail("is one of the ways that \"sharding\": \"choose\" tries; leave it out");
  }
  options.layouts = {.context_parallel = given.Flag("context_parallel"), .spread = given.Flag("spread_encoders")};
  options.uneven_layers = given.Flag("uneven_layers");
  if (given.Given("budget")) options.budget = static_cast<std::size_t>(given.Int("budget"));
  return options;
}

const Registration<LayoutPlanner> kExpectedMakespan{
    {"expected-makespan",
     "homogeneous, colocated or separate layout with the shortest simulated step over resampled planning batches",
     {{.name = "recompute",
       .type = Parameter::Word{{"as-given", "choose"}},
       .standard = "as-given",
       .help = "of the scenario, or the fastest that fits"},
      {.name = "distributed_optimizer",
       .type = Parameter::Word{{"as-given", "choose"}},
       .standard = "as-given",
       .help = "of the scenario, or what is faster"},
      {.name = "sharding",
       .type = Parameter::Word{{"as-given", "choose"}},
       .standard = "as-given",
       .help = "of the scenario, or zero1 or zero3 (FSDP) where that is faster"},
      {.name = "context_parallel",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "also homogeneous layouts whose sequences lie on several ranks"},
      {.name = "spread_encoders",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "also layouts whose encoder is spread over the LLM's devices"},
      {.name = "uneven_layers",
       .type = Parameter::Flag{},
       .standard = false,
       .help = "also layouts whose last stage has fewer layers"},
      {.name = "budget",
       .type = Parameter::Integer{0, 1'000'000'000},
       .unit = "planning batches",
       .help = "how many it divides and simulates; by default 12,288 / GPUs, 64 to 4,096"}}},
    [](const Parameters& given) { return std::make_unique<ExpectedMakespan>(ReadOptions(given)); }};

}  // namespace
}  // namespace dflop
