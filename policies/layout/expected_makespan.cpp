// expected-makespan: our answer to DFLOP's formula of means (arXiv 2603.25120, section 3.3).
//
// Every homogeneous layout (all encoder-stage counts, no pipeline at all), every colocated one (encoders of fewer
// tensor-parallel ranks than the LLM, data-parallel inside a device group) and every separate one (any split of the
// GPUs, encoder replicas that need not divide the LLM's, hub or direct communicator), every microbatch count worth
// trying, judged by the simulated step on planning batches that the batch scheduler of the run has divided,
// communication and memory included. The race (layout_race.hpp) keeps simulations few. On request recompute and
// distributed optimizer are chosen too, and the LLM's last stage may leave layers to the others.
#include <optional>

#include "policies/api/registry.hpp"
#include "policies/layout_search/race_decision.hpp"

namespace dflop {
namespace {

struct Options {
  bool choose_recompute = false;
  bool choose_optimizer = false;
  bool uneven_layers = false;
  std::optional<std::size_t> budget{};
};

std::vector<SoftwareStack> Stacks(const SoftwareStack& given, const Options& options) {
  std::vector<SoftwareStack> stacks{given};
  const auto vary = [&](auto change) {
    const std::size_t known = stacks.size();
    for (std::size_t i = 0; i < known; ++i) {
      stacks.push_back(stacks[i]);
      change(stacks.back());
    }
  };
  if (options.choose_recompute) {
    const Recompute other = given.recompute == Recompute::kFull ? Recompute::kNone : Recompute::kFull;
    vary([&](SoftwareStack& stack) { stack.recompute = other; });
  }
  if (options.choose_optimizer) {
    vary([](SoftwareStack& stack) { stack.distributed_optimizer = !stack.distributed_optimizer; });
  }
  return stacks;
}

std::string StackText(const SoftwareStack& stack, const Options& options) {
  std::string text;
  if (options.choose_recompute) {
    text += stack.recompute == Recompute::kNone   ? ", no recompute"
            : stack.recompute == Recompute::kFull ? ", full recompute"
                                                  : ", selective recompute";
  }
  if (options.choose_optimizer) text += stack.distributed_optimizer ? ", distributed optimizer" : ", whole optimizer";
  return text;
}

class ExpectedMakespan final : public LayoutPlanner {
 public:
  explicit ExpectedMakespan(Options options) : options_(options) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    std::vector<CostModel> costs;
    std::vector<std::string> labels;
    for (const SoftwareStack& stack : Stacks(problem.cost.software(), options_)) {
      costs.push_back(problem.cost.With(stack));
      labels.push_back(StackText(stack, options_));
    }
    std::vector<PlanningProblem> variants;
    for (const CostModel& cost : costs) variants.push_back(problem.With(cost));
    const std::size_t budget = options_.budget.value_or(DefaultRaceBudget(problem.cost.cluster()));
    LayoutRace race(variants, AllLayouts(), options_.uneven_layers, budget);
    std::optional<LayoutDecision> decision = DecideByRace(race, labels);
    if (!decision) throw Infeasible(race.WhyNothingFits());
    return *std::move(decision);
  }

 private:
  Options options_;
};

Options ReadOptions(const JsonReader& json) {
  Options options;
  options.choose_recompute = json.OneOfOr("recompute", "as-given", {"as-given", "choose"}) == "choose";
  options.choose_optimizer = json.OneOfOr("distributed_optimizer", "as-given", {"as-given", "choose"}) == "choose";
  options.uneven_layers = json.BoolOr("uneven_layers", false);
  if (json.Has("budget")) options.budget = static_cast<std::size_t>(json.At("budget").Int(0, 1'000'000'000));
  return options;
}

const Registration<LayoutPlanner> kExpectedMakespan{
    {"expected-makespan",
     "homogeneous, colocated or separate layout with the shortest simulated step over resampled planning batches",
     {"recompute", "distributed_optimizer", "uneven_layers", "budget"}},
    [](const JsonReader& json) { return std::make_unique<ExpectedMakespan>(ReadOptions(json)); }};

}  // namespace
}  // namespace dflop
