// expected-makespan: our answer to DFLOP's formula of means (arXiv 2603.25120, section 3.3).
//
// Every homogeneous layout (all encoder-stage counts, no pipeline at all), every colocated one (encoders of fewer
// tensor-parallel ranks than the LLM, data-parallel inside a device group) and every separate one (any split of the
// GPUs, encoder replicas that need not divide the LLM's, hub or direct communicator), every microbatch count worth
// trying, judged by the simulated step on planning batches that the batch scheduler of the run has divided,
// communication and memory included. The race (layout_race.hpp) keeps simulations few. On request recompute and
// distributed optimizer are chosen too, and the LLM's last stage may leave layers to the others.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.hpp"
#include "policies/layout_race.hpp"
#include "policies/registry.hpp"

namespace dflop {
namespace {

// Student's t(0.975) for the paired differences over the planning batches.
static_assert(kRaceBatches == 8);
constexpr double kStudent = 2.364624;
// What a search may cost where nothing is said: simulations grow with the cluster, so their number falls.
constexpr std::size_t kBudgetGpus = 16'384;
constexpr std::size_t kLeastBudget = 64;
constexpr std::size_t kMostBudget = 4096;
constexpr std::size_t kShown = 200;

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

std::string Percent(double share) { return Fixed(100 * share, 2) + " %"; }

/// How much longer the runner-up takes, with the 95 % interval of the paired difference over the planning batches.
std::string AgainstRunnerUp(const Runner& winner, const Runner& second) {
  double mean = 0;
  double squares = 0;
  const auto n = static_cast<double>(kRaceBatches);
  for (std::size_t b = 0; b < kRaceBatches; ++b) mean += (second.steps[b] - winner.steps[b]).value() / n;
  for (std::size_t b = 0; b < kRaceBatches; ++b) {
    const double off = (second.steps[b] - winner.steps[b]).value() - mean;
    squares += off * off;
  }
  const double half = kStudent * std::sqrt(squares / (n - 1) / n);
  const double step = winner.mean().value();
  return "takes " + Percent(mean / step) + " longer (95 % interval " + Percent((mean - half) / step) + " to " +
         Percent((mean + half) / step) + ", paired over " + std::to_string(kRaceBatches) + " planning batches)";
}

std::string CountsText(const RaceCounts& counts) {
  const auto number = [](std::size_t count) { return std::to_string(count); };
  const std::string messages =
      counts.messages > 0 ? number(counts.messages) + " send too many direct messages to simulate, " : "";
  return number(counts.choices) + " layouts: " + number(counts.state) + " cannot hold weights and optimizer state, " +
         messages + number(counts.bounded) + " cannot come close by the bound on their busiest stage, " +
         number(counts.memory) + " do not fit once batches are divided, " + number(counts.busiest) +
         " have a device that is busy for longer, " + number(counts.left) +
         " are expected to be slower and were left when the budget was spent; " + number(counts.simulated) +
         " simulated on " + number(counts.simulations) + " batches";
}

class ExpectedMakespan final : public LayoutPlanner {
 public:
  explicit ExpectedMakespan(Options options) : options_(options) {}

  LayoutDecision Plan(const PlanningProblem& problem) const override {
    const std::vector<SoftwareStack> stacks = Stacks(problem.cost.software(), options_);
    std::vector<CostModel> costs;
    for (const SoftwareStack& stack : stacks) costs.push_back(problem.cost.With(stack));
    std::vector<PlanningProblem> variants;
    for (const CostModel& cost : costs) variants.push_back(problem.With(cost));
    LayoutRace race(variants, options_.uneven_layers, options_.budget.value_or(DefaultBudget(problem)));
    const std::vector<Runner> runners = race.Run();
    if (runners.empty() || runners.front().steps.size() < kRaceBatches) throw Infeasible(race.WhyNothingFits());
    LayoutDecision decision = Decide(problem, stacks, runners);
    decision.reason += "; " + CountsText(race.counts());
    return decision;
  }

 private:
  static std::size_t DefaultBudget(const PlanningProblem& problem) {
    const auto gpus = static_cast<std::size_t>(problem.cost.cluster().gpus());
    return std::clamp(kBudgetGpus / gpus, kLeastBudget, kMostBudget);
  }

  LayoutDecision Decide(const PlanningProblem& problem, const std::vector<SoftwareStack>& stacks,
                        const std::vector<Runner>& runners) const {
    LayoutDecision decision;
    const Runner& winner = runners.front();
    decision.layout = BuildLayout(winner.choice, problem.cost.model(), problem.cost.cluster());
    decision.predicted = winner.mean();
    const SoftwareStack& stack = stacks[static_cast<std::size_t>(winner.variant)];
    if (winner.variant > 0) decision.software = stack;
    decision.layout.name += StackText(stack, options_);
    for (const Runner& runner : runners) {
      if (decision.candidates.size() == kShown) break;
      decision.candidates.push_back(Describe(runner, stacks));
    }
    decision.reason = "the shortest mean simulated step";
    const bool has_second = runners.size() > 1 && runners[1].steps.size() == kRaceBatches;
    if (has_second) {
      decision.reason +=
          "; the runner-up, " + Describe(runners[1], stacks).name + ", " + AgainstRunnerUp(winner, runners[1]);
    }
    return decision;
  }

  Candidate Describe(const Runner& runner, const std::vector<SoftwareStack>& stacks) const {
    Candidate candidate = runner.candidate;
    candidate.name += StackText(stacks[static_cast<std::size_t>(runner.variant)], options_);
    candidate.predicted = candidate.fits && !runner.steps.empty() ? runner.mean() : Seconds(0);
    const bool early = candidate.fits && !runner.steps.empty() && runner.steps.size() < kRaceBatches;
    if (early)
      candidate.note = "left after " + std::to_string(runner.steps.size()) + " of " + std::to_string(kRaceBatches) +
                       " planning batches";
    return candidate;
  }

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
